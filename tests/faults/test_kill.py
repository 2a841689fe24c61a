"""`kill -9` of each part in turn while life goes on: nothing promised is lost, nothing is counted twice."""

import httpx
import pytest

from tests.faults.load import History, Life
from tests.running import RunningSystem, until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("system")]
PARTS = ("volunteers", "events", "charity", "gateway", "nats", "postgres")


async def test_nothing_is_lost_or_doubled_when_each_part_is_killed_in_turn(running_system: RunningSystem) -> None:
    life = Life(running_system)
    await life.settle_in()

    async with life.going_on() as history:
        for part in PARTS:
            done = len(history.donations)
            await running_system.kill(part)
            await running_system.wait_ready()
            await _more_than(history, done + 5)
    await life.close()

    await running_system.settled()
    report = await running_system.verify()
    assert report.ok, report.differences[:20]
    await _every_promise_is_kept(running_system, history)


async def test_after_everything_was_killed_one_command_brings_it_back(running_system: RunningSystem) -> None:
    life = Life(running_system)
    await life.settle_in()
    async with life.going_on() as history:
        await _more_than(history, 10)
        running_system.kill_everything()
        await running_system.start()
        await _more_than(history, len(history.donations) + 5)
    await life.close()

    await running_system.settled()
    report = await running_system.verify()
    assert report.ok, report.differences[:20]
    await _every_promise_is_kept(running_system, history)


async def _more_than(history: History, number: int) -> None:
    async def more() -> bool:
        return len(history.donations) >= number

    await until(f"{number} donations", more)


async def _every_promise_is_kept(running_system: RunningSystem, history: History) -> None:
    """Each 2xx answer's record is there, with its amount."""
    assert history.donations
    assert history.volunteers
    async with running_system.client() as client:
        for donation_id, minor in history.donations.items():
            answer = await client.get(f"/v1/donations/{donation_id}")
            assert answer.status_code == httpx.codes.OK, (donation_id, answer.text)
            assert answer.json()["amount"]["amount"] == f"{minor // 100}.{minor % 100:02d}"
        for volunteer_id in history.volunteers:
            assert (await client.get(f"/v1/volunteers/{volunteer_id}")).status_code == httpx.codes.OK
        for delivery_id in history.deliveries:
            assert (await client.get(f"/v1/deliveries/{delivery_id}")).status_code == httpx.codes.OK
