"""Shifts: when they may be and how they are listed."""

import pytest

from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest


async def test_a_shift_is_announced(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()

    answer = await events.post("/v1/shifts", factories.shift(event_id, needed=3, minimum_age=16, hazard="heavy"))

    assert answer.status_code == 201, answer.text
    [message] = await events.outbox("events.shift.opened.v1")
    assert message["subject"] == f"events.shift/{answer.json()['id']}"
    data = message["data"]
    assert (data["event_id"], data["needed"], data["minimum_age"], data["region"]) == (event_id, 3, 16, "KZ-75")


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "code"),
    [
        ("2021-06-08T10:00:00+06:00", "2021-06-10T14:00:00+06:00", None),
        ("2021-06-08T09:59:59+06:00", "2021-06-09T12:00:00+06:00", "shift-outside-event"),
        ("2021-06-09T10:00:00+06:00", "2021-06-10T14:00:01+06:00", "shift-outside-event"),
        ("2021-06-09T10:00:00+06:00", "2021-06-09T10:00:00+06:00", "ends-before-it-begins"),
    ],
)
async def test_a_shift_lies_within_its_event_give_or_take_a_day(
    events: ServiceUnderTest, event: Make, starts_at: str, ends_at: str, code: str | None
) -> None:
    answer = await events.post("/v1/shifts", factories.shift(await event(), starts_at=starts_at, ends_at=ends_at))

    assert (answer.status_code, answer.json().get("code")) == ((201, None) if code is None else (422, code))


async def test_a_cancelled_event_takes_no_shifts(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()
    await events.post(f"/v1/events/{event_id}/cancellations", {"reason": "Карантин"})

    cancelled = await events.post("/v1/shifts", factories.shift(event_id))
    unknown = await events.post("/v1/shifts", factories.shift(str(new_id())))

    assert (cancelled.status_code, cancelled.json()["code"]) == (409, "status-does-not-allow")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "event-unknown")


async def test_the_same_id_opens_one_shift(events: ServiceUnderTest, event: Make) -> None:
    request = factories.shift(await event(), id=str(new_id()), needed=3)

    first = await events.post("/v1/shifts", request)
    again = await events.post("/v1/shifts", request)
    other = await events.post("/v1/shifts", request | {"needed": 4})
    batch = await events.post("/v1/shifts/batches", {"items": [request, request | {"id": str(new_id())}]})

    assert [a.status_code for a in (first, again, other)] == [201, 200, 409]
    assert [item["status"] for item in batch.json()["items"]] == [200, 201]


async def test_the_shifts_of_an_event_are_listed_in_the_order_in_which_they_begin(
    events: ServiceUnderTest, event: Make, shift: Make
) -> None:
    event_id = await event()
    late = await shift(event_id, starts_at="2021-06-09T12:00:00+06:00")
    early = await shift(event_id, ends_at="2021-06-09T12:00:00+06:00")
    await shift()

    first = (await events.client.get(f"/v1/shifts?event_id={event_id}&limit=1")).json()
    second = (await events.client.get(first["next"])).json()

    assert [s["id"] for s in first["items"] + second["items"]] == [early, late]
    assert second.get("next") is None
    assert (await events.client.get(f"/v1/shifts/{new_id()}")).status_code == 404
