"""Sign-ups: the rule, its races, and what becomes of a place."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from services.events.consumers import consumer
from services.events.domain import OPEN
from shared.access.permissions import Role
from shared.access.principal import person
from shared.contracts.volunteers import VolunteerPaused
from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest

MORNING = {"starts_at": "2021-06-09T10:00:00+06:00", "ends_at": "2021-06-09T12:00:00+06:00"}
MIDDAY = {"starts_at": "2021-06-09T11:00:00+06:00", "ends_at": "2021-06-09T13:00:00+06:00"}
AFTERNOON = {"starts_at": "2021-06-09T12:00:00+06:00", "ends_at": "2021-06-09T14:00:00+06:00"}


async def sign_up(events: ServiceUnderTest, shift_id: str, volunteer_id: str, **fields: Any) -> Any:
    return await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": volunteer_id} | fields)


async def taken(events: ServiceUnderTest, shift_id: str) -> int:
    return (await events.client.get(f"/v1/shifts/{shift_id}")).json()["taken"]


async def test_a_sign_up_is_announced_for_the_day_of_the_shift(
    events: ServiceUnderTest, shift: Make, volunteer: Make
) -> None:
    shift_id, volunteer_id = await shift(), await volunteer()

    answer = await sign_up(events, shift_id, volunteer_id)

    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/sign-ups/{answer.json()['id']}"
    [message] = await events.outbox("events.signup.confirmed.v1")
    data = message["data"]
    assert (data["shift_id"], data["volunteer_id"], data["on"]) == (shift_id, volunteer_id, "2021-06-09")
    assert data["region"] == "KZ-75"
    assert await taken(events, shift_id) == 1


async def test_a_repeat_is_the_same_sign_up(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id, volunteer_id = await shift(needed=1), await volunteer()

    answers = await asyncio.gather(*(sign_up(events, shift_id, volunteer_id) for _ in range(8)))
    with_id = await sign_up(events, shift_id, volunteer_id, id=str(new_id()))

    assert Counter(a.status_code for a in answers) == {201: 1, 200: 7}
    assert {a.json()["id"] for a in (*answers, with_id)} == {answers[0].json()["id"]}
    assert with_id.status_code == 200
    assert await taken(events, shift_id) == 1
    assert len(await events.outbox("events.signup.confirmed.v1")) == 1


async def test_an_id_is_one_sign_up(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id, volunteer_id, signup_id = await shift(), await volunteer(), str(new_id())

    first = await sign_up(events, shift_id, volunteer_id, id=signup_id)
    await events.client.post(f"/v1/sign-ups/{signup_id}/withdrawals")
    late_repeat = await sign_up(events, shift_id, volunteer_id, id=signup_id)
    other = await sign_up(events, shift_id, await volunteer(), id=signup_id)

    assert (first.status_code, first.json()["id"]) == (201, signup_id)
    assert late_repeat.status_code == 200
    assert late_repeat.json()["withdrawn_at"] is not None
    assert (other.status_code, other.json()["code"]) == (409, "already-exists")


async def test_200_people_race_for_50_places_and_exactly_50_get_one(
    events: ServiceUnderTest, shift: Make, volunteer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All wait for one row: on a slow machine the last of them would be told to come again.
    monkeypatch.setattr("shared.database.transaction.ACQUIRE_TIMEOUT_S", 120.0)
    shift_id = await shift(needed=50)
    volunteer_ids = [new_id() for _ in range(200)]
    heard = [factories.delivery(factories.volunteer_approved(volunteer_id)) for volunteer_id in volunteer_ids]
    await consumer.apply(events.process.database, heard)

    answers = await asyncio.gather(*(sign_up(events, shift_id, str(volunteer_id)) for volunteer_id in volunteer_ids))

    assert Counter((a.status_code, a.json().get("code")) for a in answers) == {
        (201, None): 50,
        (409, "shift-full"): 150,
    }
    assert await taken(events, shift_id) == 50
    assert len(await events.outbox("events.signup.confirmed.v1")) == 50
    stored = await events.database.pool.fetchval("SELECT count(*) FROM signup WHERE withdrawn_at IS NULL")
    assert stored == 50


async def test_batches_and_single_requests_race_for_the_same_places(
    events: ServiceUnderTest, shift: Make, volunteer: Make
) -> None:
    shift_ids = [await shift(needed=7, **MORNING), await shift(needed=7, **AFTERNOON)]
    volunteer_ids = [str(await volunteer()) for _ in range(20)]
    rows = [{"shift_id": s, "volunteer_id": v} for s in shift_ids for v in volunteer_ids]

    answers = await asyncio.gather(
        events.post("/v1/sign-ups/batches", {"items": rows}),
        events.post("/v1/sign-ups/batches", {"items": rows[::-1]}),
        *(sign_up(events, row["shift_id"], row["volunteer_id"]) for row in rows[::3]),
    )

    assert {a.status_code for a in answers} <= {200, 201, 207, 409}
    assert [await taken(events, s) for s in shift_ids] == [7, 7]
    assert len(await events.outbox("events.signup.confirmed.v1")) == 14


async def test_no_place_is_needed_or_as_many_as_like_to(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    none, unlimited = await shift(needed=0), await shift()
    people = [await volunteer() for _ in range(3)]

    refused = await sign_up(events, none, people[0])
    accepted = [(await sign_up(events, unlimited, person)).status_code for person in people]

    assert (refused.status_code, refused.json()["code"]) == (409, "shift-full")
    assert accepted == [201, 201, 201]


async def test_shifts_that_meet_do_not_clash_and_shifts_that_overlap_do(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id, volunteer_id = await event(), await volunteer()
    morning, midday, afternoon = [await shift(event_id, **time) for time in (MORNING, MIDDAY, AFTERNOON)]

    first = await sign_up(events, morning, volunteer_id)
    overlapping = await sign_up(events, midday, volunteer_id)
    next_one = await sign_up(events, afternoon, volunteer_id)
    someone_else = await sign_up(events, midday, await volunteer())

    assert (first.status_code, next_one.status_code, someone_else.status_code) == (201, 201, 201)
    assert (overlapping.status_code, overlapping.json()["code"]) == (409, "shifts-overlap")


async def test_a_centre_may_want_time_between_two_shifts(
    events: ServiceUnderTest, centre: str, event: Make, shift: Make, volunteer: Make
) -> None:
    await events.database.pool.execute("UPDATE knowncentre SET changeover_minutes = 30 WHERE id = $1", UUID(centre))
    # What the volunteers service tells later leaves it alone.
    await consumer.apply(events.process.database, [factories.delivery(factories.centre_opened(centre), version=2)])
    event_id, volunteer_id = await event(), await volunteer()
    morning, afternoon = await shift(event_id, **MORNING), await shift(event_id, **AFTERNOON)

    await sign_up(events, morning, volunteer_id)
    too_soon = await sign_up(events, afternoon, volunteer_id)

    assert (too_soon.status_code, too_soon.json()["code"]) == (409, "shifts-overlap")


async def test_of_overlapping_shifts_raced_for_by_one_volunteer_exactly_one_is_taken(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id, volunteer_id = await event(), await volunteer()
    shift_ids = [await shift(event_id, **time) for time in (MORNING, MIDDAY)]

    answers = await asyncio.gather(*(sign_up(events, shift_ids[n % 2], volunteer_id) for n in range(10)))

    confirmed = {a.json()["id"] for a in answers if a.status_code in (200, 201)}
    refused = {a.json()["code"] for a in answers if a.status_code == 409}
    assert len(confirmed) == 1
    assert refused == {"shifts-overlap"}
    assert sum([await taken(events, s) for s in shift_ids]) == 1


@pytest.mark.parametrize(
    ("person", "wanted", "status", "code"),
    [
        ({"status": "applied"}, {}, 409, "volunteer-not-active"),
        ({"status": "paused"}, {}, 409, "volunteer-not-active"),
        ({"status": "left"}, {}, 409, "volunteer-not-active"),
        ({"status": "active"}, {}, 201, None),
        ({"consent": False}, {}, 409, "consent-missing"),
        # The shift is on 9 June 2021: whoever was born in June 2005 may not be 16 yet.
        ({"born_in": "2005-06"}, {"minimum_age": 16}, 422, "volunteer-too-young"),
        ({"born_in": "2005-05"}, {"minimum_age": 16}, 201, None),
        ({"born_in": "2003-06"}, {"hazard": "heavy"}, 422, "hazard-for-minors"),
        ({"born_in": "2003-06"}, {"hazard": "disaster_relief"}, 422, "hazard-for-minors"),
        ({"born_in": "2003-05"}, {"hazard": "heavy"}, 201, None),
        ({"born_in": "2010-01"}, {}, 201, None),
    ],
)
async def test_who_may_take_a_shift(
    events: ServiceUnderTest,
    shift: Make,
    volunteer: Make,
    person: dict[str, Any],
    wanted: dict[str, Any],
    status: int,
    code: str | None,
) -> None:
    shift_id, volunteer_id = await shift(**wanted), await volunteer(**person)

    answer = await sign_up(events, shift_id, volunteer_id)

    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert await taken(events, shift_id) == (1 if code is None else 0)
    if code is not None:
        assert answer.json()["errors"][0]["pointer"] == "#/volunteer_id"


@pytest.mark.parametrize("event_status", ["draft", "published", "held", "cancelled"])
async def test_only_published_and_held_events_take_sign_ups(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make, event_status: str
) -> None:
    event_id = await event(status="draft" if event_status == "draft" else "published")
    shift_id = await shift(event_id)
    if event_status == "held":
        await events.post(f"/v1/events/{event_id}/holdings", {})
    if event_status == "cancelled":
        await events.post(f"/v1/events/{event_id}/cancellations", {"reason": "Карантин"})

    answer = await sign_up(events, shift_id, await volunteer())

    if event_status in OPEN:
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.json()["code"]) == (409, "event-not-open")
        assert answer.json()["detail"] == f"The event is {event_status}."


async def test_nobody_gets_a_place_while_the_event_is_being_cancelled(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id = await event()
    shift_id = await shift(event_id)
    people = [await volunteer() for _ in range(12)]

    await asyncio.gather(
        *(sign_up(events, shift_id, person) for person in people[:6]),
        events.post(f"/v1/events/{event_id}/cancellations", {"reason": "Карантин"}),
        *(sign_up(events, shift_id, person) for person in people[6:]),
    )

    types = [m["type"] for m in await events.outbox() if m["type"].startswith(("events.signup", "events.event"))]
    after = types[types.index("events.event.cancelled.v1") + 1 :]
    assert after == []


async def test_a_cancelled_event_leaves_its_volunteers_free(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    cancelled, volunteer_id = await event(), await volunteer()
    await sign_up(events, await shift(cancelled), volunteer_id)
    await events.post(f"/v1/events/{cancelled}/cancellations", {"reason": "Карантин"})

    answer = await sign_up(events, await shift(), volunteer_id)

    assert answer.status_code == 201


async def test_what_is_not_known_is_said(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    nobody = await sign_up(events, await shift(), str(new_id()))
    nowhere = await sign_up(events, str(new_id()), await volunteer())

    assert (nobody.status_code, nobody.json()["code"]) == (409, "volunteer-unknown")
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "shift-unknown")


async def test_papers_of_the_past_are_entered_by_staff_only(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    coming = await event(starts_at=factories.FUTURE_STARTS_AT, ends_at=factories.FUTURE_ENDS_AT)
    future = await shift(coming, starts_at=factories.FUTURE_STARTS_AT, ends_at=factories.FUTURE_ENDS_AT)
    past, person_id = await shift(), await volunteer()
    member = events.as_principal(person("person:member", Role.VOLUNTEER, volunteer_id=UUID(person_id)))

    refused = await events.post("/v1/sign-ups", {"shift_id": past, "volunteer_id": person_id}, **member)
    ahead = await events.post("/v1/sign-ups", {"shift_id": future, "volunteer_id": person_id}, **member)
    by_staff = await sign_up(events, past, person_id)

    assert (refused.status_code, refused.json()["code"]) == (409, "shift-is-over")
    assert (ahead.status_code, by_staff.status_code) == (201, 201)


async def test_a_place_given_back_is_free_again(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id, first, second = await shift(needed=1), await volunteer(), await volunteer()
    signup_id = (await sign_up(events, shift_id, first)).json()["id"]

    withdrawn = await events.client.post(f"/v1/sign-ups/{signup_id}/withdrawals")
    again = await events.client.post(f"/v1/sign-ups/{signup_id}/withdrawals")
    taken_over = await sign_up(events, shift_id, second)
    too_late = await sign_up(events, shift_id, first)

    assert (withdrawn.status_code, again.status_code) == (200, 200)
    assert again.json() == withdrawn.json()
    assert taken_over.status_code == 201
    assert (too_late.status_code, too_late.json()["code"]) == (409, "shift-full")
    [message] = await events.outbox("events.signup.withdrawn.v1")
    assert (message["aggregateversion"], message["data"]["volunteer_id"]) == (2, first)


async def test_who_withdrew_may_sign_up_anew(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id, volunteer_id = await shift(needed=1), await volunteer()
    signup_id = (await sign_up(events, shift_id, volunteer_id)).json()["id"]
    await asyncio.gather(*(events.client.post(f"/v1/sign-ups/{signup_id}/withdrawals") for _ in range(5)))

    anew = await sign_up(events, shift_id, volunteer_id)

    assert anew.status_code == 201
    assert anew.json()["id"] != signup_id
    assert await taken(events, shift_id) == 1


async def test_attendance_and_its_correction_say_what_was_before(
    events: ServiceUnderTest, shift: Make, volunteer: Make
) -> None:
    signup_id = (await sign_up(events, await shift(**MORNING), await volunteer())).json()["id"]

    for attendance in ("absent", "present", "present", "excused"):
        answer = await events.post(f"/v1/sign-ups/{signup_id}/attendances", {"attendance": attendance})
        assert (answer.status_code, answer.json()["attendance"]) == (200, attendance)

    messages = await events.outbox("events.signup.attendance_recorded.v1")
    assert [(m["data"]["was"], m["data"]["attendance"]) for m in messages] == [
        (None, "absent"), ("absent", "present"), ("present", "excused"),
    ]  # fmt: skip
    assert [m["aggregateversion"] for m in messages] == [2, 3, 4]
    data = messages[0]["data"]
    assert (data["minutes"], data["direction"], data["on"]) == (120, "ecology", "2021-06-09")
    assert (data["starts_at"], data["ends_at"]) == ("2021-06-09T04:00:00Z", "2021-06-09T06:00:00Z")


async def test_attendance_waits_for_the_shift_to_start(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    time = {"starts_at": factories.FUTURE_STARTS_AT, "ends_at": factories.FUTURE_ENDS_AT}
    signup_id = (await sign_up(events, await shift(await event(**time), **time), await volunteer())).json()["id"]

    answer = await events.post(f"/v1/sign-ups/{signup_id}/attendances", {"attendance": "present"})

    assert (answer.status_code, answer.json()["code"]) == (409, "shift-not-started")


async def test_a_place_is_either_given_back_or_used(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id = await shift()
    used, returned = [(await sign_up(events, shift_id, await volunteer())).json()["id"] for _ in range(2)]
    await events.post(f"/v1/sign-ups/{used}/attendances", {"attendance": "present"})
    await events.client.post(f"/v1/sign-ups/{returned}/withdrawals")

    too_late = await events.client.post(f"/v1/sign-ups/{used}/withdrawals")
    nobody = await events.post(f"/v1/sign-ups/{returned}/attendances", {"attendance": "present"})

    assert (too_late.status_code, too_late.json()["code"]) == (409, "attendance-is-recorded")
    assert (nobody.status_code, nobody.json()["code"]) == (409, "sign-up-is-withdrawn")


async def test_sign_ups_are_read_and_listed(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id, volunteer_id = await event(), await volunteer()
    morning, afternoon = await shift(event_id, **MORNING), await shift(event_id, **AFTERNOON)
    made = [(await sign_up(events, s, volunteer_id)).json() for s in (morning, afternoon)]
    other = (await sign_up(events, morning, await volunteer())).json()

    async def listed(query: str) -> list[str]:
        return [s["id"] for s in (await events.client.get(f"/v1/sign-ups?{query}")).json()["items"]]

    assert (await events.client.get(f"/v1/sign-ups/{other['id']}")).json() == other
    assert await listed(f"volunteer_id={volunteer_id}") == [m["id"] for m in made]
    assert await listed(f"shift_id={morning}") == [made[0]["id"], other["id"]]
    assert await listed(f"event_id={event_id}") == [made[0]["id"], made[1]["id"], other["id"]]
    treasurer = events.as_principal(person("person:treasurer", Role.TREASURER))
    assert (await events.client.get("/v1/sign-ups", headers=treasurer)).status_code == 403


async def test_a_batch_knows_what_its_own_rows_have_taken(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id = await event()
    morning, midday = await shift(event_id, needed=2, **MORNING), await shift(event_id, **MIDDAY)
    a, b, c, child = [await volunteer(born_in=born_in) for born_in in ("1990-01", "1991-01", "1992-01", "2015-01")]
    heavy = await shift(event_id, hazard="heavy", **AFTERNOON)
    pairs = [(morning, a), (midday, a), (morning, a), (morning, b), (morning, c), (heavy, child), (midday, c)]

    answer = await events.post(
        "/v1/sign-ups/batches", {"items": [{"shift_id": s, "volunteer_id": v} for s, v in pairs]}
    )

    items = answer.json()["items"]
    assert [item["status"] for item in items] == [201, 409, 200, 201, 409, 422, 201]
    codes = [item["problem"]["code"] for item in items if "problem" in item]
    assert codes == ["shifts-overlap", "shift-full", "hazard-for-minors"]
    assert items[2]["id"] == items[0]["id"]
    assert [await taken(events, s) for s in (morning, midday, heavy)] == [2, 1, 0]


async def test_batches_of_attendances_and_withdrawals(events: ServiceUnderTest, shift: Make, volunteer: Make) -> None:
    shift_id = await shift()
    made = [(await sign_up(events, shift_id, await volunteer())).json()["id"] for _ in range(4)]
    attendances = [{"signup_id": s, "attendance": "present"} for s in (*made[:2], str(new_id()))]
    attendances.append({"signup_id": made[0], "attendance": "late"})

    recorded = await events.post("/v1/sign-ups/attendances/batches", {"items": attendances})
    withdrawn = await events.post("/v1/sign-ups/withdrawals/batches", {"items": [{"signup_id": s} for s in made]})

    assert [item["status"] for item in recorded.json()["items"]] == [200, 200, 404, 422]
    assert [item["status"] for item in withdrawn.json()["items"]] == [409, 409, 200, 200]
    assert await taken(events, shift_id) == 2


async def test_a_volunteer_who_pauses_takes_no_more_shifts(
    events: ServiceUnderTest, shift: Make, volunteer: Make
) -> None:
    volunteer_id = await volunteer()
    paused = factories.volunteer_fact(VolunteerPaused, volunteer_id, was="approved", status="paused")
    await consumer.apply(events.process.database, [factories.delivery(paused, version=2)])

    answer = await sign_up(events, await shift(), volunteer_id)

    assert (answer.json()["code"], answer.json()["detail"]) == ("volunteer-not-active", "The volunteer is paused.")
