"""NATS dies, its host loses power: callers notice nothing, and what it has forgotten is published again."""

import asyncio

import pytest

from tests.faults.laboratory import Laboratory
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("system")]


@pytest.mark.fault(4, "down for three seconds")
async def test_callers_notice_nothing_while_nats_is_down(running_system: RunningSystem, verdict: Verdict) -> None:
    async with under_load(running_system, verdict) as life:
        with running_system.held():
            await running_system.kill_all_of("nats")
            await asyncio.sleep(3)
        await running_system.ready_again("nats")
        await running_system.drained(patience_s=10)
        assert life.history.failures() == []


@pytest.mark.slow
@pytest.mark.usefixtures("root")
@pytest.mark.fault(6, "as configured, it syncs before it answers")
async def test_a_power_cut_loses_no_message(laboratory: Laboratory, verdict: Verdict) -> None:
    republished = await laboratory.republished()
    async with under_load(laboratory, verdict) as life:
        await laboratory.cut_power("nats")
        assert life.history.failures() == []
    # What it had confirmed was still there: nothing had to be sent again.
    assert await laboratory.republished() == republished


@pytest.mark.slow
@pytest.mark.usefixtures("root")
@pytest.mark.fault(6, "with NATS' own default, it syncs every two minutes")
async def test_a_nats_that_forgets_costs_no_effect(laboratory: Laboratory, verdict: Verdict) -> None:
    republished = await laboratory.republished()
    async with laboratory.forgetful_nats(), under_load(laboratory, verdict) as life:
        await life.goes_on(more=10)
        await laboratory.cut_power("nats")
        await life.goes_on()
        assert life.history.failures() == []
    assert await laboratory.republished() > republished
