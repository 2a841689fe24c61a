"""Whose events, shifts and sign-ups one reaches: those of one's centre and direction, the public ones, one's own."""

from typing import Any
from uuid import UUID

import pytest

from services.events.consumers import consumer
from shared.access.permissions import Permission, Role
from shared.access.principal import ANYONE, EVERYTHING, Principal, person
from shared.errors import OutOfReach
from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest


def coordinator(centre: str, *directions: str) -> Principal:
    return person("person:c", Role.COORDINATOR, centres=[UUID(centre)], directions=directions or None)


def volunteer_called(volunteer_id: str) -> Principal:
    return person("person:v", Role.VOLUNTEER, volunteer_id=UUID(volunteer_id))


@pytest.fixture
async def elsewhere(events: ServiceUnderTest) -> str:
    """The id of another centre."""
    centre_id = str(new_id())
    opened = factories.delivery(factories.centre_opened(centre_id))
    await consumer.apply(events.process.database, [opened])
    return centre_id


async def test_a_coordinator_plans_for_their_own_centre_only(
    events: ServiceUnderTest, centre: str, elsewhere: str
) -> None:
    headers = events.as_principal(coordinator(centre))
    forms = [factories.event(where) for where in (centre, elsewhere)]

    alone = [await events.post("/v1/events", form, **headers) for form in forms]
    together = await events.post("/v1/events/batches", {"items": [*forms, forms[0]]}, **headers)

    assert [answer.status_code for answer in alone] == [201, 404]
    assert alone[1].json()["code"] == "out-of-reach"
    assert [item["status"] for item in together.json()["items"]] == [201, 404, 201]
    assert await events.database.pool.fetchval("SELECT count(*) FROM event") == 3


async def test_a_direction_is_a_part_of_a_centre(events: ServiceUnderTest, centre: str, event: Make) -> None:
    headers = events.as_principal(coordinator(centre, "ecology"))
    own, others, everybodys = [
        await event(status="draft", direction=direction) for direction in ("ecology", "sport", None)
    ]

    seen = [
        (await events.client.get(f"/v1/events/{e}", headers=headers)).status_code for e in (own, others, everybodys)
    ]
    listed = (await events.client.get("/v1/events", headers=headers)).json()["items"]
    published = [
        (await events.client.post(f"/v1/events/{e}/publications", headers=headers)).status_code
        for e in (own, others, everybodys)
    ]

    assert seen == published == [200, 404, 200]
    assert [found["id"] for found in listed] == [own, everybodys]


async def test_a_public_event_of_another_centre_is_seen_and_not_changed(
    events: ServiceUnderTest, elsewhere: str, event: Make, shift: Make, volunteer: Make
) -> None:
    event_id, person_id = await event(), await volunteer()
    shift_id = await shift(event_id)
    stranger = events.as_principal(coordinator(elsewhere))
    changes: list[tuple[str, dict[str, Any]]] = [
        (f"/v1/events/{event_id}/cancellations", {"reason": "Жоқ"}),
        ("/v1/shifts", factories.shift(event_id)),
        ("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": person_id}),
        ("/v1/headcounts", {"event_id": event_id, "helpers": 1, "guests": 1, "counted_by": "Мен"}),
    ]

    seen = await events.client.get(f"/v1/shifts?event_id={event_id}", headers=stranger)
    answers = [await events.post(path, body, **stranger) for path, body in changes]

    assert [found["id"] for found in seen.json()["items"]] == [shift_id]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "out-of-reach")] * 4
    assert await events.database.pool.fetchval("SELECT taken FROM shift") == 0


async def test_a_volunteer_takes_a_place_anywhere_for_themselves_alone(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    to_come = {"starts_at": factories.FUTURE_STARTS_AT, "ends_at": factories.FUTURE_ENDS_AT}
    shift_id, me, other = await shift(await event(**to_come), **to_come), await volunteer(), await volunteer()
    mine = events.as_principal(volunteer_called(me))

    for_me = await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": me}, **mine)
    for_other = await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": other}, **mine)
    by_staff = await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": other})
    others_again = await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": other}, **mine)
    listed = (await events.client.get(f"/v1/sign-ups?shift_id={shift_id}", headers=mine)).json()["items"]
    withdrawals = [
        (await events.client.post(f"/v1/sign-ups/{made.json()['id']}/withdrawals", headers=mine)).status_code
        for made in (for_me, by_staff)
    ]

    assert (for_me.status_code, by_staff.status_code) == (201, 201)
    # As if there were no such volunteer: who else there is, and when they are busy, is not told.
    assert {(a.status_code, a.json()["code"]) for a in (for_other, others_again)} == {(409, "volunteer-unknown")}
    assert [found["volunteer_id"] for found in listed] == [me]
    assert withdrawals == [200, 404]
    assert await events.database.pool.fetchval("SELECT taken FROM shift") == 1


async def test_whoever_is_busy_at_another_centre_is_busy(
    events: ServiceUnderTest, centre: str, elsewhere: str, shift: Make, volunteer: Make
) -> None:
    theirs = (await events.post("/v1/events", factories.event(elsewhere))).json()["id"]
    away, here, person_id = await shift(theirs), await shift(), await volunteer()
    await events.post("/v1/sign-ups", {"shift_id": away, "volunteer_id": person_id})
    staff = events.as_principal(coordinator(centre))

    refused = await events.post("/v1/sign-ups", {"shift_id": here, "volunteer_id": person_id}, **staff)
    same_place = await events.post("/v1/sign-ups", {"shift_id": away, "volunteer_id": person_id}, **staff)

    assert (refused.status_code, refused.json()["code"]) == (409, "shifts-overlap")
    # Somebody has the place already; whose sign-up that is, is the other centre's to know.
    assert same_place.status_code == 404


@pytest.mark.parametrize("change", ["needed = 500", "taken = taken + 2", "role = 'x'", "called_off = TRUE"])
async def test_a_volunteer_changes_nothing_of_a_shift_but_a_place(
    events: ServiceUnderTest, shift: Make, volunteer: Make, change: str
) -> None:
    await shift()
    within = volunteer_called(await volunteer()).reach(Permission.SIGN_UP)

    with pytest.raises(OutOfReach):
        async with events.process.database.transaction(within) as tx:
            await tx.sql(f"UPDATE shift SET {change}")  # noqa: S608


async def test_anyone_sees_what_is_public_and_no_more(events: ServiceUnderTest, event: Make, shift: Make) -> None:
    public, internal = await event(), await event(public=False)
    shifts = [await shift(e) for e in (public, internal)]
    headers = events.as_principal(ANYONE)

    seen = [(await events.client.get(f"/v1/shifts/{s}", headers=headers)).status_code for s in shifts]
    hidden = await events.client.get(f"/v1/shifts?event_id={internal}", headers=headers)

    assert seen == [200, 404]
    assert hidden.json()["items"] == []
    async with events.process.database.transaction(EVERYTHING) as tx:
        assert len(await tx.sql("SELECT FROM shift")) == 2
