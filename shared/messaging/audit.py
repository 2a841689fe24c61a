"""Compares the stream with the outbox, which is the truth, and has the relay send again what the stream has lost.

A stream can also hold what the outbox does not know: after its database was put back as it was before. That is told
only, since what it means is for people to decide.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple
from uuid import UUID

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared import failpoints
from shared.database import Database
from shared.messaging.subjects import stream_name
from shared.messaging.topology import forget_consumers
from shared.metrics import REPUBLISHED
from shared.telemetry import log

PUBLISHED = "SELECT position, message_id FROM outbox WHERE published_at IS NOT NULL"
SEND_AGAIN = "UPDATE outbox SET published_at = NULL WHERE position = ANY($1::bigint[])"
_KNOWN = "SELECT message_id::text FROM outbox WHERE message_id = ANY($1::uuid[])"
_PAGE = 1000
_WAIT_S = 6.0

_HEADERS = ("Nats-Msg-Id", "Asar-Type", "Asar-Aggregate", "Asar-Version", "Nats-Time-Stamp")

Progress = Callable[[int], None]
"""Told how many messages of the stream have been looked at so far."""


class Stored(NamedTuple):
    """What a message in the stream says that it is."""

    message_id: str
    type: str
    aggregate: str
    version: str
    at: str
    """When the stream got it."""


async def stored_ids(client: Client, service: str) -> AsyncIterator[str]:
    """The message ids that the stream holds.

    Raises:
        TimeoutError: the stream does not tell them in time.
    """
    async for message in stored(client, service):
        yield message.message_id


async def stored(client: Client, service: str) -> AsyncIterator[Stored]:
    """What the stream holds, read without a consumer: who may read a stream need not be let make any.

    Raises:
        TimeoutError: the stream does not tell them in time.
    """
    stream = stream_name(service)
    state = (await client.jetstream().stream_info(stream)).state  # pyright: ignore[reportUnknownMemberType]
    last = state.last_seq if state.messages else 0
    inbox = client.new_inbox()
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    listening = await client.subscribe(  # pyright: ignore[reportUnknownMemberType]
        inbox, cb=arrived.put, pending_msgs_limit=0
    )
    sequence = 0
    try:
        while sequence < last:
            asked = {"seq": sequence + 1, "batch": _PAGE, "next_by_subj": ">"}
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", orjson.dumps(asked), reply=inbox)
            before = sequence
            while True:
                async with asyncio.timeout(_WAIT_S):
                    headers = (await arrived.get()).headers or {}
                if "Nats-Sequence" not in headers:
                    break
                sequence = int(headers["Nats-Sequence"])
                yield Stored(*(headers.get(name, "") for name in _HEADERS))
            if sequence == before:
                # A copy of the stream that is behind may have been asked. What it lacks is not lost.
                raise TimeoutError(f"the stream answered {headers.get('Status')}")
    finally:
        await listening.unsubscribe()


async def missing(service: str, database: Database, client: Client) -> list[int]:
    """Positions of outbox rows that were published and are not in the stream."""
    # The outbox is read first: what is published while the stream is being read must not look lost.
    published = {str(message_id): position for position, message_id in await database.pool.fetch(PUBLISHED)}
    if not published:
        return []
    async for message_id in stored_ids(client, service):
        published.pop(message_id, None)
    return sorted(published.values())


async def republish_missing(service: str, database: Database, client: Client) -> int:
    """Mark what the stream has lost as unsent; returns how many rows."""
    lost = await missing(service, database, client)
    if lost:
        log.error("the stream has lost messages; sending them again", stream=stream_name(service), messages=len(lost))
        # First, so that no durable believes that it has passed what comes now under numbers that were used before.
        await forget_consumers(client, service)
        failpoints.reach("audit.before_sending_again")
        await database.pool.execute(SEND_AGAIN, lost)
        REPUBLISHED.inc(len(lost))
    return len(lost)


async def unknown(
    service: str, database: Database, client: Client, progress: Progress = lambda _: None
) -> list[Stored]:
    """Messages of the stream that the outbox does not know, in the stream's order.

    What the service announces next may bear the same aggregate and version as one of these; whoever has applied that
    one would pass over it.
    """
    found: list[Stored] = []
    page: list[Stored] = []
    looked_at = 0

    async def look() -> None:
        # Whatever is in the stream was committed before it came there.
        ids = [message.message_id for message in page if _is_uuid(message.message_id)]
        rows = await database.pool.fetch(_KNOWN, ids)
        known = {row["message_id"] for row in rows}
        found.extend(message for message in page if message.message_id not in known)
        page.clear()
        progress(looked_at)

    async for message in stored(client, service):
        page.append(message)
        looked_at += 1
        if len(page) == _PAGE:
            await look()
    if page:
        await look()
    return found


async def newest_versions(client: Client, service: str) -> dict[str, int]:
    """The newest version of each aggregate that the stream holds."""
    newest: dict[str, int] = {}
    async for message in stored(client, service):
        if message.version.isdigit():
            newest[message.aggregate] = max(newest.get(message.aggregate, 0), int(message.version))
    return newest


def _is_uuid(text: str) -> bool:
    """What others have put into the stream may be called anything."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
