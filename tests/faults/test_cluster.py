"""Three NATS servers: one may die unnoticed; with two of them gone messages wait, and callers still notice nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.cluster import ClusteredSystem
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict

pytestmark = [pytest.mark.faults, pytest.mark.slow]
DELIVERED_WITHIN_S = 15


@pytest.fixture
async def clustered_system(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[ClusteredSystem]:
    system = ClusteredSystem(tmp_path_factory.mktemp("a clustered system"))
    try:
        await system.start()
        yield system
    finally:
        await system.stop()


@pytest.mark.fault(5, "kill -9 of the leader, then of two")
async def test_messages_go_on_once_most_servers_are_there(clustered_system: ClusteredSystem, verdict: Verdict) -> None:
    nodes = clustered_system.cluster.nodes
    async with under_load(clustered_system, verdict) as life:
        # One
        leader = await clustered_system.leader_of("charity")
        nodes[leader].kill()
        await life.goes_on()
        await clustered_system.drained(patience_s=DELIVERED_WITHIN_S)
        nodes[leader].run()

        # Two
        leader = await clustered_system.leader_of("charity")
        another = next(name for name in nodes if name != leader)
        for name in (leader, another):
            nodes[name].kill()
        await asyncio.sleep(3)
        for name in (leader, another):
            nodes[name].run()
        await clustered_system.drained(patience_s=DELIVERED_WITHIN_S)

        assert life.history.failures() == []
