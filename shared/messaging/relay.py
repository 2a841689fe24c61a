"""Moves committed outbox rows into the stream: at least once, in order within an aggregate."""

import asyncio
import contextlib
import math
import secrets

import asyncpg
import nats.errors
import orjson
from nats.aio.msg import Msg
from nats.js.errors import APIError

from shared import failpoints
from shared.access.principal import EVERYTHING
from shared.contracts.envelope import LANES
from shared.database import CONNECTION_LOST, TRY_AGAIN, Database, DatabaseUnavailable
from shared.messaging import audit, totals
from shared.messaging.connection import Bus
from shared.messaging.subjects import hint_subject, stream_name
from shared.messaging.topology import assert_stream
from shared.metrics import ANNOUNCED, AUDITED_AT, PUBLISHED, UNSENT, UNSENT_AGE
from shared.telemetry import log, span, traceparent_in

BATCH_ROWS_MAX = 1000
"""As many as NATS takes as one batch (ADR-50)."""
POLL_S = 0.1
"""The floor under wake-ups, which may be lost."""
PAUSE_S, PAUSE_MAX_S = 0.1, 2.0
ASSERT_EVERY_S = 5.0
AUDIT_EVERY_S = 3600.0
_PUBLISH_TIMEOUT_S = 5.0
LOCK_SPACE = 0x0A5A
_ATOMIC_REFUSED = 10201  # "batch publish contains duplicate message id": some of it is in the stream already

# A lane belongs to one relay at a time, so no younger row of an aggregate overtakes an older one, as it would with
# SKIP LOCKED. The lock goes with the transaction, even if this process dies.
LOCK_LANES = "SELECT lane FROM generate_series(0, $2 - 1) AS lane WHERE pg_try_advisory_xact_lock($1, lane)"
# A statement of its own: it must see what the lanes' last holder has marked.
TAKE = (
    "SELECT position, message_id, type, aggregate, version, subject, body FROM outbox"
    " WHERE published_at IS NULL AND lane = ANY($1::smallint[]) ORDER BY position LIMIT $2"
)
MARK = "UPDATE outbox SET published_at = now() WHERE position = ANY($1::bigint[])"
WAITING = "SELECT count(*), extract(epoch FROM now() - min(recorded_at)) FROM outbox WHERE published_at IS NULL"


