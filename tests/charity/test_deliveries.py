"""Deliveries: only to verified families, with a picture of the family, taken back as if they had never been."""

import asyncio
from datetime import date

from services.charity.consumers import consumer
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money


async def test_a_delivery_helps_all_who_belong_to_the_family(
    charity: CharityUnderTest, centre: str, campaign: str
) -> None:
    family = await charity.verified_family(centre)
    event_id = str(new_id())

    request = factories.delivery(family["id"], centre, campaign_id=campaign, event_id=event_id)
    answer = await charity.post("/v1/deliveries", request)

    assert answer.status_code == 201, answer.text
    people = {member["id"] for member in family["members"]}
    [message] = await charity.outbox("charity.delivery.made.v1")
    assert set(message["data"].pop("person_ids")) == people
    assert message["data"] == {
        "delivery_id": answer.json()["id"],
        "campaign_id": campaign,
        "family_id": family["id"],
        "centre_id": centre,
        "region": "KZ-75",
        "kind": "goods",
        "value_minor": 1_500_000,
        "event_id": event_id,
        "on": "2021-04-01",
    }
    assert set((await charity.get(f"/v1/deliveries/{answer.json()['id']}"))["person_ids"]) == people


async def test_the_picture_of_the_family_stays_as_it_was(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    delivery_id = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))

    await charity.post(f"/v1/families/{family['id']}/members", factories.member(full_name="Жаңа Мүше"))

    answer = await charity.post(f"/v1/deliveries/{delivery_id}/disclosures", {"purpose": "Құжатты тексеру"})
    picture = answer.json()["snapshot"]
    assert {m["id"] for m in picture["members"]} == {m["id"] for m in family["members"]}
    assert (picture["address"], picture["categories"]) == ("Алматы, Достық даңғылы, 1", ["large_family"])
    sealed: bytes = await charity.scalar("SELECT snapshot FROM delivery")
    assert "Достық".encode() not in sealed


async def test_only_a_verified_family_is_helped(charity: CharityUnderTest, centre: str) -> None:
    draft = await charity.make("/v1/families", factories.family(centre))

    answer = await charity.post("/v1/deliveries", factories.delivery(draft, centre))
    unknown = await charity.post("/v1/deliveries", factories.delivery(str(new_id()), centre))

    assert (answer.status_code, answer.json()["code"]) == (409, "family-not-verified")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "family-unknown")


async def test_a_delivery_may_be_for_some_of_the_family(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    [one, other, _] = [member["id"] for member in family["members"]]
    await charity.post(f"/v1/families/{family['id']}/members/{other}/endings", {"until_on": "2021-03-01"})

    for_one = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, member_ids=[one, one]))
    for_all = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre))
    before = factories.delivery(family["id"], centre, occurred_on="2021-03-01", member_ids=[other])
    after = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, member_ids=[other]))
    strange = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, member_ids=[str(new_id())]))

    assert (for_one.status_code, for_all.status_code) == (201, 201)
    assert (await charity.post("/v1/deliveries", before)).status_code == 201
    sizes = [len(m["data"]["person_ids"]) for m in await charity.outbox("charity.delivery.made.v1")]
    assert sizes == [1, 2, 1]
    assert (after.status_code, after.json()["code"]) == (422, "not-of-the-family")
    assert (strange.status_code, strange.json()["code"]) == (422, "not-of-the-family")


async def test_a_void_is_once_and_counts_for_the_delivery_s_own_day(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    delivery_id = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))

    answers = await asyncio.gather(
        *(charity.post(f"/v1/deliveries/{delivery_id}/voids", {"reason": "Екі рет енгізілген"}) for _ in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"delivery-is-voided"}
    [made] = await charity.outbox("charity.delivery.made.v1")
    [voided] = await charity.outbox("charity.delivery.voided.v1")
    assert (voided["aggregateversion"], voided["data"]["on"]) == (2, "2021-04-01")
    assert {**voided["data"], "person_ids": sorted(voided["data"]["person_ids"])} == {
        **made["data"], "person_ids": sorted(made["data"]["person_ids"]),
    }  # fmt: skip


async def test_a_delivery_needs_a_campaign_that_was_opened(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    draft = await charity.make("/v1/campaigns", factories.campaign())

    never = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, campaign_id=draft))
    nowhere = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, campaign_id=str(new_id())))
    free = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, kind="money", value=None))

    assert (never.status_code, never.json()["code"]) == (409, "campaign-never-opened")
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "campaign-unknown")
    assert (free.status_code, free.json()["code"]) == (422, "validation-failed")


async def test_a_closed_centre_takes_records_up_to_its_last_day(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    closed = factories.centre_closed(centre, date(2021, 4, 1))
    await consumer.apply(charity.process.database, [factories.delivered(closed, version=2)])

    last_day = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, occurred_on="2021-04-01"))
    day_after = await charity.post("/v1/deliveries", factories.delivery(family["id"], centre, occurred_on="2021-04-02"))

    assert last_day.status_code == 201
    assert (day_after.status_code, day_after.json()["code"]) == (409, "centre-is-closed")


async def test_a_batch_delivers_and_takes_back(charity: CharityUnderTest, centre: str, campaign: str) -> None:
    families = [await charity.verified_family(centre, size=2) for _ in range(3)]
    draft = await charity.make("/v1/families", factories.family(centre))
    rows = [factories.delivery(f["id"], centre, id=str(new_id()), campaign_id=campaign) for f in families * 3]

    made = await charity.batch("/v1/deliveries", *rows, factories.delivery(draft, centre))
    again = await charity.batch("/v1/deliveries", *rows, factories.delivery(draft, centre))
    voids = [{"delivery_id": row["id"], "reason": "Қате"} for row in rows[:4]]
    voided = await charity.batch("/v1/deliveries/voids", *voids, voids[0])

    assert [row["status"] for row in made] == [201] * 9 + [409]
    assert [row["status"] for row in again] == [200] * 9 + [409]
    assert [row["status"] for row in voided] == [200] * 4 + [409]
    assert await charity.scalar("SELECT count(*) FROM helped") == 18
    tally = await charity.get("/v1/tallies", campaign_id=campaign)
    assert [tally["figures"][name] for name in ("deliveries", "families_helped", "people_helped")] == [5, 3, 6]


async def test_lists_are_by_family_campaign_and_centre(charity: CharityUnderTest, centre: str) -> None:
    one, other = [await charity.verified_family(centre) for _ in range(2)]
    for family in (one, one, other):
        await charity.make("/v1/deliveries", factories.delivery(family["id"], centre, value=money("0")))

    assert len((await charity.get("/v1/deliveries", family_id=one["id"]))["items"]) == 2
    assert len((await charity.get("/v1/deliveries", centre_id=centre))["items"]) == 3
    assert (await charity.get("/v1/deliveries", campaign_id=str(new_id())))["items"] == []
