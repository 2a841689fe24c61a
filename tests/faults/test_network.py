"""Peers are cut off, silent, slow or stopped: every call ends in time, and soon after healing all is as before."""

import asyncio
import time
from collections.abc import Callable

import pytest

from shared.database.pool import STATEMENT_MAX_S
from tests.faults.checker import assert_told_to_come_again
from tests.faults.laboratory import Laboratory
from tests.faults.load import Life
from tests.faults.proxy import Proxy
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import frozen

pytestmark = [pytest.mark.faults, pytest.mark.slow]
BACK_WITHIN_S = 10

Disturbance = Callable[[Proxy], None]
SLOW: dict[str, Disturbance] = {"slow": lambda way: way.delay(0.1), "dripping": lambda way: way.drip(400)}
FAULTS: dict[str, Disturbance] = {"cut": Proxy.cut, "silent": Proxy.silence, **SLOW}


async def _disturbed(life: Life, way: Proxy, disturb: Disturbance, *, seconds: float) -> None:
    disturb(way)
    try:
        await asyncio.sleep(seconds)
    finally:
        way.heal()
    await life.goes_on(more=1, patience_s=BACK_WITHIN_S)


@pytest.mark.fault(9, "NATS cut, silent, slow, dripping, stopped")
async def test_callers_notice_nothing_of_what_is_between_services_and_nats(
    laboratory: Laboratory, verdict: Verdict
) -> None:
    async with under_load(laboratory, verdict) as life:
        for name, disturb in FAULTS.items():
            # Long enough for clients to find out that nobody is there.
            await _disturbed(life, laboratory.ways["nats"], disturb, seconds=6 if name == "silent" else 2)
            await laboratory.drained(patience_s=BACK_WITHIN_S)
        with frozen(*laboratory.pids_of("nats")):
            await asyncio.sleep(4)
        await laboratory.drained(patience_s=BACK_WITHIN_S)
        assert life.history.failures() == []


@pytest.mark.fault(9, "PostgreSQL cut, slow, dripping, stopped, silent")
async def test_calls_end_although_postgres_says_nothing(laboratory: Laboratory, verdict: Verdict) -> None:
    way = laboratory.ways["postgres"]
    async with under_load(laboratory, verdict) as life:
        await _disturbed(life, way, Proxy.cut, seconds=2)
        for disturb in SLOW.values():
            await _disturbed(life, way, disturb, seconds=2)
        with frozen(*laboratory.pids_of("postgres")):
            await asyncio.sleep(3)
        await life.goes_on(more=1, patience_s=BACK_WITHIN_S)
        assert_told_to_come_again(life.history.failures())

        # Longer than any statement may take; tests/shared/test_silent_database.py knows the other limits.
        silent_from_s = time.monotonic()
        await _disturbed(life, way, Proxy.silence, seconds=STATEMENT_MAX_S + 2)
        given_up = life.history.failures(since_s=silent_from_s)
        assert given_up
        assert_told_to_come_again(given_up)


@pytest.mark.fault(9, "one service cut, silent, slow, dripping, stopped")
async def test_others_answer_while_one_service_is_out_of_reach(laboratory: Laboratory, verdict: Verdict) -> None:
    way = laboratory.ways["charity"]
    async with under_load(laboratory, verdict) as life:
        for disturb in FAULTS.values():
            await _disturbed(life, way, disturb, seconds=2)
        with frozen(*laboratory.pids_of("charity")):
            await life.goes_on(more=5, kinds=["volunteer", "event"], patience_s=BACK_WITHIN_S)
        await life.goes_on(more=1, patience_s=BACK_WITHIN_S)
        assert life.history.failures(kinds=["volunteer", "approval", "event"]) == []
        assert_told_to_come_again(life.history.failures())
