"""One running system for the faults, one after the other, as one would happen upon another in a year."""

from collections.abc import AsyncIterator

import pytest

from tests.running import RunningSystem


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[RunningSystem]:
    running = RunningSystem(tmp_path_factory.mktemp("a system"))
    await running.start()
    yield running
    await running.stop()
