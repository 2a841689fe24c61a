"""What charity knows of people: sealed at rest, masked for who works with it, in clear for a purpose."""

from typing import Any

import pytest

from shared.access.permissions import Permission, Role
from shared.access.principal import Grant, Principal, person
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest

PURPOSE = {"purpose": "Көмек жеткізу үшін"}
ADDRESS, REFERRED_BY = "Алматы, Достық даңғылы, 1", "Аналар кеңесі"
COORDINATOR, TREASURER = person("person:c", Role.COORDINATOR), person("person:t", Role.TREASURER)
AUDITOR = person("person:a", Role.AUDITOR)

FAMILY = {
    "id",
    "version",
    "number",
    "status",
    "centre_id",
    "region",
    "lives_in",
    "registered_on",
    "recorded_at",
    "members",
}
MEMBER = {"id", "from_on", "until_on"}


def key(*permissions: Permission) -> Principal:
    grant = Grant(role=Role.SYSTEM, centres=None, permissions=frozenset(permissions))
    return Principal(id="key:1", kind="machine", grants=(grant,))


async def ask(charity: CharityUnderTest, path: str, by: Principal) -> Any:
    answer = await charity.client.get(path, headers=charity.service.as_principal(by))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def family(charity: CharityUnderTest, centre: str) -> dict[str, Any]:
    members = [
        factories.member("head", full_name="Нұрсұлтанова Айша", born_on="1977-07-07", iin=factories.iin()),
        factories.member(full_name="Нұрсұлтанов Әли", categories=["disability"]),
    ]
    return await charity.verified_family(centre, members=members)


async def test_who_looks_after_a_family_sees_it_masked(charity: CharityUnderTest, family: dict[str, Any]) -> None:
    seen = await ask(charity, f"/v1/families/{family['id']}", COORDINATOR)

    assert set(seen) == FAMILY | {"sealed"}
    assert seen["sealed"] == ["address", "referred_by", "categories"]
    [head, child] = seen["members"]
    assert set(head) == MEMBER | {"name", "born_in", "iin", "relation"}
    assert (head["name"], head["born_in"], head["iin"][:8]) == ("Н••• А•••", "1977-07", "•" * 8)
    assert (child["name"], child["iin"]) == ("Н••• Ә•••", None)
    assert "disability" not in str(seen)


async def test_a_key_without_the_right_sees_a_family_without_people(
    charity: CharityUnderTest, family: dict[str, Any]
) -> None:
    reader = key(Permission.READ_FAMILIES)
    seen = await ask(charity, f"/v1/families/{family['id']}", reader)
    [listed] = (await ask(charity, "/v1/families", reader))["items"]

    assert (set(seen), {name for member in seen["members"] for name in member}) == (FAMILY, MEMBER)
    assert listed == seen


async def test_a_family_is_disclosed_for_a_purpose(charity: CharityUnderTest, family: dict[str, Any]) -> None:
    await charity.post(f"/v1/families/{family['id']}/archivals", {"reason": "Көшіп кетті"})
    told = await charity.post(f"/v1/families/{family['id']}/disclosures", PURPOSE, by=COORDINATOR)

    assert told.status_code == 200, told.text
    disclosed = told.json()
    assert (disclosed["address"], disclosed["referred_by"], disclosed["categories"], disclosed["reasons"]) == (
        ADDRESS, REFERRED_BY, ["large_family"], ["Көшіп кетті"],
    )  # fmt: skip
    assert [(m["full_name"], m["born_on"], m["categories"]) for m in disclosed["members"]] == [
        ("Нұрсұлтанова Айша", "1977-07-07", []),
        ("Нұрсұлтанов Әли", "2010-02-03", ["disability"]),
    ]
    [entry] = (await charity.get("/v1/journal/charity"))["items"]
    assert (entry["by"], entry["record"], entry["purpose"]) == (
        "person:c",
        f"family/{family['id']}",
        PURPOSE["purpose"],
    )