class Relay:
    """Publishes what one service announces."""

    def __init__(self, service: str, database: Database, bus: Bus, *, replicas: int = 1) -> None:
        self._service = service
        self._database = database
        self._bus = bus
        self._replicas = replicas
        self._wake = asyncio.Event()
        self._audit_due = True
        self._asserted_at = self._audited_at = -math.inf
        self._last_sequence = 0
        bus.on_reconnect.append(self.demand_audit)

    def wake(self) -> None:
        self._wake.set()

    def demand_audit(self) -> None:
        """Compare stream and outbox soon: after a reconnect the stream may have rolled back, or be gone."""
        self._asserted_at = -math.inf
        self._audit_due = True
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled. Whatever fails is tried again: the rows wait.

        Raises:
            TopologyDrift: the stream is not as declared.
        """
        await self._bus.open()
        hint = await self._bus.client.subscribe(  # pyright: ignore[reportUnknownMemberType]
            hint_subject(self._service), cb=self._hear
        )
        pause_s = PAUSE_S
        try:
            while True:
                try:
                    await self._bus.open()
                    sent = await self._turn() if self._bus.connected else 0
                    pause_s = PAUSE_S
                except (nats.errors.Error, *CONNECTION_LOST, DatabaseUnavailable, *TRY_AGAIN) as error:
                    log.warning("relay waits", error=type(error).__name__)
                    self._asserted_at = -math.inf
                    # Deaf to what is announced meanwhile, or a busy service would have it fail at each request.
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, PAUSE_MAX_S)
                else:
                    if sent < BATCH_ROWS_MAX:
                        await self._rest()
        finally:
            with contextlib.suppress(nats.errors.Error):
                await hint.unsubscribe()

    async def _turn(self) -> int:
        if asyncio.get_running_loop().time() - self._asserted_at > ASSERT_EVERY_S:
            await self._assert_stream()
            self._asserted_at = asyncio.get_running_loop().time()
        if self._audit_due or asyncio.get_running_loop().time() - self._audited_at > AUDIT_EVERY_S:
            await self._audit()
            self._audited_at = asyncio.get_running_loop().time()
        return await self.relay_batch()

    async def relay_batch(self) -> int:
        """Publish the oldest unsent rows of the free lanes; returns how many (0 when there is nothing to do)."""
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.begin()
            lanes = [row["lane"] for row in await tx.sql(LOCK_LANES, LOCK_SPACE, LANES)]
            rows = await tx.sql(TAKE, lanes, BATCH_ROWS_MAX)
            if not rows:
                return 0
            failpoints.reach("relay.before_publish")
            with span("publish", *(traceparent_in(row["body"]) for row in rows)):
                await self._publish(rows)
            failpoints.reach("relay.after_publish_before_mark")
            # A crash before this commit sends the rows again; the message id lets the stream drop them.
            await tx.sql(MARK, [row["position"] for row in rows])
        PUBLISHED.inc(len(rows))
        return len(rows)

    async def measure(self) -> tuple[int, float]:
        """Unsent rows, and the age of the oldest in seconds."""
        [[count, age]] = await self._database.pool.fetch(WAITING)
        UNSENT.set(count)
        UNSENT_AGE.set(float(age or 0))
        return count, float(age or 0)

    async def tell(self) -> None:
        """Have Prometheus know how much was ever announced."""
        for noun, messages in (await totals.announced(self._database)).items():
            ANNOUNCED.labels(noun).set(messages)

    async def _publish(self, rows: list[asyncpg.Record]) -> None:
        if len(rows) > 1:
            try:
                await self._publish_atomically(rows)
            except APIError as error:
                if error.err_code != _ATOMIC_REFUSED:
                    log.info("batch refused, publishing one by one", code=error.err_code)
            else:
                return
        for row in rows:
            ack = await self._bus.jetstream.publish(
                row["subject"], row["body"].encode(), timeout=_PUBLISH_TIMEOUT_S, headers=_headers(row)
            )
            self._last_sequence = max(self._last_sequence, ack.seq)

    async def _publish_atomically(self, rows: list[asyncpg.Record]) -> None:
        """One batch, stored whole or not at all (JetStream ADR-50)."""
        client = self._bus.client
        batch_id = secrets.token_hex(16)
        for number, row in enumerate(rows[:-1], 1):
            headers = _headers(row) | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            await client.publish(row["subject"], row["body"].encode(), headers=headers)
            failpoints.reach("relay.amid_batch")
        last = rows[-1]
        headers = _headers(last) | {
            "Nats-Batch-Id": batch_id,
            "Nats-Batch-Sequence": str(len(rows)),
            "Nats-Batch-Commit": "1",
        }
        reply = await client.request(
            last["subject"], last["body"].encode(), timeout=_PUBLISH_TIMEOUT_S, headers=headers
        )
        answer = orjson.loads(reply.data)
        if "error" in answer:
            raise APIError.from_error(answer["error"])
        self._last_sequence = max(self._last_sequence, answer["seq"])

    async def _assert_stream(self) -> None:
        info = await assert_stream(self._bus.client, self._service, replicas=self._replicas)
        if info.state.last_seq < self._last_sequence:
            log.error("the stream has lost its tail", stream=stream_name(self._service))
            self._audit_due = True
        self._last_sequence = info.state.last_seq
        await self.measure()

    async def _audit(self) -> None:
        # Taken back first: one that is demanded meanwhile is another one.
        self._audit_due = False
        try:
            await audit.republish_missing(self._service, self._database, self._bus.client)
        except BaseException:
            self._audit_due = True
            raise
        AUDITED_AT.set_to_current_time()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        self._wake.clear()

    async def _hear(self, _: Msg) -> None:
        self._wake.set()


def _headers(row: asyncpg.Record) -> dict[str, str]:
    return {
        "Nats-Msg-Id": str(row["message_id"]),
        "Asar-Type": row["type"],
        "Asar-Aggregate": row["aggregate"],
        "Asar-Version": str(row["version"]),
    }
