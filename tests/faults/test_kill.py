"""`kill -9` of each part in turn while life goes on: nothing promised is lost, nothing is counted twice."""

import asyncio
import os

import pytest

from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem

pytestmark = pytest.mark.faults
PARTS = ("volunteers", "events", "charity", "gateway", "nats", "postgres")


@pytest.mark.fault(1, "each service in turn")
async def test_nothing_is_lost_or_doubled_when_each_part_is_killed_in_turn(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life:
        for part in PARTS:
            await running_system.kill(part)
            await running_system.wait_ready()
            await life.goes_on()


@pytest.mark.fault(4, "down for three seconds")
async def test_callers_notice_nothing_while_nats_is_down(running_system: RunningSystem, verdict: Verdict) -> None:
    async with under_load(running_system, verdict) as life:
        with running_system.held():
            await running_system.kill_all_of("nats")
            await asyncio.sleep(3)
        await running_system.ready_again("nats")
        await running_system.drained(patience_s=10)
        assert life.history.failures() == []


@pytest.mark.fault(20, "at once, under load")
async def test_after_everything_was_killed_one_command_brings_it_back(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life:
        for _ in range(2):
            running_system.kill_everything()
            await running_system.start()
            await life.goes_on()


@pytest.mark.fault(20, "what was left behind names strangers and is cut short")
async def test_what_a_killed_system_leaves_behind_keeps_nothing_from_starting(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict):
        running_system.kill_everything()
        installation = running_system.installation
        data = installation.postgres.data
        # A process that lives has got the dead server's number, and a file that was being written has no end.
        (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n1\n5432\n", encoding="utf-8")
        installation.state_file.write_text('{"supervisor_pid": 1', encoding="utf-8")

        await running_system.start()
