"""Applies messages to a service's database: in order per aggregate, each effect once, nothing lost.

A page of messages is one transaction. Per aggregate the next version is applied, an older one is a duplicate, a younger
one is parked until its predecessors have come. A message whose handler fails three times is parked too, and with it,
since its version was not applied, whatever follows in its aggregate: other aggregates go on.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import nats.errors
import orjson
from pydantic import ValidationError

from shared import clock
from shared.access.principal import EVERYTHING
from shared.contracts.envelope import DomainEvent, Message
from shared.database import TRY_AGAIN, Database, DatabaseUnavailable, Transaction
from shared.messaging.connection import Bus
from shared.messaging.pull import UNREADABLE, Delivery, PullBroken, Puller
from shared.messaging.topology import Subscription
from shared.telemetry import APPLIED, DUPLICATES, LAG, PARKED, log, span, traceparent_in

TRIES, RETRY_PAUSE_S = 3, 0.05
PAUSE_S, PAUSE_MAX_S = 0.1, 2.0
_LOCK_SPACE = 0x0A5B

Data = TypeVar("Data", bound=DomainEvent)
Handler = Callable[[Transaction, Message[Any]], Awaitable[None]]
EveryHandler = Callable[[Transaction, Delivery], Awaitable[None]]

_SEEN = "SELECT aggregate, version FROM inbox WHERE consumer = $1 AND aggregate = ANY($2::text[])"
_PARKED = (
    "SELECT type, aggregate, version, message_id, body, reason FROM parked"
    " WHERE consumer = $1 AND aggregate = ANY($2::text[]) ORDER BY aggregate, version"
)
_SEE = (
    "INSERT INTO inbox (consumer, aggregate, version) SELECT $1, * FROM unnest($2::text[], $3::int[])"
    " ON CONFLICT (consumer, aggregate) DO UPDATE SET version = excluded.version"
)
_PARK = (
    "INSERT INTO parked (consumer, type, aggregate, version, message_id, body, reason, error, parked_at)"
    " SELECT $1, late.*, $7, $8, $9"
    " FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::text[]) AS late(type, aggregate, version)"
    # Another replica may have applied it meanwhile.
    " WHERE NOT EXISTS (SELECT FROM inbox AS seen WHERE seen.consumer = $1"
    " AND seen.aggregate = late.aggregate AND seen.version >= late.version)"
    " ON CONFLICT (consumer, aggregate, version) DO UPDATE SET reason = excluded.reason, error = excluded.error"
)
_UNPARK = (
    "DELETE FROM parked USING unnest($2::text[], $3::int[]) AS seen(aggregate, version)"
    " WHERE parked.consumer = $1 AND parked.aggregate = seen.aggregate AND parked.version <= seen.version"
)
_FAILED = (
    "SELECT type, aggregate, version, message_id, body FROM parked"
    " WHERE consumer = $1 AND reason = 'failed' AND ($2::text IS NULL OR aggregate = $2) ORDER BY parked_at, version"
)
_WAITING_NEXT = (
    "SELECT type, aggregate, parked.version, message_id, body FROM parked JOIN inbox USING (consumer, aggregate)"
    " WHERE consumer = $1 AND aggregate = $2 AND parked.version = inbox.version + 1 AND reason = 'gap'"
)


class Consumer:
    """What one service (or one purpose of it) listens to, and what it does with each type."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: dict[str, tuple[type[Message[Any]], Handler]] = {}
        self._every: EveryHandler | None = None
        self._nouns: dict[str, set[str]] = {}

    def on(self, contract: type[Data], handler: Callable[[Transaction, Message[Data]], Awaitable[None]]) -> None:
        """Apply `handler` to each message of this type. Other types of the same noun are passed over in order."""
        self._handlers[contract.type] = (Message[contract], handler)
        if self._every is None:
            self._nouns.setdefault(contract.service(), set()).add(contract.noun())

    def on_every(self, services: Iterable[str], handler: EveryHandler) -> None:
        """Hear all that these services announce, and give each message to `handler` before its own one."""
        self._every = handler
        self._nouns = {service: set() for service in services}

    @property
    def nouns(self) -> dict[str, set[str]]:
        """Which aggregates of which service it hears."""
        return self._nouns

    def subscriptions(self, durable: str | None = None) -> list[Subscription]:
        return [
            Subscription(durable or self.name, service, tuple(sorted(nouns)))
            for service, nouns in sorted(self._nouns.items())
        ]

    # --- listening --------------------------------------------------------------------------------------------------

    async def run(self, database: Database, bus: Bus, *, replicas: int = 1, durable: str | None = None) -> None:
        """Listen until cancelled, to each stream in a task of its own.

        Raises:
            TopologyDrift: a durable is not as declared.
        """
        async with asyncio.TaskGroup() as group:
            for subscription in self.subscriptions(durable):
                group.create_task(self._follow(subscription, database, bus, replicas))

    async def _follow(self, subscription: Subscription, database: Database, bus: Bus, replicas: int) -> None:
        pause_s = PAUSE_S
        while True:
            try:
                await bus.open()
                async with Puller(bus.client, subscription, replicas=replicas) as puller:
                    while True:
                        page = await puller.page()
                        await self._apply_for_sure(database, page)
                        await puller.acknowledge(page)
                        pause_s = PAUSE_S
            except (PullBroken, nats.errors.Error, OSError) as error:
                log.warning(
                    "consumer begins again", stream=subscription.stream, error=str(error) or type(error).__name__
                )
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _apply_for_sure(self, database: Database, page: list[Delivery]) -> None:
        """Apply a page, however long the database is away. No message is parked for that."""
        pause_s = PAUSE_S
        while True:
            try:
                await self._apply_or_divide(database, page)
            except (DatabaseUnavailable, *TRY_AGAIN) as error:
                log.warning("consumer waits for its database", error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
            else:
                return

    async def _apply_or_divide(self, database: Database, page: list[Delivery]) -> None:
        try:
            await self.apply(database, page)
        except (DatabaseUnavailable, *TRY_AGAIN):
            raise
        except Exception as error:  # noqa: BLE001  # the edge of the loop: any handler's mistake ends here
            log.warning("page failed, applying one by one", error=type(error).__name__, messages=len(page))
            for delivery in page:
                await self._apply_alone(database, delivery)

    async def _apply_alone(self, database: Database, delivery: Delivery) -> tuple[int, int]:
        """Apply one message and then, each by itself, those that waited for it; returns (took effect, failed).

        The one that fails is parked, and those behind it stay so.
        """
        applied = 0
        following: Delivery | None = delivery
        while following is not None:
            effect = await self._try(database, following)
            if effect is None:
                return applied, 1
            applied += effect
            async with database.transaction(EVERYTHING) as tx:
                waiting = await tx.sql(_WAITING_NEXT, self.name, delivery.aggregate)
            following = Delivery(*waiting[0], reply="") if waiting else None
        return applied, 0

    async def _try(self, database: Database, delivery: Delivery) -> int | None:
        """Apply one message by itself, several times if need be; None when it failed and was parked."""
        reason = ""
        for attempt in range(1, TRIES + 1):
            try:
                async with self._in_turn(database) as tx:
                    return await self._apply(tx, [delivery], with_those_waiting=False)
            except (DatabaseUnavailable, *TRY_AGAIN):
                raise
            except Exception as error:  # noqa: BLE001  # as above
                reason = _reason(error)
                log.error("message failed", type=delivery.type, id=delivery.message_id, attempt=attempt, error=reason)
                if isinstance(error, ValidationError):
                    break
                await asyncio.sleep(RETRY_PAUSE_S * attempt)
        async with self._in_turn(database) as tx:
            await self._park(tx, [delivery], "failed", reason)
        return None

    # --- applying ---------------------------------------------------------------------------------------------------

    async def apply(self, database: Database, page: Iterable[Delivery]) -> int:
        """Apply what is next in each aggregate, in one transaction; returns how many messages took effect.

        Safe to call with anything, in any order, any number of times, from any number of processes.
        """
        async with self._in_turn(database) as tx:
            return await self._apply(tx, list(page))

    @asynccontextmanager
    async def _in_turn(self, database: Database) -> AsyncGenerator[Transaction]:
        """A transaction that has this consumer for itself.

        Replicas that share a durable get alternating pages: side by side, a younger one would look like a gap.
        """
        async with database.transaction(EVERYTHING) as tx:
            await tx.begin()
            await tx.sql("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_SPACE, self.name)
            yield tx

    async def _apply(self, tx: Transaction, page: list[Delivery], *, with_those_waiting: bool = True) -> int:
        aggregates = list({delivery.aggregate for delivery in page})
        before: dict[str, int] = {
            row["aggregate"]: row["version"] for row in await tx.sql(_SEEN, self.name, aggregates)
        }
        parked: set[tuple[str, int]] = set()
        waiting: dict[tuple[str, int], Delivery] = {}
        for *values, reason in await tx.sql(_PARKED, self.name, aggregates):
            delivery = Delivery(*values, reply="")
            parked.add(delivery.place)
            if reason == "gap" and with_those_waiting:
                waiting[delivery.place] = delivery
        seen = dict(before)
        to_apply, early, duplicates = _sorted_out(page, seen, waiting)
        with span("apply", *(traceparent_in(delivery.body) for delivery in to_apply)):
            for delivery in to_apply:
                await self._handle(tx, delivery)
            await tx.flush()
        moved = {aggregate: version for aggregate, version in seen.items() if before.get(aggregate) != version}
        if moved:
            await tx.sql(_SEE, self.name, list(moved), list(moved.values()))
        if parked:
            await tx.sql(_UNPARK, self.name, list(seen), list(seen.values()))
        await self._park(tx, [delivery for delivery in early if delivery.place not in parked], "gap")
        APPLIED.labels(self.name).inc(len(to_apply))
        DUPLICATES.labels(self.name).inc(duplicates)
        return len(to_apply)

    async def _handle(self, tx: Transaction, delivery: Delivery) -> None:
        if delivery.type == UNREADABLE:
            raise ValueError("not a message of the service whose stream it is in")
        _refuse_contradiction(delivery)
        if self._every is not None:
            await self._every(tx, delivery)
        known = self._handlers.get(delivery.type)
        if known is None:
            return
        shape, handler = known
        await handler(tx, shape.model_validate_json(delivery.body))

    async def _park(self, tx: Transaction, late: list[Delivery], reason: str, error: str | None = None) -> None:
        if late:
            rows = [(d.type, d.aggregate, d.version, d.message_id, d.body) for d in late]
            await tx.sql(_PARK, self.name, *map(list, zip(*rows, strict=True)), reason, error, clock.now())

    # --- for the operator -------------------------------------------------------------------------------------------

    async def redrive(self, database: Database, aggregate: str | None = None) -> tuple[int, int]:
        """Apply failed messages again, oldest first, and what waited behind them; returns (applied, failed again)."""
        async with database.transaction(EVERYTHING) as tx:
            failed = [Delivery(*record, reply="") for record in await tx.sql(_FAILED, self.name, aggregate)]
        applied = still_failing = 0
        for delivery in failed:
            took_effect, failed_again = await self._apply_alone(database, delivery)
            applied += took_effect
            still_failing += failed_again
        return applied, still_failing

    async def measure(self, database: Database, bus: Bus, durable: str | None = None) -> dict[str, Any]:
        """Lag per stream (None where the stream does not answer) and parked messages by reason."""
        rows = await database.pool.fetch(
            "SELECT reason, count(*) FROM parked WHERE consumer = $1 GROUP BY reason", self.name
        )
        parked: dict[str, int] = {"gap": 0, "failed": 0, **{row["reason"]: row["count"] for row in rows}}
        for reason, count in parked.items():
            PARKED.labels(self.name, reason).set(count)
        lag: dict[str, int | None] = {}
        for subscription in self.subscriptions(durable):
            try:
                info = await bus.jetstream.consumer_info(subscription.stream, subscription.durable, timeout=2)
                lag[subscription.stream] = (info.num_pending or 0) + (info.num_ack_pending or 0)
                LAG.labels(self.name, subscription.stream).set(lag[subscription.stream] or 0)
            except (nats.errors.Error, OSError):
                lag[subscription.stream] = None
        return {"lag": lag, "parked": parked}


def _sorted_out(
    page: list[Delivery], seen: dict[str, int], waiting: dict[tuple[str, int], Delivery]
) -> tuple[list[Delivery], list[Delivery], int]:
    """What of a page can be applied, with what has waited for it; what comes too early; and how many come again.

    `seen` moves along; `waiting` is used up.
    """
    to_apply: list[Delivery] = []
    duplicates = 0
    for delivery in page:
        aggregate, version = delivery.place
        following = seen.get(aggregate, 0) + 1
        if version < following:
            duplicates += 1
            continue
        waiting[delivery.place] = delivery
        while (aggregate, following) in waiting:
            to_apply.append(waiting.pop((aggregate, following)))
            seen[aggregate] = following
            following += 1
    return to_apply, list(waiting.values()), duplicates


def _refuse_contradiction(delivery: Delivery) -> None:
    """Whose a message is, NATS has checked by its subject and `pull` by its headers; its body must not say otherwise.

    Raises:
        ValueError: it does, or is no JSON object.
    """
    told = orjson.loads(delivery.body)
    service = delivery.type.partition(".")[0]
    said = [told[name] for name in ("source", "type", "subject", "aggregateversion")]
    if said != [f"/asar/{service}", delivery.type, delivery.aggregate, delivery.version]:
        raise ValueError("its body tells another story than its headers")


def _reason(error: Exception) -> str:
    """What an operator needs, without the values: they might be somebody's."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False))
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} {error.as_dict().get('constraint_name') or ''}".strip()
    if isinstance(error, (ValueError, LookupError)):
        # PostgreSQL stores no NUL, and nothing may keep a failed message from being parked.
        return f"{type(error).__name__}: {error}".replace("\0", "")
    return type(error).__name__
