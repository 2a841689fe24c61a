"""Generations of the read model: one is in use; a new one can be folded from the streams' beginning beside it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable

import asyncpg
import nats.errors
from nats.js.errors import NotFoundError
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from services.gateway.settings import GatewaySettings
from services.gateway.tables import READ_MODEL_VERSION, ReadModel
from shared import failpoints
from shared.access.principal import EVERYTHING
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable, Transaction
from shared.endings import end
from shared.messaging import totals
from shared.messaging.connection import Bus
from shared.messaging.consumer import Consumer
from shared.messaging.subjects import GENERATIONS, durable_of_generation
from shared.telemetry import log

LOOK_EVERY_S = 0.5
LINGER_S = 5.0
"""How long a read model that was in use stays, for those who have not looked yet."""
_LOCK = 0x0A5D
_IN_USE = "SELECT number FROM generation WHERE status = 'active' ORDER BY number DESC LIMIT 1"
_NEW = """
INSERT INTO generation (number, model_version, status, started_at)
SELECT coalesce(max(number), 0) + 1, $1, 'building', now() FROM generation RETURNING number
"""
# Another version's fold belongs to another version's code: this one would only spoil it.
# Durables' names come round again: one that would share them with an older read model waits until that is gone.
_TO_FOLD = """
SELECT number, status FROM generation WHERE status IN ('building', 'active') AND model_version = $1 AND NOT EXISTS (
    SELECT FROM generation AS older
    WHERE older.number < generation.number AND older.status <> 'removed' AND (generation.number - older.number) % $2 = 0
)
"""
_TO_REMOVE = """
SELECT number FROM generation WHERE status = 'retired' AND EXISTS (
    SELECT FROM generation AS newer
    WHERE newer.status = 'active' AND newer.activated_at < now() - make_interval(secs => $1)
)
"""


def schema_of(number: int) -> str:
    return f"projection_{number}"


class Generations:
    """Knows the read model in use, folds what is to be folded, and swaps it for a new one that has caught up."""

    def __init__(self, settings: GatewaySettings, database: Database, consumer: Consumer) -> None:
        self._settings = settings
        self._database = database
        self._consumer = consumer
        self._models: dict[int, Database] = {}
        self._active: int | None = None
        self._left: dict[int, float] = {}
        """Models that were in use here, and until when somebody may still be reading them."""
        self._waits_for: dict[int, int] = {}
        self.on_moved: Callable[[], None] = lambda: None
        """Called when this process has folded something into a read model, or follows another one."""

    @property
    def active(self) -> Database:
        """The database of the read model in use.

        Raises:
            DatabaseUnavailable: there is none yet.
        """
        if self._active is None or self._active not in self._models:
            raise DatabaseUnavailable("The figures are being counted anew.")
        return self._models[self._active]

    @property
    def number(self) -> int:
        return self._active or 0

    # --- which one is in use ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Find the read model in use; make the first one if there is none, or a new one if the fold has changed."""
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.begin()
            await tx.sql("SELECT pg_advisory_xact_lock($1)", _LOCK)
            rows = await tx.sql("SELECT model_version FROM generation WHERE status IN ('building', 'active')")
            if not any(row["model_version"] == READ_MODEL_VERSION for row in rows):
                [[number]] = await tx.sql(_NEW, READ_MODEL_VERSION)
                await self._make(tx, number)
                if not rows:
                    # Nothing serves yet, so the first one serves while it fills.
                    await tx.sql(
                        "UPDATE generation SET status = 'active', activated_at = now() WHERE number = $1", number
                    )
        await self.look()

    async def follow(self) -> None:
        """Look, again and again: a process without a consumer must notice a swap as well. Runs until cancelled."""
        while True:
            with contextlib.suppress(*CONNECTION_LOST, DatabaseUnavailable):
                await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Follow which read model is in use; another process may have swapped it."""
        number = await self._database.pool.fetchval(_IN_USE)
        if number is not None and number != self._active:
            await self.model(number)
            was, self._active = self._active, number
            # Another look may have found it meanwhile.
            if was is not None and was != number:
                self._left[was] = time.monotonic() + LINGER_S
            self.on_moved()
        for left, until in list(self._left.items()):
            if time.monotonic() > until:
                del self._left[left]
                await self._forget(left)

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
            if number in self._models:
                # Somebody else has opened it meanwhile.
                await model.close()
            else:
                model.on_commit = self._moved
                self._models[number] = model
        return self._models[number]

    async def _forget(self, number: int) -> None:
        model = self._models.pop(number, None)
        if model is not None:
            await model.close()

    async def close(self) -> None:
        for number in list(self._models):
            await self._forget(number)

    def _moved(self) -> None:
        self.on_moved()

    # --- building a new one -----------------------------------------------------------------------------------------

    async def rebuild(self) -> int:
        """Begin a new generation; whichever process consumes will build it. Returns its number."""
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.begin()
            await tx.sql("SELECT pg_advisory_xact_lock($1)", _LOCK)
            [[number]] = await tx.sql(_NEW, READ_MODEL_VERSION)
            await self._make(tx, number)
        return number

    async def status(self, number: int) -> str:
        """`building`, `active`, `retired` (still there) or `removed`."""
        return str(await self._database.pool.fetchval("SELECT status FROM generation WHERE number = $1", number))

    async def progress(self, number: int) -> tuple[int, int]:
        """How many messages a generation has folded, and how many the one in use has."""
        in_use = await self._database.pool.fetchval(_IN_USE)
        return await self._revision(number), await self._revision(in_use)

    async def run(self, bus: Bus) -> None:
        """Fold every generation that is in use or being built; swap when a new one has caught up."""
        await bus.open()
        folding: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                try:
                    await self._tend(bus, folding)
                except (*CONNECTION_LOST, DatabaseUnavailable, nats.errors.Error) as error:
                    log.warning("generations wait", error=type(error).__name__)
                for number, task in list(folding.items()):
                    if task.done():
                        log.error("projector ended and begins again", generation=number, error=repr(task.exception()))
                        del folding[number]
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await end(*folding.values())

    async def _tend(self, bus: Bus, folding: dict[int, "asyncio.Task[None]"]) -> None:
        rows = await self._database.pool.fetch(_TO_FOLD, READ_MODEL_VERSION, GENERATIONS)
        for number, status in rows:
            if number not in folding:
                model = await self.model(number)
                folding[number] = asyncio.create_task(
                    self._consumer.run(
                        model, bus, replicas=self._settings.stream_replicas, durable=durable_of_generation(number)
                    )
                )
            elif status == "building" and await self._caught_up(bus, number):
                await self._activate(number)
        for number in set(folding) - {row["number"] for row in rows}:
            await end(folding.pop(number))
        for [number] in await self._database.pool.fetch(_TO_REMOVE, LINGER_S):
            # Whoever still folds it would make its durables anew.
            if number not in folding:
                await self._remove(bus, number)

    async def _caught_up(self, bus: Bus, number: int) -> bool:
        """Whether a generation has nothing left to apply, and lacks nothing that the one in use has."""
        measured = await self._consumer.measure(await self.model(number), bus, durable_of_generation(number))
        if any(lag != 0 for lag in measured["lag"].values()):
            return False
        # A stream that has just lost its messages has nothing left to deliver either.
        missing = await self._revision(self.number) - await self._revision(number)
        if missing > 0 and self._waits_for.get(number) != missing:
            self._waits_for[number] = missing
            log.warning("new read model waits for messages", generation=number, missing=missing, **measured["parked"])
        return missing <= 0

    async def _revision(self, number: int) -> int:
        try:
            model = await self.model(number)
            return int(await model.pool.fetchval("SELECT revision FROM progress") or 0)
        except asyncpg.UndefinedTableError:
            # Of a version that did not count.
            return 0

    async def _activate(self, number: int) -> None:
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.begin()
            await tx.sql("UPDATE generation SET status = 'retired' WHERE number < $1 AND status <> 'removed'", number)
            failpoints.reach("generation.amid_switch")
            await tx.sql("UPDATE generation SET status = 'active', activated_at = now() WHERE number = $1", number)
        failpoints.reach("generation.after_switch")
        await self.look()
        log.info("read model swapped", generation=number)

    async def _remove(self, bus: Bus, number: int) -> None:
        """Take a retired generation away, for good. Whatever fails is done again at the next look."""
        await self._forget(number)
        for subscription in self._consumer.subscriptions(durable_of_generation(number)):
            with contextlib.suppress(NotFoundError):
                await bus.jetstream.delete_consumer(subscription.stream, subscription.durable)
        await self._database.pool.execute(f'DROP SCHEMA IF EXISTS "{schema_of(number)}" CASCADE')
        failpoints.reach("generation.amid_removal")
        await self._database.pool.execute("UPDATE generation SET status = 'removed' WHERE number = $1", number)
        log.info("old read model removed", generation=number)

    async def _make(self, tx: Transaction, number: int) -> None:
        schema = schema_of(number)
        await tx.sql(f'CREATE SCHEMA "{schema}"')
        await tx.sql(f'SET LOCAL search_path = "{schema}"')
        for table in ReadModel.metadata.sorted_tables:
            await tx.sql(str(CreateTable(table).compile(dialect=dialect())))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                await tx.sql(str(CreateIndex(index).compile(dialect=dialect())))
        for statement in totals.COUNT_APPLIED:
            await tx.sql(statement)
        await tx.sql("SET LOCAL search_path = public")


@contextlib.asynccontextmanager
async def opened(generations: Generations) -> AsyncGenerator[Generations]:
    """The read models while a process runs: opened as soon as the database answers, then followed."""
    pause_s = 0.1
    while True:
        try:
            await generations.open()
            break
        except (*CONNECTION_LOST, DatabaseUnavailable) as error:
            log.warning("read model is not reachable yet", error=type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)
    following = asyncio.create_task(generations.follow())
    try:
        yield generations
    finally:
        await end(following)
        await generations.close()
