"""Applies messages to a service's database: in order per aggregate, each effect once, nothing lost.

A page of messages is one transaction. Per aggregate the next version is applied, an older one is a duplicate, a younger
one is parked until its predecessors have come. A message whose handler fails three times is parked too, and with it,
since its version was not applied, whatever follows in its aggregate: other aggregates go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import asyncpg
import nats.errors
from pydantic import ValidationError

from shared import clock
from shared.contracts.envelope import DomainEvent, Message
from shared.database import CONNECTION_LOST, TRY_AGAIN, Database, DatabaseUnavailable, Transaction
from shared.messaging.connection import Bus
from shared.messaging.pull import Delivery, Puller, PullBroken
from shared.messaging.topology import Subscription, TopologyDrift
from shared.telemetry import APPLIED, DUPLICATES, LAG, PARKED, log, span

TRIES = 3
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
    "INSERT INTO parked (consumer, aggregate, version, type, message_id, body, reason, error, parked_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    " ON CONFLICT (consumer, aggregate, version) DO UPDATE SET reason = excluded.reason, error = excluded.error"
)
_UNPARK = (
    "DELETE FROM parked WHERE consumer = $1 AND (aggregate, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))"
)
_FAILED = (
    "SELECT type, aggregate, version, message_id, body FROM parked"
    " WHERE consumer = $1 AND reason = 'failed' AND ($2::text IS NULL OR aggregate = $2) ORDER BY parked_at, version"
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

    async def run(self, database: Database, bus: Bus, *, replicas: int = 1, durable: str | None = None) -> None:
        """Listen until cancelled, to each stream in a task of its own."""
        await bus.open()
        async with asyncio.TaskGroup() as group:
            for subscription in self.subscriptions(durable):
                group.create_task(self._follow(subscription, database, bus, replicas))

    async def _follow(self, subscription: Subscription, database: Database, bus: Bus, replicas: int) -> None:
        pause_s = 0.1
        while True:
            try:
                async with Puller(bus.client, subscription, replicas=replicas) as puller:
                    while True:
                        page = await puller.page()
                        await self._apply_for_sure(database, page)
                        await puller.acknowledge(page)
                        pause_s = 0.1
            except TopologyDrift:
                raise
            except (PullBroken, nats.errors.Error, *CONNECTION_LOST, DatabaseUnavailable) as error:
                log.warning(
                    "consumer begins again", stream=subscription.stream, error=str(error) or type(error).__name__
                )
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)

    async def _apply_for_sure(self, database: Database, page: list[Delivery]) -> None:
        """Apply a page; if a message of it fails, apply them one by one and park the one at fault."""
        try:
            await self.apply(database, page)
        except (*CONNECTION_LOST, DatabaseUnavailable):
            raise
        except Exception as error:  # the edge of the loop: any handler's mistake ends here
            log.warning("page failed, applying one by one", error=type(error).__name__, messages=len(page))
            for delivery in page:
                await self._apply_or_park(database, delivery)

    async def _apply_or_park(self, database: Database, delivery: Delivery) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                await self.apply(database, [delivery])
            except (*CONNECTION_LOST, DatabaseUnavailable):
                raise
            except Exception as error:  # as above
                log.error(
                    "message failed", type=delivery.type, id=delivery.message_id, attempt=attempt, error=_reason(error)
                )
                if attempt == TRIES:
                    async with database.transaction() as tx:
                        await self._park(tx, delivery, "failed", _reason(error))
                elif not isinstance(error, ValidationError):
                    await asyncio.sleep(0.05 * attempt)
            else:
                return

    async def apply(self, database: Database, page: Iterable[Delivery]) -> int:
        """Apply what is next in each aggregate, in one transaction; returns how many messages took effect.

        Safe to call with anything, in any order, any number of times, from any number of processes.
        """
        page = list(page)
        async with database.transaction() as tx:
            await tx.begin()
            # Replicas that share a durable get alternating pages: in turn, or a younger one may look like a gap.
            await tx.sql("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_SPACE, self.name)
            return await self._apply(tx, page)

    async def _apply(self, tx: Transaction, page: list[Delivery]) -> int:
        aggregates = list({delivery.aggregate for delivery in page})
        seen: dict[str, int] = {a: v for a, v in await tx.sql(_SEEN, self.name, aggregates)}
        parked: set[tuple[str, int]] = set()
        ahead: dict[str, dict[int, Delivery]] = {}
        for *waiting, reason in await tx.sql(_PARKED, self.name, aggregates):
            delivery = Delivery(*waiting, reply="")
            parked.add((delivery.aggregate, delivery.version))
            if reason == "gap":
                ahead.setdefault(delivery.aggregate, {})[delivery.version] = delivery
        before = dict(seen)
        to_apply: list[Delivery] = []
        duplicates = 0
        for delivery in page:
            version = seen.get(delivery.aggregate, 0)
            if delivery.version <= version:
                duplicates += 1
            elif delivery.version > version + 1:
                ahead.setdefault(delivery.aggregate, {})[delivery.version] = delivery
            else:
                queue = ahead.get(delivery.aggregate, {})
                following: Delivery | None = delivery
                while following is not None:
                    to_apply.append(following)
                    seen[delivery.aggregate] = following.version
                    following = queue.pop(following.version + 1, None)
        with span("apply"):
            for delivery in to_apply:
                await self._handle(tx, delivery)
        await tx.flush()
        moved = [a for a, v in seen.items() if before.get(a) != v]
        if moved:
            await tx.sql(_SEE, self.name, moved, [seen[a] for a in moved])
        done = [(d.aggregate, d.version) for d in to_apply if (d.aggregate, d.version) in parked]
        if done:
            await tx.sql(_UNPARK, self.name, [a for a, _ in done], [v for _, v in done])
        for queue in ahead.values():
            for delivery in queue.values():
                if (delivery.aggregate, delivery.version) not in parked:
                    await self._park(tx, delivery, "gap", None)
        APPLIED.labels(self.name).inc(len(to_apply))
        DUPLICATES.labels(self.name).inc(duplicates)
        return len(to_apply)

    async def _handle(self, tx: Transaction, delivery: Delivery) -> None:
        if delivery.type == "unreadable":
            raise ValueError("not a message of ours: its headers are missing")
        if self._every is not None:
            await self._every(tx, delivery)
        known = self._handlers.get(delivery.type)
        if known is None:
            return
        shape, handler = known
        await handler(tx, shape.model_validate_json(delivery.body))

    async def _park(self, tx: Transaction, delivery: Delivery, reason: str, error: str | None) -> None:
        await tx.begin()
        await tx.sql(
            _PARK, self.name, delivery.aggregate, delivery.version, delivery.type, delivery.message_id, delivery.body,
            reason, error, clock.now(),
        )  # fmt: skip

    async def redrive(self, database: Database, aggregate: str | None = None) -> tuple[int, int]:
        """Apply failed messages again, oldest first, and what waited behind them; returns (applied, failed again)."""
        async with database.transaction() as tx:
            failed = [Delivery(*record, reply="") for record in await tx.sql(_FAILED, self.name, aggregate)]
        applied = still_failing = 0
        for delivery in failed:
            try:
                async with database.transaction() as tx:
                    await tx.begin()
                    await tx.sql("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_SPACE, self.name)
                    await tx.sql(_UNPARK, self.name, [delivery.aggregate], [delivery.version])
                    applied += await self._apply(tx, [delivery])
            except (*CONNECTION_LOST, DatabaseUnavailable, *TRY_AGAIN):
                raise
            except Exception as error:  # it stays parked, with its newest reason
                log.warning("redrive failed", type=delivery.type, id=delivery.message_id, error=_reason(error))
                still_failing += 1
        return applied, still_failing

    async def measure(self, database: Database, bus: Bus, durable: str | None = None) -> dict[str, Any]:
        """Lag per stream (None where the stream does not answer) and parked messages by reason."""
        rows = await database.pool.fetch(
            "SELECT reason, count(*) FROM parked WHERE consumer = $1 GROUP BY reason", self.name
        )
        parked: dict[str, int] = {"gap": 0, "failed": 0} | {r: n for r, n in rows}
        for reason, count in parked.items():
            PARKED.labels(self.name, reason).set(count)
        lag: dict[str, int | None] = {}
        for subscription in self.subscriptions(durable):
            try:
                info = await bus.client.jetstream().consumer_info(subscription.stream, subscription.durable, timeout=2)
                lag[subscription.stream] = (info.num_pending or 0) + (info.num_ack_pending or 0)
                LAG.labels(self.name, subscription.stream).set(lag[subscription.stream] or 0)
            except (nats.errors.Error, OSError, TimeoutError):
                lag[subscription.stream] = None
        return {"lag": lag, "parked": parked}


def _reason(error: Exception) -> str:
    """What an operator needs, without the values: they might be somebody's."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False))
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} {error.as_dict().get('constraint_name') or ''}".strip()
    return f"{type(error).__name__}: {error}" if isinstance(error, (ValueError, LookupError)) else type(error).__name__
