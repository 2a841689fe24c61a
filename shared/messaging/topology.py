"""Streams and consumers as data. They are asserted all the time: JetStream can lose one and still look healthy."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RePublish,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from shared.messaging.subjects import OUTSIDE, stream_name, subjects_of

DUPLICATE_WINDOW_S = 600.0
_KEPT = ("subjects", "retention", "storage", "discard", "num_replicas", "deny_delete", "deny_purge", "allow_atomic")
_ADDED = ("allow_direct", "republish")
"""Settings that streams of earlier versions do not have."""


class TopologyDrift(RuntimeError):
    """A stream or consumer is not as declared, and cannot be changed into it without a decision of the operator."""


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
        # Whoever listened to what is published would hear refused batches as well, and what they held once more.
        republish=RePublish(src=f"asar.{service}.>", dest=f"{OUTSIDE}.asar.{service}.>"),
    )


@dataclass(frozen=True)
class Subscription:
    """A durable's name and what it hears of one stream: of aggregates all, or versions would have gaps."""

    durable: str
    service: str
    nouns: tuple[str, ...] = ()
    """Empty: all of the stream."""

    @property
    def stream(self) -> str:
        return stream_name(self.service)

    @property
    def subjects(self) -> list[str]:
        return subjects_of(self.service, self.nouns)

    def config(self, *, replicas: int) -> ConsumerConfig:
        only, *more = self.subjects
        return ConsumerConfig(
            # Named twice, it is asked for under a subject that holds its name and a lone filter: what a user may make.
            name=self.durable,
            durable_name=self.durable,
            deliver_policy=DeliverPolicy.ALL,
            # With ACK ALL a replica would acknowledge what another one is still working on.
            ack_policy=AckPolicy.EXPLICIT,
            # How long what a killed process held is waited for.
            ack_wait=10,
            max_ack_pending=20_000,
            filter_subject=None if more else only,
            filter_subjects=self.subjects if more else None,
            num_replicas=replicas,
        )


async def assert_stream(client: Client, service: str, *, replicas: int) -> StreamInfo:
    """Make the stream if it is missing; returns how it stands.

    Raises:
        TopologyDrift: it exists with other settings.
    """
    jetstream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    wanted = stream_of(service, replicas=replicas)
    try:
        info = await jetstream.stream_info(stream_name(service))
    except NotFoundError:
        return await jetstream.add_stream(wanted)  # pyright: ignore[reportUnknownMemberType]
    _refuse_drift(f"stream {wanted.name}", info.config, wanted, (*_KEPT, *_ADDED))
    return info


async def bring_up_to_date(client: Client, service: str) -> bool:
    """Give a stream of an earlier version what has come since; returns whether there was anything to do.

    Only the operator may: who may change a stream may have it repeat messages under the subjects of another.

    Raises:
        TopologyDrift: it differs in more than that.
    """
    jetstream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    try:
        found = (await jetstream.stream_info(stream_name(service))).config
    except NotFoundError:
        return False  # Its relay will make it.
    wanted = stream_of(service, replicas=found.num_replicas or 1)
    _refuse_drift(f"stream {wanted.name}", found, wanted, _KEPT)
    if not _differing(found, wanted, _ADDED):
        return False
    await jetstream.update_stream(wanted)  # pyright: ignore[reportUnknownMemberType]
    return True


async def assert_consumer(client: Client, subscription: Subscription, *, replicas: int) -> None:
    """Make the durable if it is missing, and bring it up to date if it is not.

    Raises:
        TopologyDrift: it exists and begins or acknowledges otherwise.
    """
    jetstream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    wanted = subscription.config(replicas=replicas)
    try:
        found = (await jetstream.consumer_info(subscription.stream, subscription.durable)).config
    except NotFoundError:
        await jetstream.add_consumer(subscription.stream, wanted)  # pyright: ignore[reportUnknownMemberType]
        return
    what = f"consumer {subscription.durable} of {subscription.stream}"
    _refuse_drift(what, found, wanted, ("deliver_policy", "ack_policy"))
    heard = set(found.filter_subjects or [found.filter_subject or ">"])
    if not heard.issuperset(subscription.subjects):
        # Told to hear more, a durable would do so from where it stands. What went by before must be heard as well;
        # what comes again meanwhile is recognised by its version.
        await jetstream.delete_consumer(subscription.stream, subscription.durable)
    elif heard == set(subscription.subjects) and not _differing(found, wanted, ("ack_wait", "max_ack_pending")):
        return
    await jetstream.add_consumer(subscription.stream, wanted)  # pyright: ignore[reportUnknownMemberType]


async def forget_consumers(client: Client, service: str) -> None:
    """Remove the durables of a stream that has lost messages: their place in it means nothing any more.

    Each listener notices at once, makes its durable anew and hears the whole stream again.
    """
    jetstream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
    for consumer in await jetstream.consumers_info(stream_name(service)):
        if consumer.config.durable_name:
            with contextlib.suppress(NotFoundError):
                await jetstream.delete_consumer(stream_name(service), consumer.config.durable_name)


def _differing(found: object, wanted: object, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(found, name) != getattr(wanted, name)]


def _refuse_drift(what: str, found: object, wanted: object, names: Iterable[str]) -> None:
    for name in _differing(found, wanted, names):
        raise TopologyDrift(f"{what}: {name} is {getattr(found, name)}, not {getattr(wanted, name)}")
