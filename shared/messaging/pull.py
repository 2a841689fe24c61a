"""The pull loop (JetStream ADR-37): keeps requests outstanding, so messages flow without asking for each."""

import asyncio
import time
from dataclasses import dataclass

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared.messaging.topology import Subscription, assert_consumer

PAGE_MAX = 500
_CREDIT = 2 * PAGE_MAX
_EXPIRES_S = 20.0
_HEARTBEAT_S = 2.0


class PullBroken(Exception):
    """The consumer does not answer as it should: assert the topology and begin again."""


@dataclass(frozen=True)
class Delivery:
    """One message as the stream delivered it."""

    type: str
    aggregate: str
    version: int
    message_id: str
    body: str
    reply: str


class Puller:
    """Pages of one durable's messages, as soon as there are any."""

    def __init__(self, client: Client, subscription: Subscription, *, replicas: int = 1) -> None:
        self._client = client
        self._subscription = subscription
        self._replicas = replicas
        self._inbox = client.new_inbox()
        self._credit = 0
        self._heard_at = 0.0
        self._queue: asyncio.Queue[Msg] = asyncio.Queue()

    async def __aenter__(self) -> "Puller":
        await assert_consumer(self._client, self._subscription, replicas=self._replicas)
        self._listening = await self._client.subscribe(self._inbox, cb=self._queue.put, pending_msgs_limit=0)
        self._heard_at = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._listening.unsubscribe()
        except nats.errors.Error:
            pass

    async def page(self) -> list[Delivery]:
        """Wait for messages; then all that have arrived, at most `PAGE_MAX`.

        Raises:
            PullBroken: no message and no heartbeat for three beats, or the server says the consumer is gone.
        """
        deliveries: list[Delivery] = []
        while not deliveries:
            if self._credit <= _CREDIT // 2:
                await self._ask()
            try:
                message = await asyncio.wait_for(self._queue.get(), timeout=_HEARTBEAT_S)
            except TimeoutError:
                if time.monotonic() - self._heard_at > 3 * _HEARTBEAT_S:
                    raise PullBroken("silent") from None
                continue
            self._take(message, deliveries)
        while len(deliveries) < PAGE_MAX and not self._queue.empty():
            self._take(self._queue.get_nowait(), deliveries)
        return deliveries

    async def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell the stream not to deliver these again. A lost acknowledgement costs a duplicate, nothing more."""
        for delivery in deliveries:
            await self._client.publish(delivery.reply, b"+ACK")

    async def _ask(self) -> None:
        asked = _CREDIT - self._credit
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._subscription.stream}.{self._subscription.durable}"
        request = {"batch": asked, "expires": int(_EXPIRES_S * 1e9), "idle_heartbeat": int(_HEARTBEAT_S * 1e9)}
        self._credit += asked
        await self._client.publish(subject, orjson.dumps(request), reply=self._inbox)

    def _take(self, message: Msg, deliveries: list[Delivery]) -> None:
        self._heard_at = time.monotonic()
        headers = message.headers or {}
        status = headers.get("Status")
        if status is None or message.reply.startswith("$JS.ACK."):
            self._credit -= 1
            deliveries.append(_delivery(message, headers))
        elif status == "100":
            return
        elif status == "408" or (status == "409" and "Nats-Pending-Messages" in headers):
            # A request ended unfilled: what it still had to deliver is no longer on its way.
            self._credit -= int(headers.get("Nats-Pending-Messages", self._credit))
        else:
            raise PullBroken(f"{status} {headers.get('Description', '')}")


def _delivery(message: Msg, headers: dict[str, str]) -> Delivery:
    body = message.data.decode(errors="replace")
    aggregate, version = headers.get("Asar-Aggregate"), headers.get("Asar-Version", "")
    if aggregate is None or not version.isdecimal():
        # Nobody of ours wrote this. Its place in the stream is the only name it has.
        return Delivery(
            "unreadable", f"unreadable/{message.reply}", 1, headers.get("Nats-Msg-Id", ""), body, message.reply
        )
    return Delivery(
        headers.get("Asar-Type", ""), aggregate, int(version), headers.get("Nats-Msg-Id", ""), body, message.reply
    )
