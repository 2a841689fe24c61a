"""The restore drill: a life that was backed up while it went on, everything lost, and brought back from the archive."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.faults.checker import facts_of, wait_until_back
from tests.faults.history import Outcome
from tests.faults.load import Life
from tests.faults.trial import count_everything
from tests.faults.verdict import Verdict
from tests.running import RunningSystem

pytestmark = pytest.mark.faults
ARCHIVED_WITHIN_S = 1.0
"""The archive is written beside the commits, some milliseconds behind them: what was promised last may not be in it."""


class Drill:
    """A life that went on until its system was destroyed, and what is left of that."""

    def __init__(self, system: RunningSystem, life: Life, folder: Path) -> None:
        self.system = system
        self.life = life
        self.backups = folder / "the backups"
        self.folder = folder
        self.moment = datetime.min.replace(tzinfo=UTC)
        """In the middle of what came after the backup."""
        self.by_then: set[UUID] = set()
        """The gifts that were promised by then."""
        self.begun_by_then = 0
        """How many things callers had asked for by then; of some of them they had not heard."""
        self.last_number = 0
        """The greatest that a volunteer was given before the end."""

    def restored(self, name: str) -> RunningSystem:
        """The system of a folder that was restored, at the address that the callers know."""
        again = RunningSystem(self.folder, data_dir=self.folder / name)
        again.port, again.address, again.key = self.system.port, self.system.address, self.system.key
        return again


@pytest.fixture(scope="module")
async def drill(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Drill]:
    folder = tmp_path_factory.mktemp("a drill")
    system = RunningSystem(folder, options=("--archive", str(folder / "the archive")))
    await system.start()
    life = Life(system)
    drill = Drill(system, life, folder)
    await life.settle_in()
    async with life.going_on():
        await life.goes_on()
        await system.asar("backup", str(drill.backups))
        await life.goes_on()
        assert life.history.failures() == []
    await system.settled()
    drill.moment = datetime.now(UTC)
    drill.by_then = set(life.history.donations)
    drill.begun_by_then = len(life.history.operations)
    async with life.going_on():
        await life.goes_on()
        # As a burning machine does: nobody is told, nothing is finished.
        system.kill_everything()
        killed_s = time.monotonic()
    drill.last_number = max(_numbers(life))
    _forget_what_was_heard_since(killed_s - ARCHIVED_WITHIN_S, life)
    yield drill
    await life.close()


@pytest.mark.fault(15, "everything lost, restored from backup and archive to the latest")
async def test_of_a_destroyed_system_nothing_promised_is_lost(drill: Drill, verdict: Verdict) -> None:
    system, life = drill.restored("restored"), drill.life
    restored = _restore(system, drill, "--until", "latest")
    await system.start()
    try:
        async with life.going_on():
            await life.goes_on()
        await wait_until_back(system)
        finding = await count_everything(system, life)
    finally:
        await system.stop()

    assert restored["left_out"] is None
    verdict.give(lost=len(finding.lost), doubled=len(finding.doubled))
    assert not finding.all, finding.all[:10]


@pytest.mark.fault(15, "all databases put back to a moment, and life goes on")
async def test_of_a_moment_exactly_what_was_promised_by_then_is_there(drill: Drill, verdict: Verdict) -> None:
    system = drill.restored("of a moment")
    restored = _restore(system, drill, "--until", drill.moment.isoformat())
    await system.start()
    others = Life(system)
    try:
        await system.settled()
        there = (await facts_of(system, drill.life)).records["donation"]
        report = await system.verify()

        await others.settle_in()
        async with others.going_on():
            await others.goes_on()
        await wait_until_back(system)
        finding = await count_everything(system, others)
    finally:
        await others.close()
        await system.stop()

    asked_later = drill.life.history.operations[drill.begun_by_then :]
    later = {gift.identity for gift in asked_later if gift.kind == "donation" and gift.outcome is Outcome.OK}
    assert later
    assert (drill.by_then - there, there & later) == (set(), set())
    assert report.ok, report.differences[:10]
    # What is not in it, is told.
    assert restored["left_out"] > 0
    assert datetime.fromisoformat(restored["last_change_at"]) <= drill.moment
    # Life goes on there, and what was given out after the moment is not given to somebody else.
    assert min(_numbers(others)) > drill.last_number
    verdict.give(lost=len(drill.by_then - there) + len(finding.lost), doubled=len(finding.doubled))
    assert not finding.all, finding.all[:10]


def _restore(system: RunningSystem, drill: Drill, *words: str) -> dict[str, Any]:
    done = system.try_asar("restore", str(drill.backups), "--data-dir", str(system.data_dir), *words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _forget_what_was_heard_since(moment_s: float, life: Life) -> None:
    for operation in life.history.operations:
        operation.attempts = [attempt for attempt in operation.attempts if attempt.ended_s < moment_s]


def _numbers(life: Life) -> set[int]:
    """The numbers that volunteers were given."""
    made = life.history.of(Outcome.OK, "volunteer")
    return {json.loads(operation.attempts[-1].body)["number"] for operation in made}
