"""Events: planned, announced, changed, held, cancelled, and who sees which."""

from datetime import date
from uuid import UUID

import pytest

from services.events.consumers import consumer
from shared.access.permissions import Role
from shared.access.principal import ANYONE, person
from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ANY_VERSION, ServiceUnderTest


async def test_a_new_event_is_announced_once_with_the_civil_day_on_which_it_begins(
    events: ServiceUnderTest, centre: str
) -> None:
    late = {"starts_at": "2021-06-09T18:30:00Z", "ends_at": "2021-06-09T19:30:00Z"}

    answer = await events.post("/v1/events", factories.event(centre, **late))

    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/events/{answer.json()['id']}"
    [message] = await events.outbox()
    assert message["type"] == "events.event.published.v1"
    assert message["aggregateversion"] == 1
    assert (message["data"]["was"], message["data"]["status"]) == (None, "published")
    assert (message["data"]["region"], message["centre"]) == ("KZ-75", centre)
    # Almaty was UTC+6 then.
    assert message["data"]["on"] == "2021-06-10"


async def test_an_event_goes_from_draft_to_published_to_held(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event(status="draft")

    published = await events.client.post(f"/v1/events/{event_id}/publications")
    held = await events.post(f"/v1/events/{event_id}/holdings", {"result": "120 ағаш отырғызылды"})

    assert (published.status_code, published.json()["status"]) == (200, "published")
    assert (held.json()["status"], held.json()["result"]) == ("held", "120 ағаш отырғызылды")
    messages = await events.outbox()
    assert [m["type"].split(".")[2] for m in messages] == ["drafted", "published", "held"]
    assert [m["aggregateversion"] for m in messages] == [1, 2, 3]
    assert [m["data"]["was"] for m in messages] == [None, "draft", "published"]
    assert {m["data"]["on"] for m in messages} == {"2021-06-09"}


async def test_a_cancelled_event_says_why_and_calls_its_shifts_off(
    events: ServiceUnderTest, event: Make, shift: Make
) -> None:
    event_id = await event()
    shift_id = await shift(event_id)

    answer = await events.post(f"/v1/events/{event_id}/cancellations", {"reason": "Ауа райы"})

    assert (answer.json()["status"], answer.json()["cancelled_because"]) == ("cancelled", "Ауа райы")
    assert (await events.client.get(f"/v1/shifts/{shift_id}")).json()["called_off"] is True
    [message] = await events.outbox("events.event.cancelled.v1")
    assert (message["data"]["was"], message["data"]["reason"]) == ("published", "Ауа райы")


@pytest.mark.parametrize(
    ("before", "action", "says"),
    [
        ("held", "cancellations", "The event is held; this needs draft or published."),
        ("held", "publications", "The event is held; this needs draft."),
        ("cancelled", "holdings", "The event is cancelled; this needs published."),
        ("draft", "holdings", "The event is draft; this needs published."),
        ("published", "publications", "The event is published; this needs draft."),
    ],
)
async def test_a_status_that_does_not_allow_it_is_named(
    events: ServiceUnderTest, event: Make, before: str, action: str, says: str
) -> None:
    event_id = await event(status="draft" if before == "draft" else "published")
    if before == "held":
        await events.post(f"/v1/events/{event_id}/holdings", {})
    if before == "cancelled":
        await events.post(f"/v1/events/{event_id}/cancellations", {"reason": "Карантин"})
    announced = len(await events.outbox())

    answer = await events.post(
        f"/v1/events/{event_id}/{action}", {"reason": "Карантин"} if action == "cancellations" else {}
    )

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["detail"]) == ("status-does-not-allow", says)
    assert len(await events.outbox()) == announced


