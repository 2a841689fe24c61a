"""Applies messages to a service's database: in order per aggregate, each effect once, nothing lost.

A page of messages is one transaction. Per aggregate the next version is applied, an older one is a duplicate, a younger
one is parked until its predecessors have come. A message whose handler fails three times is parked too, and with it,
since its version was not applied, whatever follows in its aggregate: other aggregates go on.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import nats.errors
from nats.js.errors import NotFoundError
from pydantic import ValidationError

from shared import clock, failpoints
from shared.access.principal import EVERYTHING
from shared.contracts.envelope import DomainEvent, Message
from shared.database import TRY_AGAIN, Database, DatabaseUnavailable, Transaction
from shared.messaging import inbox, order, totals
from shared.messaging.connection import Bus
from shared.messaging.pull import UNREADABLE, Delivery, PullBroken, Puller
from shared.messaging.topology import Subscription
from shared.metrics import APPLIED, DELAY, DUPLICATES, FAILURES, LAG, PAGE_MESSAGES, PAGE_SECONDS, PARKED, TAKEN_IN
from shared.telemetry import log, recorded_at_in, span, traceparent_in

TRIES, RETRY_PAUSE_S = 3, 0.05
PAUSE_S, PAUSE_MAX_S = 0.1, 2.0

Data = TypeVar("Data", bound=DomainEvent)
Handler = Callable[[Transaction, Message[Any]], Awaitable[None]]
EveryHandler = Callable[[Transaction, Message[Any], str], Awaitable[None]]
_PASSED_OVER: tuple[type[Message[Any]], Handler | None] = (Message[Any], None)


class Consumer:
    """What one service (or one purpose of it) listens to, and what it does with each type."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handlers: dict[str, tuple[type[Message[Any]], Handler]] = {}
        self._every: EveryHandler | None = None
        self._nouns: dict[str, set[str]] = {}
        for counter in (APPLIED, DUPLICATES, FAILURES):
            # Counters that begin with their first event show no increase.
            counter.labels(name)

    def on(self, contract: type[Data], handler: Callable[[Transaction, Message[Data]], Awaitable[None]]) -> None:
        """Apply `handler` to each message of this type. Other types of the same noun are passed over in order."""
        self._handlers[contract.type] = (Message[contract], handler)
        if self._every is None:
            self._nouns.setdefault(contract.service(), set()).add(contract.noun())

    def on_every(self, services: Iterable[str], handler: EveryHandler) -> None:
        """Hear all that these services announce, and give each message and its text to `handler` before its own one."""
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
                        await self._take_in(database, puller)
                        pause_s = PAUSE_S
            except (PullBroken, nats.errors.Error, OSError) as error:
                log.warning(
                    "consumer begins again", stream=subscription.stream, error=str(error) or type(error).__name__
                )
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _take_in(self, database: Database, puller: Puller) -> None:
        """Apply a page, and only then let the stream forget it."""
        page = await puller.page()
        with PAGE_SECONDS.labels(self.name).time():
            await self._apply_for_sure(database, page)
        self._tell_of(page)
        failpoints.reach("consumer.after_commit_before_ack")
        await puller.acknowledge(page)

    def _tell_of(self, page: list[Delivery]) -> None:
        PAGE_MESSAGES.labels(self.name).observe(len(page))
        recorded_at = recorded_at_in(page[0].body)
        if recorded_at is not None:
            DELAY.labels(self.name).observe((clock.now() - recorded_at).total_seconds())

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
                following = await inbox.next_waiting(tx, self.name, delivery.aggregate)
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
        failpoints.reach("consumer.before_parking")
        async with self._in_turn(database) as tx:
            await inbox.park(tx, self.name, [delivery], "failed", reason)
        FAILURES.labels(self.name).inc()
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
            await inbox.take_turns(tx, self.name)
            yield tx

    async def _apply(self, tx: Transaction, page: list[Delivery], *, with_those_waiting: bool = True) -> int:
        aggregates = list({delivery.aggregate for delivery in page})
        seen = await inbox.seen(tx, self.name, aggregates)
        parked = await inbox.parked(tx, self.name, aggregates)
        waiting = [delivery for delivery, reason in parked.values() if reason == "gap" and with_those_waiting]
        turn = order.turn(page, seen, waiting)
        with span("apply", *(traceparent_in(delivery.body) for delivery in turn.to_apply)):
            for delivery in turn.to_apply:
                await self._handle(tx, delivery)
            await tx.flush()
        await inbox.see(tx, self.name, turn.moved)
        if parked:
            await inbox.unpark(tx, self.name, seen | turn.moved)
        await inbox.park(
            tx, self.name, [delivery for delivery in turn.too_early if delivery.place not in parked], "gap"
        )
        failpoints.reach("consumer.after_effect_before_commit")
        APPLIED.labels(self.name).inc(len(turn.to_apply))
        DUPLICATES.labels(self.name).inc(turn.duplicates)
        return len(turn.to_apply)

    async def _handle(self, tx: Transaction, delivery: Delivery) -> None:
        if delivery.type == UNREADABLE:
            raise ValueError("not a message of the service whose stream it is in")
        shape, handler = self._handlers.get(delivery.type, _PASSED_OVER)
        message = shape.model_validate_json(delivery.body)
        _require_agreement(message, delivery)
        if self._every is not None:
            await self._every(tx, message, delivery.body)
        if handler is not None:
            await handler(tx, message)

    # --- for the operator -------------------------------------------------------------------------------------------

    async def redrive(self, database: Database, aggregate: str | None = None) -> tuple[int, int]:
        """Apply failed messages again, oldest first, and what waited behind them; returns (applied, failed again)."""
        async with database.transaction(EVERYTHING) as tx:
            failed = await inbox.failed(tx, self.name, aggregate)
        applied = still_failing = 0
        for delivery in failed:
            took_effect, failed_again = await self._apply_alone(database, delivery)
            applied += took_effect
            still_failing += failed_again
        return applied, still_failing

    async def hear_again(self, bus: Bus, durable: str | None = None) -> None:
        """Have the streams deliver everything from their beginning: what was applied is recognised by its version.

        A stream that has lost its tail counts on, and passes over what it stores next. Nothing but this gets that out.
        """
        for subscription in self.subscriptions(durable):
            with contextlib.suppress(NotFoundError):
                # Its puller notices at once, and makes it anew.
                await bus.jetstream.delete_consumer(subscription.stream, subscription.durable)

    async def measure(self, database: Database, bus: Bus, durable: str | None = None) -> dict[str, Any]:
        """Lag per stream (None where the stream does not answer) and parked messages by reason."""
        rows = await database.pool.fetch(
            "SELECT reason, count(*) FROM parked WHERE consumer = $1 GROUP BY reason", self.name
        )
        parked: dict[str, int] = {"gap": 0, "failed": 0, **{row["reason"]: row["count"] for row in rows}}
        lag: dict[str, int | None] = {}
        for subscription in self.subscriptions(durable):
            lag[subscription.stream] = None
            if not bus.connected:
                continue
            with contextlib.suppress(nats.errors.Error, OSError):
                info = await bus.jetstream.consumer_info(subscription.stream, subscription.durable, timeout=2)
                lag[subscription.stream] = (info.num_pending or 0) + (info.num_ack_pending or 0)
        return {"lag": lag, "parked": parked}

    async def tell(self, database: Database, measured: dict[str, Any]) -> None:
        """Have Prometheus know what was measured of the tables in use; of others nobody outside need hear."""
        # What nothing was applied of yet is heard as well.
        heard = {type_.rsplit(".", 2)[0]: 0 for type_ in self._handlers}
        for noun, messages in (heard | await totals.applied(database, self.name)).items():
            TAKEN_IN.labels(self.name, noun).set(messages)
        for reason, count in measured["parked"].items():
            PARKED.labels(self.name, reason).set(count)
        for stream, waiting in measured["lag"].items():
            LAG.labels(self.name, stream).set(math.nan if waiting is None else waiting)


def _require_agreement(message: Message[Any], delivery: Delivery) -> None:
    """Whose a message is, NATS has checked by its subject and `pull` by its headers; its body must not say otherwise.

    Raises:
        ValueError: it does.
    """
    service = delivery.type.partition(".")[0]
    said = message.source, message.type, message.subject, message.aggregateversion
    if said != (f"/asar/{service}", delivery.type, *delivery.place):
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
