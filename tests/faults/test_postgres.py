"""PostgreSQL is killed or loses power: what was promised is there, and meanwhile callers are told to come again."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.faults.history import Attempt
from tests.faults.laboratory import Laboratory
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("system")]


async def _one_backend(system: RunningSystem) -> None:
    connection = await system.installation.postgres.connect()
    backend = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE datname = 'charity' AND usename = 'charity' LIMIT 1"
    )
    connection.terminate()
    await system.kill_process(backend)
    # With one, all are ended: none may go on after who died may have left shared memory in disorder.
    await until("PostgreSQL takes connections again", lambda: _answers(system))


async def _answers(system: RunningSystem) -> bool:
    try:
        connection = await system.installation.postgres.connect()
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def _postmaster(system: RunningSystem) -> None:
    await system.kill("postgres")


async def _all_its_processes(system: RunningSystem) -> None:
    await system.kill_all_of("postgres")


KILLS = {"one backend": _one_backend, "the postmaster": _postmaster, "all its processes": _all_its_processes}


@pytest.mark.slow
@pytest.mark.fault(7, "kill -9")
@pytest.mark.parametrize("victim", KILLS)
async def test_callers_are_told_to_come_again_and_can(
    running_system: RunningSystem, verdict: Verdict, victim: str
) -> None:
    kill: Callable[[RunningSystem], Awaitable[None]] = KILLS[victim]
    async with under_load(running_system, verdict) as life:
        await kill(running_system)
        await running_system.ready_again("postgres")
        await life.goes_on(more=1, patience_s=5)
        assert_told_to_come_again(life.history.failures())


@pytest.mark.slow
@pytest.mark.usefixtures("root")
@pytest.mark.fault(7, "power cut")
async def test_what_was_promised_survives_a_power_cut(laboratory: Laboratory, verdict: Verdict) -> None:
    async with under_load(laboratory, verdict) as life:
        await life.goes_on(more=10)
        await laboratory.cut_power("postgres")
        await life.goes_on(more=1, patience_s=5)
        assert life.history.failures()
        assert_told_to_come_again(life.history.failures())


def assert_told_to_come_again(failures: list[Attempt]) -> None:
    """Every failure is a 503 that says when to ask again."""
    assert {(failure.status, failure.retry_after is not None) for failure in failures} <= {(503, True)}
