"""The pull loop (JetStream ADR-37): keeps requests outstanding, so messages flow without asking for each."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

import nats.errors
import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg

from shared import failpoints
from shared.messaging.topology import Subscription, assert_consumer

PAGE_MAX = 1000
UNREADABLE = "unreadable"
"""The type of what is no message of the service that the stream belongs to."""
_CREDIT = 2 * PAGE_MAX
_EXPIRES_S = 20.0
_HEARTBEAT_S = 2.0
_READABLE = {
    "Asar-Type": re.compile(r"[!-~]{1,200}"),
    "Asar-Aggregate": re.compile(r"[!-~]{1,200}"),
    "Asar-Version": re.compile(r"[1-9][0-9]{0,8}"),
    "Nats-Msg-Id": re.compile(r"[!-~]{0,200}"),
}


class PullBroken(Exception):
    """The consumer does not answer as it should: assert the topology and begin again."""


_COPIED = "Nats-Stream"
"""Only the server writes it, on what is read out of a stream; within one it tells of an answer that was led astray."""


@dataclass(frozen=True)
class Delivery:
    """One message as the stream delivered it."""

    type: str
    aggregate: str
    version: int
    message_id: str
    body: str
    reply: str

    @property
    def place(self) -> tuple[str, int]:
        """Whose history it belongs to, and where in it."""
        return self.aggregate, self.version


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
        self._given: list[Delivery] = []

    async def __aenter__(self) -> "Puller":
        await assert_consumer(self._client, self._subscription, replicas=self._replicas)
        self._listening = await self._client.subscribe(  # pyright: ignore[reportUnknownMemberType]
            self._inbox, cb=self._queue.put, pending_msgs_limit=0
        )
        self._heard_at = asyncio.get_running_loop().time()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hand back what was not acknowledged: otherwise the stream would wait for `ack_wait` to deliver it again."""
        with contextlib.suppress(nats.errors.Error):
            await self._listening.unsubscribe()
            replies = [delivery.reply for delivery in self._given]
            while not self._queue.empty():
                replies.append(self._queue.get_nowait().reply)
            for reply in replies:
                if reply.startswith("$JS.ACK."):
                    await self._client.publish(reply, b"-NAK")

    async def page(self) -> list[Delivery]:
        """Wait for messages; then all that have arrived, at most `PAGE_MAX`.

        Raises:
            PullBroken: no message and no heartbeat for three beats, or the server says the consumer is gone.
        """
        while not self._given:
            if self._credit <= _CREDIT // 2:
                await self._ask()
            try:
                async with asyncio.timeout(_HEARTBEAT_S):
                    message = await self._queue.get()
            except TimeoutError:
                if asyncio.get_running_loop().time() - self._heard_at > 3 * _HEARTBEAT_S:
                    raise PullBroken("silent") from None
                continue
            self._take(message)
        while len(self._given) < PAGE_MAX and not self._queue.empty():
            self._take(self._queue.get_nowait())
        return self._given

    async def acknowledge(self, deliveries: list[Delivery]) -> None:
        """Tell the stream not to deliver these again. A lost acknowledgement costs a duplicate, nothing more."""
        for delivery in deliveries:
            await self._client.publish(delivery.reply, b"+ACK")
            failpoints.reach("consumer.amid_acknowledging")
        self._given = []

    async def _ask(self) -> None:
        asked = _CREDIT - self._credit
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._subscription.stream}.{self._subscription.durable}"
        request = {"batch": asked, "expires": int(_EXPIRES_S * 1e9), "idle_heartbeat": int(_HEARTBEAT_S * 1e9)}
        self._credit += asked
        await self._client.publish(subject, orjson.dumps(request), reply=self._inbox)

    def _take(self, message: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        headers = message.headers or {}
        status = headers.get("Status")
        if message.reply.startswith("$JS.ACK."):
            self._credit -= 1
            self._given.append(_delivery(message, headers, self._subscription.service))
        elif status == "100":
            return
        elif status == "408" or (status == "409" and "Nats-Pending-Messages" in headers):
            # A request ended unfilled: what it still had to deliver is no longer on its way.
            self._credit -= int(headers.get("Nats-Pending-Messages", self._credit))
        else:
            raise PullBroken(f"{status} {headers.get('Description', '')}")


def _delivery(message: Msg, headers: dict[str, str], service: str) -> Delivery:
    # PostgreSQL stores no NUL, and nothing may keep a bad message from being parked.
    body = message.data.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    told = [headers.get(name, "") for name in _READABLE]
    if all(pattern.fullmatch(text) for pattern, text in zip(_READABLE.values(), told, strict=True)):
        type_, aggregate, version, message_id = told
        if type_.startswith(f"{service}.") and aggregate.startswith(f"{service}.") and _COPIED not in headers:
            return Delivery(type_, aggregate, int(version), message_id, body, message.reply)
    # Not by whom the stream belongs to. Its place in the stream is the only name it has.
    place = f"{UNREADABLE}/{message.metadata.stream}/{message.metadata.sequence.stream}"
    return Delivery(UNREADABLE, place, 1, "", body, message.reply)