async def test_what_was_noted_of_a_delivery_is_for_who_looks_after_the_family(
    charity: CharityUnderTest, centre: str, family: dict[str, Any]
) -> None:
    delivery = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))
    await charity.post(f"/v1/deliveries/{delivery}/voids", {"reason": "Айша үйде болмады"})

    close = await ask(charity, f"/v1/deliveries/{delivery}", COORDINATOR)
    far = await ask(charity, f"/v1/deliveries/{delivery}", key(Permission.READ_FAMILIES))
    told = await charity.post(f"/v1/deliveries/{delivery}/disclosures", PURPOSE, by=COORDINATOR)
    refused = await charity.post(f"/v1/deliveries/{delivery}/disclosures", PURPOSE, by=TREASURER)

    assert (close["description"], close["void_reason"]) == ("Азық-түлік себеті", "Айша үйде болмады")
    assert (far["description"], far["void_reason"]) == (None, None)
    assert "snapshot" not in close
    assert told.json()["snapshot"]["address"] == ADDRESS
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("who", "name"), [(TREASURER, "Т••• Ә•••"), (AUDITOR, None), (key(Permission.READ_MONEY), None)]
)
async def test_a_person_who_gave_is_masked_and_not_shown_to_who_does_not_record_gifts(
    charity: CharityUnderTest, campaign: str, centre: str, who: Principal, name: str | None
) -> None:
    donor = {"kind": "person", "name": "Төлегенов Әли"}
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre, donor=donor))

    seen = await ask(charity, f"/v1/donations/{gift}", who)

    assert seen["donor"] == {"anonymous": False, "kind": "person", "name": name, "bin": None}
    assert "Төлегенов" not in str(await ask(charity, "/v1/donations", who))


async def test_an_organisation_is_nobody_in_particular(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    donor = {"kind": "organisation", "name": "«Береке» ЖШС", "bin": "940140000385"}
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre, donor=donor))

    seen = await ask(charity, f"/v1/donations/{gift}", AUDITOR)

    assert seen["donor"] == {"anonymous": False, **donor}


async def test_a_giver_is_disclosed_for_a_purpose(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))

    told = await charity.post(f"/v1/donations/{gift}/disclosures", PURPOSE, by=COORDINATOR)
    without = await charity.post(f"/v1/donations/{gift}/disclosures", {}, by=COORDINATOR)
    refused = await charity.post(f"/v1/donations/{gift}/disclosures", PURPOSE, by=AUDITOR)

    assert told.json()["donor"]["name"] == "Айгүл Қасымова"
    assert (without.status_code, refused.status_code) == (422, 403)
    assert [e["record"] for e in (await charity.get("/v1/journal/charity"))["items"]] == [f"donation/{gift}"]


async def test_why_money_went_back_is_for_who_gives_it_back(
    charity: CharityUnderTest, campaign: str, centre: str
) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))
    await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(reason="Әкесі қайтарды"))

    [seen] = (await ask(charity, f"/v1/donations/{gift}/refunds", TREASURER))["items"]
    [hidden] = (await ask(charity, f"/v1/donations/{gift}/refunds", AUDITOR))["items"]

    assert (seen["reason"], hidden["reason"]) == ("Әкесі қайтарды", None)


@pytest.mark.parametrize("noun", ["families", "deliveries", "donations"])
async def test_nothing_is_not_disclosed(charity: CharityUnderTest, noun: str) -> None:
    answer = await charity.post(f"/v1/{noun}/{new_id()}/disclosures", PURPOSE)

    assert answer.status_code == 404
    assert (await charity.get("/v1/journal/charity"))["items"] == []


async def test_nothing_that_tells_of_people_is_readable_in_the_database(
    charity: CharityUnderTest, centre: str, campaign: str, family: dict[str, Any]
) -> None:
    delivery = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))
    await charity.post(f"/v1/deliveries/{delivery}/voids", {"reason": "Айша үйде болмады"})
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))
    await charity.post(f"/v1/donations/{gift}/refunds", factories.refund())
    await charity.post(f"/v1/families/{family['id']}/disclosures", PURPOSE)

    tables = ("family", "member", "delivery", "donation", "refund", "statuschange", "idempotency", "outbox", "journal")
    rows = [
        str(row[0])
        for table in tables
        for row in await charity.database.pool.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t")  # noqa: S608
    ]
    stored = "\n".join(rows)

    for secret in (
        "Нұрсұлтан", "1977-07-07", "Достық", "Аналар", "Айша", "Азық-түлік", "Қасымова", "Қателесіп", "disability",
    ):  # fmt: skip
        assert secret not in stored
        assert secret.encode().hex() not in stored


@pytest.mark.parametrize("field", ["role", "verified", "version", "status", "number", "recorded_by"])
async def test_a_family_sets_nothing_that_is_not_its_own(charity: CharityUnderTest, centre: str, field: str) -> None:
    answer = await charity.post("/v1/families", factories.family(centre) | {field: "x"})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")


@pytest.mark.parametrize("field", ["refunded", "refunded_minor", "receipt_number", "version", "recorded_by", "region"])
async def test_a_gift_sets_nothing_that_is_not_its_own(
    charity: CharityUnderTest, centre: str, campaign: str, field: str
) -> None:
    answer = await charity.post("/v1/donations", factories.donation(campaign, centre, **{field: "x"}))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")
