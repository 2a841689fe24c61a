"""Compares the stream with the outbox, which is the truth, and has the relay send again what the stream has lost."""

import asyncio
from collections.abc import AsyncIterator

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from shared.database import Database
from shared.messaging.topology import forget_consumers, stream_name
from shared.telemetry import REPUBLISHED, log

_PUBLISHED = "SELECT position, message_id FROM outbox WHERE published_at IS NOT NULL"
_SEND_AGAIN = "UPDATE outbox SET published_at = NULL WHERE position = ANY($1::bigint[])"
_PAGE = 5000
_EXPIRES_S = 5.0


async def stored_ids(client: Client, service: str) -> AsyncIterator[str]:
    """The message ids that the stream holds, read by their headers alone.

    Raises:
        TimeoutError: the stream does not tell them in time.
    """
    jetstream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    stream = stream_name(service)
    left = (await jetstream.stream_info(stream)).state.messages
    if not left:
        return
    consumer = await jetstream.add_consumer(  # pyright: ignore[reportUnknownMemberType]
        stream,
        ConsumerConfig(
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.ALL,
            headers_only=True,
            inactive_threshold=30,
            mem_storage=True,
            num_replicas=1,
        ),
    )
    inbox = client.new_inbox()
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    listening = await client.subscribe(  # pyright: ignore[reportUnknownMemberType]
        inbox, cb=arrived.put, pending_msgs_limit=0
    )
    try:
        while left > 0:
            asked = min(left, _PAGE)
            await client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer.name}",
                orjson.dumps({"batch": asked, "expires": int(_EXPIRES_S * 1e9)}),
                reply=inbox,
            )
            for _ in range(asked):
                message = await asyncio.wait_for(arrived.get(), timeout=_EXPIRES_S + 1)
                headers = message.headers or {}
                if not message.reply.startswith("$JS.ACK."):
                    raise TimeoutError(f"the stream answered {headers.get('Status')}")
                yield headers.get("Nats-Msg-Id", "")
            left -= asked
    finally:
        await listening.unsubscribe()


async def missing(service: str, database: Database, client: Client) -> list[int]:
    """Positions of outbox rows that were published and are not in the stream."""
    # The outbox is read first: what is published while the stream is being read must not look lost.
    published = {str(message_id): position for position, message_id in await database.pool.fetch(_PUBLISHED)}
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
        await database.pool.execute(_SEND_AGAIN, lost)
        REPUBLISHED.inc(len(lost))
    return len(lost)
