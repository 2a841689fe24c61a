"""PostgreSQL is killed or loses power: what was promised is there, and meanwhile callers are told to come again."""

import asyncpg
import pytest

from tests.faults.checker import assert_told_to_come_again
from tests.faults.laboratory import Laboratory
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = [pytest.mark.faults, pytest.mark.slow]
BACK_WITHIN_S = 5


@pytest.mark.fault(7, "kill -9 of one backend, of the postmaster, of all its processes")
async def test_callers_are_told_to_come_again_and_can(laboratory: Laboratory, verdict: Verdict) -> None:
    async with under_load(laboratory, verdict) as life:
        for kill in (_kill_one_backend, _kill_the_postmaster, _kill_all_its_processes):
            await kill(laboratory)
            await until("PostgreSQL takes connections again", lambda: _answers(laboratory))
            await life.goes_on(more=1, patience_s=BACK_WITHIN_S)
        assert_told_to_come_again(life.history.failures())


async def _kill_one_backend(system: RunningSystem) -> None:
    """With one, the postmaster ends all: nobody may go on after who died may have left shared memory in disorder."""
    connection = await system.installation.postgres.connect()
    backend = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE datname = 'charity' AND usename = 'charity' LIMIT 1"
    )
    connection.terminate()
    await system.kill_process(backend)


async def _kill_the_postmaster(system: RunningSystem) -> None:
    await system.kill("postgres")


async def _kill_all_its_processes(system: RunningSystem) -> None:
    await system.kill_all_of("postgres")


async def _answers(system: RunningSystem) -> bool:
    try:
        connection = await system.installation.postgres.connect()
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


@pytest.mark.usefixtures("root")
@pytest.mark.fault(7, "power cut")
async def test_what_was_promised_survives_a_power_cut(laboratory: Laboratory, verdict: Verdict) -> None:
    async with under_load(laboratory, verdict) as life:
        await life.goes_on(more=10)
        await laboratory.cut_power("postgres")
        await life.goes_on(more=1, patience_s=BACK_WITHIN_S)
        assert life.history.failures()
        assert_told_to_come_again(life.history.failures())