async def test_an_event_is_not_held_before_it_begins(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event(starts_at=factories.FUTURE_STARTS_AT, ends_at=factories.FUTURE_ENDS_AT)

    answer = await events.post(f"/v1/events/{event_id}/holdings", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "future-event")


async def test_a_change_is_announced_and_the_same_again_is_not(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()
    moved = factories.plan(starts_at="2021-06-10T10:00:00+06:00", ends_at="2021-06-10T12:00:00+06:00", venue="Саябақ")

    first = await events.client.put(f"/v1/events/{event_id}", json=moved, headers=ANY_VERSION)
    again = await events.client.put(f"/v1/events/{event_id}", json=moved, headers=ANY_VERSION)

    assert (first.status_code, first.json()["venue"], first.json()["version"]) == (200, "Саябақ", 2)
    assert again.json() == first.json()
    [message] = await events.outbox("events.event.changed.v1")
    assert (message["data"]["was_on"], message["data"]["on"]) == ("2021-06-09", "2021-06-10")
    assert (message["data"]["was"], message["data"]["status"]) == ("published", "published")


async def test_an_event_does_not_move_away_from_its_shifts(events: ServiceUnderTest, event: Make, shift: Make) -> None:
    event_id = await event()
    await shift(event_id)
    far = factories.plan(starts_at="2021-07-09T10:00:00+06:00", ends_at="2021-07-09T12:00:00+06:00")

    answer = await events.client.put(f"/v1/events/{event_id}", json=far, headers=ANY_VERSION)

    assert (answer.status_code, answer.json()["code"]) == (422, "shift-outside-event")


async def test_an_event_whose_guests_were_counted_stays_on_its_day(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()
    await events.post("/v1/headcounts", {"event_id": event_id, "helpers": 5, "guests": 40, "counted_by": "Үйлестіруші"})
    later = factories.plan(starts_at="2021-06-09T12:00:00+06:00")
    next_day = factories.plan(starts_at="2021-06-10T10:00:00+06:00", ends_at="2021-06-10T12:00:00+06:00")

    same_day = await events.client.put(f"/v1/events/{event_id}", json=later, headers=ANY_VERSION)
    moved = await events.client.put(f"/v1/events/{event_id}", json=next_day, headers=ANY_VERSION)

    assert same_day.status_code == 200
    assert (moved.status_code, moved.json()["code"]) == (409, "event-is-counted")


async def test_a_held_event_is_not_changed(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()
    await events.post(f"/v1/events/{event_id}/holdings", {})

    answer = await events.client.put(f"/v1/events/{event_id}", json=factories.plan(venue="Саябақ"), headers=ANY_VERSION)

    assert (answer.status_code, answer.json()["code"]) == (409, "status-does-not-allow")


async def test_the_same_id_makes_one_event(events: ServiceUnderTest, centre: str) -> None:
    request = factories.event(centre, id=str(new_id()))

    first = await events.post("/v1/events", request)
    again = await events.post("/v1/events", request)
    other = await events.post("/v1/events", request | {"format": "concert"})

    assert [a.status_code for a in (first, again, other)] == [201, 200, 409]
    assert again.json() == first.json()
    assert other.json()["code"] == "already-exists"
    assert len(await events.outbox()) == 1


async def test_an_event_needs_a_centre_and_a_campaign_that_are_known(events: ServiceUnderTest, centre: str) -> None:
    campaign_id = str(new_id())

    nowhere = await events.post("/v1/events", factories.event(str(new_id())))
    too_early = await events.post("/v1/events", factories.event(centre, campaign_id=campaign_id))
    await consumer.apply(events.process.database, [factories.delivery(factories.campaign_opened(campaign_id))])
    heard = await events.post("/v1/events", factories.event(centre, campaign_id=campaign_id))

    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "centre-unknown")
    assert (too_early.status_code, too_early.json()["code"]) == (409, "campaign-unknown")
    assert heard.status_code == 201


async def test_a_closed_centre_has_events_up_to_its_last_day(events: ServiceUnderTest, centre: str) -> None:
    closed = factories.centre_closed(centre, date(2021, 6, 9))
    await consumer.apply(events.process.database, [factories.delivery(closed, version=2)])

    on_the_day = await events.post("/v1/events", factories.event(centre))
    after = await events.post(
        "/v1/events",
        factories.event(centre, starts_at="2021-06-10T10:00:00+06:00", ends_at="2021-06-10T11:00:00+06:00"),
    )

    assert on_the_day.status_code == 201
    assert (after.status_code, after.json()["code"]) == (409, "centre-is-closed")


async def test_drafts_are_shown_to_staff_and_internal_events_to_members(
    events: ServiceUnderTest, event: Make, volunteer: Make, centre: str
) -> None:
    member, stranger = [
        person("person:one", Role.VOLUNTEER, volunteer_id=UUID(await volunteer(centre_id=of)))
        for of in (centre, str(new_id()))
    ]
    draft, internal, public = await event(status="draft"), await event(public=False), await event()
    shown: dict[str, list[str]] = {}
    single: dict[str, list[int]] = {}

    for name, headers in (
        ("staff", {}),
        ("member", events.as_principal(member)),
        ("stranger", events.as_principal(stranger)),
        ("anyone", events.as_principal(ANYONE)),
    ):
        listed = await events.client.get("/v1/events", headers=headers)
        shown[name] = [e["id"] for e in listed.json()["items"]]
        single[name] = [
            (await events.client.get(f"/v1/events/{e}", headers=headers)).status_code for e in (draft, internal, public)
        ]

    assert shown == {
        "staff": [draft, internal, public],
        "member": [internal, public],
        "stranger": [public],
        "anyone": [public],
    }
    assert single == {
        "staff": [200, 200, 200],
        "member": [404, 200, 200],
        "stranger": [404, 404, 200],
        "anyone": [404, 404, 200],
    }


async def test_events_are_listed_in_the_order_in_which_they_begin_page_by_page(
    events: ServiceUnderTest, event: Make
) -> None:
    made = {
        day: await event(starts_at=f"2021-06-{day:02d}T10:00:00+06:00", ends_at=f"2021-06-{day:02d}T11:00:00+06:00")
        for day in (12, 3, 7, 21, 9)
    }
    await events.post(f"/v1/events/{made[7]}/holdings", {})

    pages: list[list[str]] = []
    address = "/v1/events?limit=2"
    while address:
        page = (await events.client.get(address)).json()
        pages.append([e["id"] for e in page["items"]])
        address = page.get("next")
    held = await events.client.get("/v1/events?status=held")
    days = await events.client.get("/v1/events?from=2021-06-07&to=2021-06-12")

    assert pages == [[made[3], made[7]], [made[9], made[12]], [made[21]]]
    assert [e["id"] for e in held.json()["items"]] == [made[7]]
    assert [e["id"] for e in days.json()["items"]] == [made[7], made[9], made[12]]


async def test_formats_come_in_three_languages(events: ServiceUnderTest) -> None:
    answer = await events.client.get("/v1/formats", headers=events.as_principal(ANYONE))

    formats = answer.json()["items"]
    assert {"charity_action", "clean_up", "blood_donation", "other"} <= {f["code"] for f in formats}
    assert all(f["kk"] and f["ru"] and f["en"] for f in formats)


async def test_a_batch_of_events_answers_row_by_row(events: ServiceUnderTest, centre: str) -> None:
    known = factories.event(centre, id=str(new_id()))
    await events.post("/v1/events", known)
    rows = [factories.event(centre, id=str(new_id())) for _ in range(10)]
    rows[2] = known
    rows[4]["centre_id"] = str(new_id())
    rows[5]["ends_at"] = rows[5]["starts_at"]
    rows[6]["colour"] = "blue"
    rows[8]["id"] = rows[7]["id"]
    rows[9]["id"] = rows[7]["id"]
    rows[9]["format"] = "concert"
    rows[0]["client_ref"] = "row 2 of the sheet"

    answer = await events.post("/v1/events/batches", {"items": rows})

    assert answer.status_code == 207, answer.text
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [201, 201, 200, 201, 409, 422, 422, 201, 200, 409]
    assert items[0]["client_ref"] == "row 2 of the sheet"
    assert items[2]["id"] == known["id"]
    assert items[5]["problem"]["errors"][0]["pointer"] == "#/items/5/ends_at"
    assert answer.json()["summary"] == {"done": 6, "refused": 4}
    assert len(await events.outbox()) == 1 + 4


async def test_batches_publish_hold_and_cancel(events: ServiceUnderTest, event: Make) -> None:
    drafts = [await event(status="draft") for _ in range(4)]

    published = await events.post("/v1/events/publications/batches", {"items": [{"event_id": e} for e in drafts]})
    held = await events.post(
        "/v1/events/holdings/batches", {"items": [{"event_id": e} for e in (drafts[0], str(new_id()), drafts[1])]}
    )
    cancelled = await events.post(
        "/v1/events/cancellations/batches",
        {"items": [{"event_id": e, "reason": "Карантин"} for e in (drafts[1], drafts[2])]},
    )

    assert published.json()["summary"] == {"done": 4, "refused": 0}
    assert [item["status"] for item in held.json()["items"]] == [200, 404, 200]
    assert [item["status"] for item in cancelled.json()["items"]] == [409, 200]
