"""A fault under load: life goes on before, during and after it, then everything is counted and the verdict given."""

import time
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

from tests.faults.checker import BACK_WITHIN_S, Finding, ask_again, compare, facts_of, of_report, wait_until_back
from tests.faults.load import Life
from tests.faults.verdict import Verdict
from tests.running import RunningSystem


@asynccontextmanager
async def under_load(system: RunningSystem, verdict: Verdict, *, poison: Collection[str] = ()) -> AsyncGenerator[Life]:
    """Life, for a block that makes a fault and mends it. When the block ends, the system has 20 s to be back.

    `poison`: ids of messages that are to end among the parked ones; may be added to while the block runs.

    Raises:
        TimeoutError: it was not back in time.
        AssertionError: something is lost, doubled or wrong.
    """
    life = Life(system)
    try:
        await life.settle_in()
        async with life.going_on() as history:
            await life.goes_on()
            began_s = time.monotonic()
            yield life
            mended_s = time.monotonic()
            await life.goes_on(patience_s=BACK_WITHIN_S)
            outage_s = history.outage_s(since_s=began_s)
        left_s = mended_s + BACK_WITHIN_S - time.monotonic()
        await wait_until_back(system, poison=poison, patience_s=left_s)
        finding = await count_everything(system, life, poison=poison)
    finally:
        await life.close()
    verdict.give(outage_s=outage_s, lost=len(finding.lost), doubled=len(finding.doubled))
    assert not finding.all, "; ".join(finding.all[:10])


async def count_everything(system: RunningSystem, life: Life, *, poison: Collection[str] = ()) -> Finding:
    """What is lost, doubled or wrong, once what is unknown was asked again."""
    await ask_again(life)
    await wait_until_back(system, poison=poison)
    found = compare(life.history, await facts_of(system, life), poison=poison)
    recounted = of_report(await system.verify())
    return Finding(
        lost=found.lost + recounted.lost,
        doubled=found.doubled + recounted.doubled,
        wrong=found.wrong + recounted.wrong,
    )
