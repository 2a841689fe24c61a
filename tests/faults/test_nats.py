"""The host of NATS loses power: callers notice nothing, and what it has forgotten is published again."""

import pytest

from tests.faults.laboratory import Laboratory
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.usefixtures("root")]


@pytest.mark.fault(6, "as configured, it syncs before it answers")
async def test_a_power_cut_loses_no_message(laboratory: Laboratory, verdict: Verdict) -> None:
    republished = await laboratory.republished()
    async with under_load(laboratory, verdict) as life:
        await laboratory.cut_power("nats")
        assert life.history.failures() == []
    # What it had confirmed was still there: nothing had to be sent again.
    assert await laboratory.republished() == republished


@pytest.mark.fault(6, "with NATS' own default, it syncs every two minutes")
async def test_a_nats_that_forgets_costs_no_effect(laboratory: Laboratory, verdict: Verdict) -> None:
    republished = await laboratory.republished()
    async with laboratory.forgetful_nats(), under_load(laboratory, verdict) as life:
        await life.goes_on(more=10)
        await laboratory.cut_power("nats")
        await life.goes_on()
        assert life.history.failures() == []
    assert await laboratory.republished() > republished
