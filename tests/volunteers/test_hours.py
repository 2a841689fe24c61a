"""Hours: earned by presence once the shift has ended, corrected by further entries, each message once."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.volunteers import commands
from services.volunteers.commands import hours
from services.volunteers.consumers import consumer
from shared.access.principal import EVERYTHING
from shared.ids import new_id
from tests.systems import ServiceUnderTest
from tests.volunteers import factories

BEFORE, AFTER = datetime(2190, 6, 9, 7, 59, 59, tzinfo=UTC), datetime(2190, 6, 9, 8, tzinfo=UTC)
"""The last second of the shift in `factories.FUTURE`, and its end."""


async def came(volunteers: ServiceUnderTest, **fields: Any) -> UUID:
    """A volunteer signs up and an attendance is recorded; answers the sign-up's id."""
    signup_id = new_id()
    page = [factories.sign_up(signup_id), factories.attendance(signup_id, **fields)]
    assert await consumer.apply(volunteers.process.database, page) == 2
    return signup_id


async def credit(volunteers: ServiceUnderTest, now: datetime) -> int:
    async with volunteers.database.transaction(EVERYTHING) as tx:
        return await commands.credit_due_hours(tx, now=now)


async def total(volunteers: ServiceUnderTest, **asked: Any) -> tuple[int, list[int]]:
    """The sum, and the minutes of the entries behind it, newest first."""
    answer = await volunteers.client.get("/v1/hours", params={name.strip("_"): str(v) for name, v in asked.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()["minutes"], [entry["minutes"] for entry in answer.json()["entries"]]


async def recorded(volunteers: ServiceUnderTest) -> list[int]:
    return [m["data"]["minutes"] for m in await volunteers.outbox("volunteers.hours.recorded.v1")]


async def test_presence_earns_the_length_of_the_shift(volunteers: ServiceUnderTest) -> None:
    volunteer_id, centre_id = new_id(), new_id()
    signup_id = await came(volunteers, volunteer_id=volunteer_id, centre_id=centre_id)

    entries = (await volunteers.client.get(f"/v1/hours?volunteer_id={volunteer_id}")).json()["entries"]
    [message] = await volunteers.outbox()
    data = message["data"]

    assert (data["minutes"], data["on"], data["region"]) == (240, "2021-06-09", "KZ-75")
    assert (data["volunteer_id"], data["centre_id"]) == (str(volunteer_id), str(centre_id))
    assert (data["signup_id"], data["direction"]) == (str(signup_id), "ecology")
    assert [(e["id"], e["minutes"], e["earned_on"]) for e in entries] == [(data["entry_id"], 240, "2021-06-09")]
    assert message["subject"] == f"volunteers.hours/{data['entry_id']}"


async def test_who_did_not_come_earns_nothing(volunteers: ServiceUnderTest) -> None:
    for attendance in ("absent", "excused"):
        await came(volunteers, attendance=attendance)

    assert await total(volunteers) == (0, [])
    assert await volunteers.outbox() == []
    assert await volunteers.database.pool.fetchval("SELECT count(*) FROM hoursentry") == 0


async def test_hours_are_credited_when_the_shift_has_ended(volunteers: ServiceUnderTest) -> None:
    volunteer_id = new_id()
    await came(volunteers, volunteer_id=volunteer_id, **factories.FUTURE)

    pending = await total(volunteers, volunteer_id=volunteer_id), await recorded(volunteers)
    early = await credit(volunteers, BEFORE)
    credited = [await credit(volunteers, AFTER) for _ in range(2)]

    assert pending == ((0, []), [])
    assert (early, credited) == (0, [1, 0])
    assert await recorded(volunteers) == [240]
    assert await total(volunteers, volunteer_id=volunteer_id) == (240, [240])


async def test_more_hours_than_at_once_are_credited_in_turns(
    volunteers: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours, "DUE_AT_ONCE", 2)
    for _ in range(5):
        await came(volunteers, **factories.FUTURE)

    assert [await credit(volunteers, AFTER) for _ in range(4)] == [2, 2, 1, 0]
    assert len(await recorded(volunteers)) == 5


async def test_a_correction_takes_back_and_another_gives_again(volunteers: ServiceUnderTest) -> None:
    volunteer_id, signup_id = new_id(), new_id()
    steps = [(None, "present"), ("present", "absent"), ("absent", "excused"), ("excused", "present")]
    page = [
        factories.attendance(signup_id, version=version, volunteer_id=volunteer_id, was=was, attendance=attendance)
        for version, (was, attendance) in enumerate(steps, start=2)
    ]

    await consumer.apply(volunteers.process.database, [factories.sign_up(signup_id), *page[:2]])
    after_two = await total(volunteers, volunteer_id=volunteer_id)
    await consumer.apply(volunteers.process.database, page[2:])

    assert after_two == (0, [-240, 240])
    assert await total(volunteers, volunteer_id=volunteer_id) == (240, [240, -240, 240])
    assert await recorded(volunteers) == [240, -240, 240]


async def test_what_is_corrected_before_the_shift_ends_sums_up_to_nothing(volunteers: ServiceUnderTest) -> None:
    signup_id = await came(volunteers, **factories.FUTURE)
    corrected = factories.attendance(signup_id, version=3, was="present", attendance="absent", **factories.FUTURE)
    await consumer.apply(volunteers.process.database, [corrected])

    assert await recorded(volunteers) == []
    assert await credit(volunteers, AFTER) == 2
    assert sorted(await recorded(volunteers)) == [-240, 240]
    assert (await total(volunteers))[0] == 0


async def test_a_message_delivered_twice_earns_once(volunteers: ServiceUnderTest) -> None:
    signup_id = new_id()
    stream = [
        factories.sign_up(signup_id),
        factories.attendance(signup_id),
        factories.attendance(signup_id, version=3, was="present", attendance="excused"),
        factories.attendance(signup_id, version=4, was="excused", attendance="present"),
    ]

    first = await consumer.apply(volunteers.process.database, stream)
    second = await consumer.apply(volunteers.process.database, stream)
    one_by_one = [await consumer.apply(volunteers.process.database, [delivery]) for delivery in reversed(stream)]

    assert (first, second, sum(one_by_one)) == (4, 0, 0)
    assert await recorded(volunteers) == [240, -240, 240]


async def test_a_younger_attendance_waits_for_the_older_one(volunteers: ServiceUnderTest) -> None:
    signup_id = new_id()
    correction = factories.attendance(signup_id, version=3, was="present", attendance="absent")

    early = await consumer.apply(volunteers.process.database, [correction, factories.attendance(signup_id)])
    nothing = await recorded(volunteers)
    all_three = await consumer.apply(volunteers.process.database, [factories.sign_up(signup_id)])

    assert (early, nothing, all_three) == (0, [], 3)
    assert await recorded(volunteers) == [240, -240]


async def test_an_attendance_without_a_centre_is_not_taken(volunteers: ServiceUnderTest) -> None:
    signup_id = new_id()
    await consumer.apply(volunteers.process.database, [factories.sign_up(signup_id)])

    with pytest.raises(ValueError, match="without a centre"):
        await consumer.apply(volunteers.process.database, [factories.attendance(signup_id, centre_id=None)])

    assert await volunteers.outbox() == []


async def test_hours_are_summed_by_volunteer_centre_and_period(volunteers: ServiceUnderTest) -> None:
    person, other, here, there = (new_id() for _ in range(4))
    for volunteer_id, centre_id, minutes, day in [
        (person, here, 60, date(2021, 6, 1)),
        (person, there, 90, date(2021, 6, 2)),
        (other, here, 30, date(2021, 6, 2)),
        (person, here, 120, date(2021, 6, 3)),
    ]:
        await came(volunteers, volunteer_id=volunteer_id, centre_id=centre_id, minutes=minutes, on=day)

    assert (await total(volunteers))[0] == 300
    assert await total(volunteers, volunteer_id=person) == (270, [120, 90, 60])
    assert await total(volunteers, centre_id=here) == (210, [120, 30, 60])
    assert await total(volunteers, volunteer_id=person, centre_id=here) == (180, [120, 60])
    # `from` is a word of Python's.
    assert await total(volunteers, volunteer_id=person, from_="2021-06-02") == (210, [120, 90])
    assert await total(volunteers, volunteer_id=person, to="2021-06-02") == (150, [90, 60])
    assert (await total(volunteers, from_="2021-06-02", to="2021-06-02"))[0] == 120
    assert await total(volunteers, from_="2021-06-03", to="2021-06-02") == (0, [])
    assert await total(volunteers, volunteer_id=new_id()) == (0, [])
