"""The services' streams in a real NATS, filled as their relays would fill them."""

from collections.abc import Iterable

from nats.aio.client import Client

from shared.messaging.pull import Delivery
from shared.messaging.subjects import PUBLISHERS, stream_name
from shared.messaging.topology import assert_stream


class Streams:
    """All three streams of one NATS."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def make(self) -> None:
        for service in PUBLISHERS:
            await assert_stream(self.client, service, replicas=1)

    async def publish(self, messages: Iterable[Delivery]) -> None:
        jetstream = self.client.jetstream()
        for message in messages:
            service, noun, fact, _ = message.type.split(".")
            await jetstream.publish(
                f"asar.{service}.{noun}.{fact}.-.-",
                message.body.encode(),
                headers={
                    "Nats-Msg-Id": message.message_id,
                    "Asar-Type": message.type,
                    "Asar-Aggregate": message.aggregate,
                    "Asar-Version": str(message.version),
                },
                timeout=5,
            )

    async def lose(self, service: str) -> None:
        """Delete a stream and make it anew, empty."""
        await self.client.jetstream().delete_stream(stream_name(service))
        await assert_stream(self.client, service, replicas=1)

    async def durables(self) -> set[str]:
        return {
            consumer.name
            for service in PUBLISHERS
            for consumer in await self.client.jetstream().consumers_info(stream_name(service))
        }
