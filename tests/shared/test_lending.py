"""Connections that transactions hand on: to whoever has waited longest, and none is ever lost on the way."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.access.principal import EVERYTHING
from shared.database import Database, DatabaseUnavailable
from shared.database.lending import KEPT_MAX, Lending
from tests.shared.conftest import Opened


async def take_all(lending: Lending, count: int) -> list[Any]:
    return [await lending.take(timeout_s=5) for _ in range(count)]


async def waiting(lending: Lending, count: int) -> list["asyncio.Task[Any]"]:
    """So many who wait for a connection, the first since longest."""
    tasks = [asyncio.create_task(lending.take(timeout_s=5)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_connection_goes_to_whoever_has_waited_longest(opened: Opened) -> None:
    lending = (await opened(pool_size=3)).lending
    held = await take_all(lending, 2)
    first, second, third = await waiting(lending, 3)

    for connection in held:
        await lending.give_back(connection)

    assert await asyncio.gather(first, second) == held
    assert not third.done()
    await lending.give_back(held[0])
    assert await third is held[0]


async def test_all_that_are_given_back_can_be_taken_again(opened: Opened) -> None:
    size = KEPT_MAX + 4
    lending = (await opened(pool_size=size)).lending
    for _ in range(3):
        held = await take_all(lending, size - 1)
        assert len({id(connection) for connection in held}) == size - 1
        for connection in held:
            await lending.give_back(connection)
        assert lending.kept == KEPT_MAX


async def test_one_connection_is_left_to_who_asks_the_pool_itself(opened: Opened) -> None:
    database = await opened(pool_size=3)
    held = await take_all(database.lending, 2)
    await waiting(database.lending, 3)

    assert await database.pool.fetchval("SELECT 1", timeout=5) == 1

    for connection in [*held, *held[:1]]:
        await database.lending.give_back(connection)


async def test_a_connection_that_is_closed_is_not_handed_on(opened: Opened) -> None:
    lending = (await opened(pool_size=2)).lending
    [lost] = await take_all(lending, 1)
    [task] = await waiting(lending, 1)
    await lost.close()
    await lending.give_back(lost)

    connection = await task
    assert await connection.fetchval("SELECT 1") == 1

    # Nor one that is closed while it is kept.
    await lending.give_back(connection)
    connection.terminate()
    [another] = await take_all(lending, 1)
    assert await another.fetchval("SELECT 1") == 1
    await lending.give_back(another)


@pytest.mark.parametrize("turns", range(4))
async def test_who_gives_up_takes_no_connection_along(opened: Opened, turns: int) -> None:
    """At whatever moment: before it was handed one, just then, or as it takes it."""
    lending = (await opened(pool_size=2)).lending
    [held] = await take_all(lending, 1)
    first, second = await waiting(lending, 2)

    if turns == 0:
        first.cancel()
    await lending.give_back(held)
    for _ in range(turns - 1):
        await asyncio.sleep(0)
    first.cancel()
    [result] = await asyncio.gather(first, return_exceptions=True)
    if not isinstance(result, BaseException):
        await lending.give_back(result)

    assert await asyncio.wait_for(second, 5) is held
    await lending.give_back(held)


async def test_who_waits_too_long_is_told_and_the_next_is_served(opened: Opened) -> None:
    lending = (await opened(pool_size=2)).lending
    [held] = await take_all(lending, 1)
    with pytest.raises(DatabaseUnavailable):
        await lending.take(timeout_s=0.01)
    [task] = await waiting(lending, 1)

    await lending.give_back(held)

    assert await task is held
    await lending.give_back(held)


async def test_a_transaction_that_fails_lets_the_next_one_have_a_connection(opened: Opened) -> None:
    database: Database = await opened(pool_size=2)
    entered = asyncio.Event()

    async def fail() -> None:
        async with database.transaction(EVERYTHING) as tx:
            await tx.begin()
            entered.set()
            await asyncio.sleep(0)
            raise ValueError("on purpose")

    failing = asyncio.create_task(fail())
    await entered.wait()
    async with asyncio.timeout(5), database.transaction(EVERYTHING) as tx:
        assert [row[0] for row in await tx.sql("SELECT 1")] == [1]
    with pytest.raises(ValueError, match="on purpose"):
        await failing


async def test_a_closed_database_lends_nothing(opened: Opened) -> None:
    database = await opened(pool_size=3)
    [held] = await take_all(database.lending, 1)
    await database.lending.give_back(held)

    await database.close()

    with pytest.raises(asyncpg.InterfaceError, match="released"):
        await held.fetchval("SELECT 1")
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction(EVERYTHING) as tx:
            await tx.begin()
