"""Brings the streams of an earlier version up to date, as the operator: no service may change its stream."""

from shared.messaging import topology
from shared.messaging.connection import connect
from shared.messaging.subjects import PUBLISHERS, stream_name


async def bring_up_to_date(nats_url: str) -> list[str]:
    """Give each stream what it lacks, and leave missing ones to the relays; returns the names of those it has changed.

    Raises:
        TopologyDrift: one is otherwise than any version would have made it.
        NoServersError: NATS does not answer.
    """
    client = await connect(nats_url, max_reconnect_attempts=2, connect_timeout=3)
    try:
        return [stream_name(service) for service in PUBLISHERS if await topology.bring_up_to_date(client, service)]
    finally:
        await client.close()


async def forget(nats_url: str, service: str) -> None:
    """Delete the stream of a service with all durables on it; its relay makes it anew and fills it from its outbox.

    Raises:
        NotFoundError: there is none.
        NoServersError: NATS does not answer.
    """
    client = await connect(nats_url, max_reconnect_attempts=2, connect_timeout=3)
    try:
        await client.jetstream().delete_stream(stream_name(service))  # pyright: ignore[reportUnknownMemberType]
    finally:
        await client.close()
