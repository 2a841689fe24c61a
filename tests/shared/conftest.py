"""The kites service and its parts, fresh for each test; and a deadline for what is waited for."""

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres
from shared.database import Database
from shared.messaging.connection import Bus, connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS, stream_name
from shared.messaging.topology import assert_stream
from shared.settings import Settings
from tests.shared.kites import SERVICE, Base, Kites, Listener, create_tables
from tests.systems import OWNER_ROLE, SERVICE_ROLE, FreshDatabase, ServiceUnderTest, as_role, make_settings, serving

DEADLINE_S = 120.0
Opened = Callable[..., Awaitable[Database]]


async def until(condition: Callable[[], Awaitable[bool] | bool], *, within_s: float = DEADLINE_S) -> None:
    """Wait for a condition; fail when it does not come about in time."""
    async with asyncio.timeout(within_s):
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder outlives its deadline, whatever it waits for."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.path.parent != Path(__file__).parent:
            continue
        if inspect.iscoroutinefunction(item.obj):
            item.obj = _with_deadline(item.obj)


def _with_deadline(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def limited(*arguments: Any, **fixtures: Any) -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            await test(*arguments, **fixtures)

    return limited


@pytest.fixture(scope="session")
async def kites_template(postgres: EmbeddedPostgres, anyio_backend: str) -> str:
    url = await postgres.create_database("template_kites", owner=OWNER_ROLE)
    await create_tables(as_role(url, OWNER_ROLE), SERVICE_ROLE)
    return "template_kites"


@pytest.fixture(scope="session")
async def common_url(kites_template: str, postgres: EmbeddedPostgres) -> str:
    """The address of the database that the tests use one after the other: to empty one is quicker than to make one."""
    return await postgres.create_database("common_kites", template=kites_template, owner=OWNER_ROLE)


@pytest.fixture(scope="session")
async def cleaner(common_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(common_url, server_settings={"lock_timeout": "10s"})
    yield connection
    await connection.close()


@pytest.fixture
def own_database() -> None:
    """Asked for by a test that changes more of its database than rows, or puts out who is connected to it."""


@pytest.fixture
async def kites_url(
    request: pytest.FixtureRequest,
    kites_template: str,
    fresh_database: FreshDatabase,
    common_url: str,
    cleaner: "asyncpg.Connection[asyncpg.Record]",
) -> AsyncIterator[str]:
    """The address of an empty database with the kites service's tables."""
    if "own_database" in request.fixturenames:
        yield await fresh_database(template=kites_template)
    else:
        yield common_url
        await cleaner.execute("; ".join(f'DELETE FROM "{table.name}"' for table in Base.metadata.sorted_tables))  # noqa: S608


@pytest.fixture
async def opened(kites_url: str) -> AsyncIterator[Opened]:
    """Opens databases on the kites service's tables, as each replica of it has its own: `await opened()`."""
    async with AsyncExitStack() as stack:

        async def open_another(*, pool_size: int = 10) -> Database:
            database = Database(as_role(kites_url, SERVICE_ROLE), Base.metadata, pool_size=pool_size)
            await database.open()
            stack.push_async_callback(database.close)
            return database

        yield open_another


@pytest.fixture
async def database(opened: Opened) -> Database:
    return await opened()


@pytest.fixture
def settings(kites_url: str, nats_url: str, tmp_path: Path) -> Settings:
    return make_settings(kites_url, nats_url, tmp_path / "keys")


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    bus = Bus(settings, name=SERVICE)
    async with asyncio.timeout(DEADLINE_S):
        await bus.open()
    yield bus
    await bus.close()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def kites(kites_url: str, tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    """The kites service's doors; nothing of it asks NATS."""
    async with serving(Kites, make_settings(kites_url, "nats://127.0.0.1:1", tmp_path / "keys")) as service:
        yield service


@pytest.fixture(scope="session")
def guarded(servers_folder: Path) -> Iterator[EmbeddedNats]:
    """A NATS with the product's own users."""
    server = EmbeddedNats(servers_folder / "guarded nats", secrets=servers_folder / "guarded secrets")
    with (servers_folder / "guarded.log").open("wb") as log:
        server.start(output=log)
        yield server
        server.stop()


@pytest.fixture
async def operator(guarded: EmbeddedNats, anyio_backend: str) -> AsyncIterator[Client]:
    """The operator, who finds all streams empty."""
    client = await connect(guarded.url(OPERATOR))
    for service in PUBLISHERS:
        with contextlib.suppress(NotFoundError):
            await client.jetstream().delete_stream(stream_name(service))
        await assert_stream(client, service, replicas=1)
    yield client
    for known in guarded.subscribers.all():
        guarded.subscribers.revoke(known.name)
    await client.close()
