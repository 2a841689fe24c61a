"""A machine whose clock is three hours wrong: its process takes part as if it were right."""

from datetime import datetime, timedelta

import pytest

from shared import clock
from tests.faults.history import Outcome
from tests.faults.replica import replica_of
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem

pytestmark = pytest.mark.faults
THREE_HOURS_S = 3 * 3600


@pytest.mark.fault(11, "one process")
@pytest.mark.parametrize(
    ("service", "ahead_s"),
    [
        ("charity", -THREE_HOURS_S),
        pytest.param("charity", THREE_HOURS_S, marks=pytest.mark.slow),
        ("gateway", THREE_HOURS_S),
    ],
)
async def test_a_process_on_a_machine_with_a_wrong_clock_is_like_any_other(
    running_system: RunningSystem, verdict: Verdict, service: str, ahead_s: int
) -> None:
    async with replica_of(running_system, service) as replica, under_load(running_system, verdict) as life:
        await replica.start(clock_ahead_s=str(ahead_s))
        gifts = [await life.give(through=replica.client) for _ in range(5)]

        # Whose tokens it takes, or makes, is judged by one time
        assert {gift.outcome for gift in gifts} == {Outcome.OK}
        answer = await replica.client.get(f"/v1/donations/{gifts[-1].identity}")
        recorded_at = datetime.fromisoformat(answer.json()["recorded_at"])
        assert abs(recorded_at - clock.now()) < timedelta(minutes=5)
        await life.goes_on()
