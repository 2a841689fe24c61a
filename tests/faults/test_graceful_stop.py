"""SIGTERM to each service in turn, and to everything: what was begun is finished, watchers are told to come again."""

import asyncio
import os
import signal

import pytest

from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.faults.watching import all_greeted, watchers
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults
WATCHERS = 20


@pytest.mark.fault(19, "each service in turn, with watchers")
async def test_whoever_is_served_when_a_service_is_told_to_stop_is_served_to_the_end(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life, watchers(running_system, WATCHERS) as watching:
        for service in ("volunteers", "events", "charity", "gateway"):
            await _terminate(running_system, service)
        await life.goes_on()
        await all_greeted(watching, 2)

        # The supervisor keeps the socket: who comes between two processes waits, and is served by the next one.
        assert life.history.failures() == []
    assert [watcher.failures for watcher in watching] == [[]] * WATCHERS
    assert [watcher.told_to_come_again for watcher in watching] == [1] * WATCHERS


@pytest.mark.fault(19, "the whole system, with watchers")
async def test_a_system_that_is_told_to_stop_dismisses_its_watchers(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life:
        async with watchers(running_system, WATCHERS) as watching:
            stopping = asyncio.create_task(running_system.stop())

            async def dismissed() -> bool:
                return all(watcher.told_to_come_again for watcher in watching)

            await until("watchers dismissed", dismissed)
            told = [watcher.told_to_come_again for watcher in watching]
        await stopping
        await running_system.start()
        await life.goes_on()
    assert told == [1] * WATCHERS


async def _terminate(system: RunningSystem, service: str) -> None:
    pid = system.pid_of(service)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)

    async def replaced() -> bool:
        return system.pid_of(service) not in (None, pid)

    await until(f"{service} started again", replaced)
    await system.wait_ready()
