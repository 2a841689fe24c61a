"""A full disk: writes are refused, reads go on, and once there is room everything heals by itself."""

import pytest

from tests.faults.checker import assert_told_to_come_again
from tests.faults.history import Outcome
from tests.faults.laboratory import Laboratory
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.slow,
    pytest.mark.usefixtures("root"),
]


@pytest.mark.fault(8, "PostgreSQL's")
async def test_reads_go_on_while_the_disk_of_postgres_is_full(laboratory: Laboratory, verdict: Verdict) -> None:
    disk = laboratory.disks["postgres"]
    async with under_load(laboratory, verdict) as life:
        disk.fill()

        async def refused() -> bool:
            return len(life.history.failures(kinds=["donation"])) > 3

        try:
            await until("writes are refused", refused)
            await life.goes_on(more=10, kinds=["read"])
        finally:
            disk.make_room()
        await life.goes_on(more=1, patience_s=20)
        assert_told_to_come_again(life.history.failures())
        assert life.history.of(Outcome.REFUSED, "read") == []


@pytest.mark.fault(8, "NATS'")
async def test_callers_notice_nothing_while_the_disk_of_nats_is_full(laboratory: Laboratory, verdict: Verdict) -> None:
    disk = laboratory.disks["nats"]
    full = laboratory.pid_of("nats")
    async with under_load(laboratory, verdict) as life:
        disk.fill()

        async def restarted() -> bool:
            return laboratory.pid_of("nats") not in {None, full}

        try:
            # It never becomes well by itself: the supervisor has it begin anew.
            await until("NATS is started again", restarted)
            await life.goes_on()
        finally:
            disk.make_room()
        await laboratory.drained(patience_s=20)
        assert life.history.failures() == []
