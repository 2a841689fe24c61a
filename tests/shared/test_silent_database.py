"""A database that takes connections and says nothing: nobody waits for it without end, and then it is used again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import MetaData

from deploy.local.postgres import EmbeddedPostgres
from shared.access.principal import EVERYTHING
from shared.database import Database, DatabaseUnavailable
from tests.faults.proxy import Proxy

_SOCKET = ".s.PGSQL.5432"
_EVERY_LIMIT = ("STATEMENT_MAX_S", "ACQUIRE_TIMEOUT_S", "RELEASE_TIMEOUT_S")
PATIENCE_S = 60.0
"""Far more than all limits together, and far less than for ever."""


@pytest.fixture
async def way(
    postgres: EmbeddedPostgres, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to PostgreSQL, and the address of a database behind it."""
    sockets = tmp_path_factory.mktemp("w")
    proxy = Proxy(listen=sockets / _SOCKET, to=postgres.sockets / _SOCKET)
    yield proxy, postgres.url("postgres").replace(str(postgres.sockets), str(sockets))
    proxy.close()


async def test_every_call_to_a_silent_database_ends(way: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in _EVERY_LIMIT:
        monkeypatch.setattr(f"shared.database.pool.{limit}", 2.0)
    proxy, url = way
    database = Database(url, MetaData(), pool_size=2)
    await database.open()
    await database.ping()
    proxy.silence()

    async def in_a_transaction() -> None:
        async with database.transaction(EVERYTHING) as tx:
            await tx.begin()

    # One has a connection, one must make a new one, one must wait for either.
    async with asyncio.timeout(PATIENCE_S):
        calls = [database.pool.fetchval("SELECT 1"), database.pool.fetchval("SELECT 1"), in_a_transaction()]
        ended = await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(error, (TimeoutError, DatabaseUnavailable)) for error in ended)
    proxy.heal()
    assert await database.pool.fetchval("SELECT 1") == 1
    await database.close()
