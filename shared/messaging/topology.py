"""Streams and consumers as data. They are asserted all the time: JetStream can lose one and still look healthy."""

from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

PUBLISHERS = ("volunteers", "events", "charity")
DUPLICATE_WINDOW_S = 600.0


class TopologyDrift(RuntimeError):
    """A stream or consumer is not as declared, and cannot be changed into it without a decision of the operator."""


def stream_name(service: str) -> str:
    return f"ASAR_{service.upper()}"


def stream_of(service: str, *, replicas: int) -> StreamConfig:
    """The stream of a publishing service. It keeps everything and refuses deletion, so that it can be replayed."""
    return StreamConfig(
        name=stream_name(service),
        subjects=[f"asar.{service}.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        # A full disk must refuse, not forget the oldest.
        discard=DiscardPolicy.NEW,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_S,
        deny_delete=True,
        deny_purge=True,
        allow_atomic=True,
        allow_direct=True,
    )


@dataclass(frozen=True)
class Subscription:
    """A durable's name and what it hears of one stream. Filter by aggregate, never by type: versions must be gapless."""

    durable: str
    service: str
    nouns: tuple[str, ...] = ()
    """Empty: all of the stream."""

    @property
    def stream(self) -> str:
        return stream_name(self.service)

    def config(self, *, replicas: int) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=self.durable,
            deliver_policy=DeliverPolicy.ALL,
            # With ACK ALL a replica would acknowledge what another one is still working on.
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30,
            max_ack_pending=20_000,
            filter_subjects=[f"asar.{self.service}.{noun}.>" for noun in self.nouns] or [f"asar.{self.service}.>"],
            num_replicas=replicas,
        )


async def assert_stream(client: Client, service: str, *, replicas: int) -> StreamInfo:
    """Make the stream if it is missing; returns how it stands.

    Raises:
        TopologyDrift: it exists with other settings.
    """
    jetstream = client.jetstream()
    wanted = stream_of(service, replicas=replicas)
    try:
        info = await jetstream.stream_info(stream_name(service))
    except NotFoundError:
        return await jetstream.add_stream(wanted)
    found = info.config
    for name in ("subjects", "retention", "storage", "discard", "num_replicas", "deny_delete", "deny_purge"):
        if getattr(found, name) != getattr(wanted, name):
            raise TopologyDrift(f"stream {wanted.name}: {name} is {getattr(found, name)}, not {getattr(wanted, name)}")
    if not found.allow_atomic:
        raise TopologyDrift(f"stream {wanted.name}: atomic batches are not allowed")
    return info


async def assert_consumer(client: Client, subscription: Subscription, *, replicas: int) -> None:
    """Make the durable if it is missing, or bring its filter up to date."""
    jetstream = client.jetstream()
    wanted = subscription.config(replicas=replicas)
    try:
        found = (await jetstream.consumer_info(subscription.stream, subscription.durable)).config
    except NotFoundError:
        await jetstream.add_consumer(subscription.stream, wanted)
        return
    filters = found.filter_subjects or ([found.filter_subject] if found.filter_subject else [])
    if sorted(filters) != sorted(wanted.filter_subjects or []):
        await jetstream.add_consumer(subscription.stream, wanted)
