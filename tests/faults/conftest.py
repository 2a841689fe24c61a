"""The laboratory: one whole system for the faults that take more than a signal."""

from collections.abc import AsyncIterator

import pytest

from tests.faults import power
from tests.faults.laboratory import Laboratory


@pytest.fixture(scope="session")
async def laboratory(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Laboratory]:
    """A system with proxies between its parts and, for root, disks of its own under PostgreSQL and NATS."""
    system = Laboratory(tmp_path_factory.mktemp("a laboratory"), with_disks=power.is_possible())
    try:
        await system.start()
        yield system
    finally:
        await system.stop()


@pytest.fixture
def root(laboratory: Laboratory) -> None:
    """For what only root can do: mount a disk of one's own. The verdict says so where it was not done."""
    if not laboratory.disks:
        pytest.skip("needs root")
