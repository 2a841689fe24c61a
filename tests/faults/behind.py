"""What the tests do behind the system's back: in its databases and streams, where it can be taken back."""
# ruff: noqa: S608 - the names are those of our own tables

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
from nats.aio.client import Client

from shared.contracts.envelope import LANES
from shared.messaging import inbox, relay
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from tests.running import RunningSystem, frozen, until

_BUG = """
CREATE OR REPLACE FUNCTION {schema}.stumble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount_minor = {amount_minor} THEN
        RAISE EXCEPTION 'division by zero' USING ERRCODE = 'division_by_zero';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stumble BEFORE INSERT ON {schema}.tick FOR EACH ROW EXECUTE FUNCTION {schema}.stumble()
"""


_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()
"""


@asynccontextmanager
async def operator(system: RunningSystem, *, user: str = OPERATOR) -> AsyncGenerator[Client]:
    """A connection to NATS as the operator, or as a service."""
    client = await connect(system.installation.nats.url(user))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def database_of(system: RunningSystem, service: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection from which nothing is hidden."""
    connection = await asyncpg.connect(system.installation.postgres.url(service))
    try:
        yield connection
    finally:
        await connection.close()


async def read_model(connection: asyncpg.Connection) -> str:
    """The schema of the read model in use."""
    number = await connection.fetchval("SELECT max(number) FROM generation WHERE status = 'active'")
    return f"projection_{number}"


@asynccontextmanager
async def stumbling_over(system: RunningSystem, amount_minor: int) -> AsyncGenerator[None]:
    """Have the gateway fail to show a gift of this amount, as by a mistake in a handler, as long as the block lasts."""
    async with database_of(system, "gateway") as connection:
        schema = await read_model(connection)
        await connection.execute(_BUG.format(schema=schema, amount_minor=amount_minor))
        try:
            yield
        finally:
            await connection.execute(f"DROP TRIGGER stumble ON {schema}.tick; DROP FUNCTION {schema}.stumble()")


@asynccontextmanager
async def not_relaying(system: RunningSystem, service: str) -> AsyncGenerator[None]:
    """Hold a service's lanes, so that what it announces stays in its outbox."""
    async with database_of(system, service) as connection:
        await connection.execute(
            f"SELECT pg_advisory_lock({relay.LOCK_SPACE}, lane) FROM generate_series(0, {LANES - 1}) AS lane"
        )
        yield


@asynccontextmanager
async def not_folding(system: RunningSystem) -> AsyncGenerator[None]:
    """Hold the gateway's turn, as a handler would that does not come to an end."""
    async with database_of(system, "gateway") as connection:
        await connection.execute(f"SELECT pg_advisory_lock({inbox.LOCK_SPACE}, hashtext('gateway'))")
        yield


@asynccontextmanager
async def standing_still(system: RunningSystem, service: str) -> AsyncGenerator[None]:
    """Freeze a service's process, and none of its transactions, so that another process does all of its work.

    The supervisor too, or it would kill what does not answer, and after some deaths wait longer and longer.
    """
    pid = system.pid_of(service)
    assert pid is not None
    async with database_of(system, service) as connection:
        while True:
            with system.held(), frozen(pid):
                if not await connection.fetchval(_AT_WORK):
                    yield
                    return
            await asyncio.sleep(0.01)


async def parked_by_the_gateway(system: RunningSystem) -> dict[str, int]:
    """How many messages it has put aside, by reason."""
    return dict((await system.status("gateway")).get("parked", {}))


async def redriven(system: RunningSystem) -> None:
    """Until an operator has brought everything in that the gateway had put aside."""

    async def all_applied() -> bool:
        await system.asar("messages", "redrive", "--service", "gateway")
        return not any((await parked_by_the_gateway(system)).values())

    await until("all that was parked is applied", all_applied)
