"""Generations of the read model: one is in use; a new one can be folded from the streams' beginning beside it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import nats.errors
from nats.js.errors import NotFoundError
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from services.gateway.consumers import consumer
from services.gateway.settings import GatewaySettings
from services.gateway.tables import READ_MODEL_VERSION, ReadModel
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable, Transaction
from shared.messaging.connection import Bus
from shared.telemetry import log

_LOOK_EVERY_S = 0.5
_LOCK = 0x0A5D
_NEW = """
INSERT INTO generation (number, model_version, status, started_at)
SELECT coalesce(max(number), 0) + 1, $1, 'building', now() FROM generation RETURNING number
"""


def schema_of(number: int) -> str:
    return f"projection_{number}"


def durable_of(number: int) -> str:
    return f"gateway_{number}"


class Generations:
    """Keeps the read model in use, and swaps it for a new one when that has caught up."""

    def __init__(self, settings: GatewaySettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._models: dict[int, Database] = {}
        self._active: int | None = None
        self.on_moved: Callable[[], None] = lambda: None
        """Called when this process has folded something into a read model."""

    @property
    def active(self) -> Database:
        """The database of the read model in use.

        Raises:
            DatabaseUnavailable: there is none yet.
        """
        if self._active is None:
            raise DatabaseUnavailable("The read model is not there yet.")
        return self._models[self._active]

    @property
    def number(self) -> int:
        return self._active or 0

    async def open(self) -> None:
        """Find the read model in use; make the first one if there is none, or a new one if the fold has changed."""
        async with self._database.transaction() as tx:
            await tx.begin()
            await tx.sql("SELECT pg_advisory_xact_lock($1)", _LOCK)
            rows = await tx.sql("SELECT number, model_version, status FROM generation WHERE status <> 'retired'")
            if not any(row["model_version"] == READ_MODEL_VERSION for row in rows):
                [[number]] = await tx.sql(_NEW, READ_MODEL_VERSION)
                await self._make(tx, number)
                if not rows:
                    # Nothing serves yet, so the first one serves while it fills.
                    await tx.sql(
                        "UPDATE generation SET status = 'active', activated_at = now() WHERE number = $1", number
                    )
        await self.look()

    async def rebuild(self) -> int:
        """Begin a new generation; whichever process consumes will build it. Returns its number."""
        async with self._database.transaction() as tx:
            await tx.begin()
            await tx.sql("SELECT pg_advisory_xact_lock($1)", _LOCK)
            [[number]] = await tx.sql(_NEW, READ_MODEL_VERSION)
            await self._make(tx, number)
        return number

    async def status(self, number: int) -> str:
        return str(await self._database.pool.fetchval("SELECT status FROM generation WHERE number = $1", number))

    async def look(self) -> None:
        """Follow which read model is in use; another process may have swapped it."""
        active = await self._database.pool.fetchval(
            "SELECT number FROM generation WHERE status = 'active' ORDER BY number DESC LIMIT 1"
        )
        if active is not None and active != self._active:
            await self.model(active)
            self._active = active

    async def model(self, number: int) -> Database:
        """The database of a generation, opened."""
        if number not in self._models:
            model = Database(
                self._settings.database_url,
                ReadModel.metadata,
                pool_size=self._settings.pool_size,
                schema=schema_of(number),
            )
            await model.open()
            model.on_commit = self._moved
            self._models[number] = model
        return self._models[number]

    async def close(self) -> None:
        for model in self._models.values():
            await model.close()
        self._models.clear()

    def _moved(self) -> None:
        self.on_moved()

    async def run(self, bus: Bus) -> None:
        """Fold every generation that is in use or being built; swap when a new one has caught up."""
        await bus.open()
        folding: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                with contextlib.suppress(*CONNECTION_LOST, DatabaseUnavailable):
                    await self._tend(bus, folding)
                for number, task in list(folding.items()):
                    if task.done():
                        log.error("projector ended and begins again", generation=number, error=repr(task.exception()))
                        del folding[number]
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            for task in folding.values():
                task.cancel()
            await asyncio.gather(*folding.values(), return_exceptions=True)

    async def _tend(self, bus: Bus, folding: dict[int, "asyncio.Task[None]"]) -> None:
        await self.look()
        rows = await self._database.pool.fetch("SELECT number, status FROM generation WHERE status <> 'retired'")
        for number, status in rows:
            if number not in folding:
                model = await self.model(number)
                folding[number] = asyncio.create_task(
                    consumer.run(model, bus, replicas=self._settings.stream_replicas, durable=durable_of(number))
                )
            elif status == "building" and await self._caught_up(bus, number):
                await self._activate(number)
        for number in set(folding) - {row["number"] for row in rows}:
            folding.pop(number).cancel()
            await self._remove(bus, number)

    async def _caught_up(self, bus: Bus, number: int) -> bool:
        measured = await consumer.measure(await self.model(number), bus, durable_of(number))
        return all(lag == 0 for lag in measured["lag"].values())

    async def _activate(self, number: int) -> None:
        async with self._database.transaction() as tx:
            await tx.begin()
            await tx.sql("UPDATE generation SET status = 'retired' WHERE number < $1", number)
            await tx.sql("UPDATE generation SET status = 'active', activated_at = now() WHERE number = $1", number)
        await self.look()
        log.info("read model swapped", generation=number)

    async def _remove(self, bus: Bus, number: int) -> None:
        """Take a retired generation away, when those who were reading it have had time to look."""
        await asyncio.sleep(4 * _LOOK_EVERY_S)
        model = self._models.pop(number, None)
        if model is not None:
            await model.close()
        for subscription in consumer.subscriptions(durable_of(number)):
            with contextlib.suppress(NotFoundError, nats.errors.Error):
                await bus.client.jetstream().delete_consumer(subscription.stream, subscription.durable)
        await self._database.pool.execute(f'DROP SCHEMA IF EXISTS "{schema_of(number)}" CASCADE')

    async def _make(self, tx: Transaction, number: int) -> None:
        schema = schema_of(number)
        await tx.sql(f'CREATE SCHEMA "{schema}"')
        await tx.sql(f'SET LOCAL search_path = "{schema}"')
        for table in ReadModel.metadata.sorted_tables:
            await tx.sql(str(CreateTable(table).compile(dialect=dialect())))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                await tx.sql(str(CreateIndex(index).compile(dialect=dialect())))
        await tx.sql("SET LOCAL search_path = public")


@contextlib.asynccontextmanager
async def opened(generations: Generations) -> AsyncGenerator[Generations]:
    pause_s = 0.1
    while True:
        try:
            await generations.open()
            break
        except (*CONNECTION_LOST, DatabaseUnavailable) as error:
            log.warning("read model is not reachable yet", error=type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)
    try:
        yield generations
    finally:
        await generations.close()
