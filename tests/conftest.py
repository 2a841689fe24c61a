"""Real servers for the tests: one PostgreSQL and one NATS per test process, started when the first test asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from deploy.bus.configuration import UNRESTRICTED
from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres
from tests.running import RunningSystem
from tests.systems import BEHIND_ROLE, OWNER_ROLE, SERVICE_ROLE

pytest_plugins = ["tests.faults.reporting"]

_numbers = count(1)
# The same code is judged the same twice. How long an example takes tells nothing on a machine that others use as well.
settings.register_profile("asar", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asar")
_ONE_SYSTEM = ("tests/e2e/", "tests/faults/", "tests/journeys/")
"""The tests of these share a whole system."""
_THEIR_OWN_SYSTEMS = (
    "tests/faults/test_cluster.py",
    "tests/faults/test_disk.py",
    "tests/faults/test_nats.py",
    "tests/faults/test_network.py",
    "tests/faults/test_postgres.py",
    "tests/faults/test_restore.py",
    "tests/faults/test_upgrade.py",
    "tests/local/test_running.py",
)
"""The tests of these start others, among them the laboratory."""


class TwoSystemsAtMost(LoadFileScheduling):
    """The tests of a file stay together, and those that take whole systems go into two processes at most."""

    # xdist's own way, a mark for groups, has no effect with pytest 9.2.
    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/faults/simulation/"):
            # It starts nothing, and each test of it takes long.
            return nodeid
        if nodeid.startswith(_THEIR_OWN_SYSTEMS):
            return "their own systems"
        return "one system" if nodeid.startswith(_ONE_SYSTEM) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoSystemsAtMost:
    """Tell xdist how to share the tests out."""
    return TwoSystemsAtMost(config, log)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """All coroutines of the tests run on asyncio, in one loop for the session."""
    return "asyncio"


@pytest.fixture(scope="session")
def servers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for this process's servers, with a space in its path on purpose."""
    return tmp_path_factory.mktemp("the servers")


@pytest.fixture(scope="session")
def postgres(servers_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL that forgets at a power cut, which makes it fast."""
    server = EmbeddedPostgres(servers_folder / "postgres", password_file=servers_folder / "pg.password", durable=False)
    with (servers_folder / "postgres.log").open("wb") as log:
        server.start(output=log)
        asyncio.run(_make_roles(server))
        yield server
        server.stop()


async def _make_roles(server: EmbeddedPostgres) -> None:
    for role in (OWNER_ROLE, SERVICE_ROLE, BEHIND_ROLE):
        await server.ensure_role(role, role)
    connection = await server.connect()
    await connection.execute(f"ALTER ROLE {BEHIND_ROLE} SUPERUSER")
    await connection.close()


@pytest.fixture(scope="session")
def nats(servers_folder: Path) -> Iterator[EmbeddedNats]:
    """A running NATS whose user may do anything; tests take `nats_url`, which sees to it that they find it empty."""
    server = EmbeddedNats(servers_folder / "nats", secrets=servers_folder, known=[UNRESTRICTED])
    with (servers_folder / "nats.log").open("wb") as log:
        server.start(output=log)
        yield server
        server.stop()


@pytest.fixture
async def fresh_database(
    postgres: EmbeddedPostgres, anyio_backend: str
) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Makes databases for one test: `url = await fresh_database()`, or `fresh_database(template="...")` for a copy."""
    async with AsyncExitStack() as stack:

        async def make(*, template: str = "template0") -> str:
            name = f"test_{next(_numbers)}"
            url = await postgres.create_database(name, template=template, owner=OWNER_ROLE)
            stack.push_async_callback(postgres.drop_database, name)
            return url

        yield make


@pytest.fixture
async def database_url(fresh_database: Callable[..., Awaitable[str]]) -> str:
    """The address of an empty database that only this test knows."""
    return await fresh_database()


@pytest.fixture
async def nats_url(nats: EmbeddedNats, anyio_backend: str) -> AsyncIterator[str]:
    """The address of a NATS without streams; what the test leaves there is removed."""
    url = nats.url(UNRESTRICTED.name)
    yield url
    client = await nats_client.connect(url)
    try:
        jetstream = client.jetstream()
        for stream in await jetstream.streams_info():
            await jetstream.delete_stream(str(stream.config.name))
    finally:
        await client.close()


@pytest.fixture(scope="session")
async def running_system(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[RunningSystem]:
    """The whole system as real processes. Tests that take it go into one process of xdist, so there is one of it."""
    system = RunningSystem(tmp_path_factory.mktemp("a system"))
    await system.start()
    yield system
    await system.stop()
