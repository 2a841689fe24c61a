"""NATS as the relay, the audit and the pull loop see it, in memory, with everything that may go wrong.

It speaks the protocol, so that `shared.messaging` runs on it unchanged. What it does at its worst was seen on real
servers: a tail that is lost leaves its numbers to be used again, and durables stand where the stream no longer is.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nats.errors
import orjson
from nats.js.errors import NoStreamResponseError, NotFoundError

if TYPE_CHECKING:
    from tests.faults.simulation.world import Node, World

ACK_WAIT_S = 10.0
_REFUSED = {"error": {"code": 400, "err_code": 10201, "description": "batch publish contains duplicate message id"}}


@dataclass
class Arriving:
    """A message as a client hears it."""

    data: bytes
    headers: dict[str, str] | None = None
    reply: str = ""
    subject: str = ""


@dataclass
class Stored:
    """A message in a stream; its number is its place."""

    subject: str
    data: bytes
    headers: dict[str, str]


@dataclass
class Request:
    """What a puller has asked for and not got yet."""

    client: "MemoryClient"
    connection: int
    inbox: str
    left: int


@dataclass
class Durable:
    """A consumer's place in a stream."""

    config: Any
    position: int = 1
    pending: dict[int, object] = field(default_factory=dict[int, object])
    again: list[int] = field(default_factory=list[int])
    requests: list[Request] = field(default_factory=list[Request])


@dataclass
class Stream:
    """Messages in their order, and who hears them."""

    config: Any
    messages: list[Stored] = field(default_factory=list[Stored])
    durables: dict[str, Durable] = field(default_factory=dict[str, Durable])

    def info(self) -> Any:
        state = SimpleNamespace(last_seq=len(self.messages), messages=len(self.messages))
        return SimpleNamespace(config=self.config, state=state)


class MemoryServer:
    """One NATS server and all who are connected to it."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.up = True
        self.deduplicates = world.rng.random() < 0.5
        self.streams: dict[str, Stream] = {}
        self.clients: list[MemoryClient] = []
        self._batches: dict[str, list[Stored]] = {}

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def go_down(self, *, losing: int = 0, everything: bool = False) -> None:
        """Stop, and lose the last messages, or all streams."""
        self.up = False
        self._batches.clear()
        for client in self.clients:
            client.connection += 1
        for stream in self.streams.values():
            del stream.messages[max(0, len(stream.messages) - losing) :]
            for durable in stream.durables.values():
                durable.requests.clear()
        if everything:
            self.streams.clear()

    def come_back(self) -> None:
        self.up = True
        for client in self.clients:
            client.tell_reconnected()

    def delete_stream(self, name: str) -> None:
        for durable in list(self.stream(name).durables):
            self.delete_durable(name, durable)
        del self.streams[name]

    def delete_durable(self, stream: str, name: str) -> None:
        durable = self.stream(stream).durables.pop(name, None)
        if durable is None:
            raise NotFoundError
        for request in durable.requests:
            self._tell(request, {"Status": "409", "Description": "Consumer Deleted"})

    # --- storing ----------------------------------------------------------------------------------------------------

    def stream(self, name: str) -> Stream:
        if name not in self.streams:
            raise NotFoundError
        return self.streams[name]

    def stream_for(self, subject: str) -> Stream | None:
        return next((s for s in self.streams.values() if subject.startswith(s.config.subjects[0][:-1])), None)

    def store(self, stream: Stream, message: Stored) -> int:
        """Keep a message unless its id is known; returns its number."""
        known = self._known(stream, message)
        if known:
            return known
        stream.messages.append(message)
        self.world.say(f"stored {message.headers['Asar-Aggregate'][-4:]} v{message.headers['Asar-Version']}")
        for durable in stream.durables.values():
            self.pump(stream, durable)
        return len(stream.messages)

    def take_batch(self, message: Stored) -> dict[str, Any] | None:
        """A part of an atomic batch; the answer comes with the last one."""
        so_far = self._batches.setdefault(message.headers["Nats-Batch-Id"], [])
        so_far.append(message)
        if "Nats-Batch-Commit" not in message.headers:
            return None
        del self._batches[message.headers["Nats-Batch-Id"]]
        stream = self.stream_for(message.subject)
        if stream is None or len(so_far) != int(message.headers["Nats-Batch-Sequence"]):
            raise NoStreamResponseError
        if any(self._known(stream, one) for one in so_far):
            return _REFUSED
        return {"seq": max(self.store(stream, one) for one in so_far)}

    def _known(self, stream: Stream, message: Stored) -> int:
        if not self.deduplicates:
            return 0
        ids = [stored.headers["Nats-Msg-Id"] for stored in stream.messages]
        wanted = message.headers["Nats-Msg-Id"]
        return ids.index(wanted) + 1 if wanted in ids else 0

    # --- delivering -------------------------------------------------------------------------------------------------

    def pump(self, stream: Stream, durable: Durable) -> None:
        """Deliver what is asked for, as far as there is anything."""
        while durable.requests:
            number = durable.again.pop(0) if durable.again else durable.position
            if number > len(stream.messages):
                if number == durable.position:
                    return
                continue
            if number == durable.position:
                durable.position += 1
            request = durable.requests[0]
            request.left -= 1
            if not request.left:
                durable.requests.pop(0)
            self._deliver(stream, durable, number, request)

    def _deliver(self, stream: Stream, durable: Durable, number: int, request: Request) -> None:
        world, stored, token = self.world, stream.messages[number - 1], object()
        durable.pending[number] = token
        reply = f"$JS.ACK.{stream.config.name}.{durable.config.durable_name}.{number}"
        for _ in range(2 if world.happens("delivered twice") else 1):
            if not world.happens("delivery lost"):
                message = Arriving(stored.data, stored.headers, reply, stored.subject)
                request.client.hear(request.inbox, message, request.connection)

        def look_again() -> None:
            if durable.pending.get(number) is token:
                durable.again.append(number)
                self.pump(stream, durable)

        world.loop.call_later(ACK_WAIT_S, look_again)

    def ask(self, stream_name: str, name: str, request: Request, *, expires_s: float, heartbeat_s: float) -> None:
        """A puller wants messages."""
        stream = self.streams.get(stream_name)
        durable = stream.durables.get(name) if stream is not None else None
        if stream is None or durable is None:
            self._tell(request, {"Status": "503"})
            return
        durable.requests.append(request)
        self.pump(stream, durable)
        until = self.world.loop.time() + expires_s

        def beat() -> None:
            if request not in durable.requests:
                return
            if self.world.loop.time() >= until:
                durable.requests.remove(request)
                self._tell(request, {"Status": "408", "Nats-Pending-Messages": str(request.left)})
                return
            self._tell(request, {"Status": "100"})
            self.world.loop.call_later(heartbeat_s, beat)

        self.world.loop.call_later(heartbeat_s, beat)

    def settle(self, reply: str, *, done: bool) -> None:
        """Somebody acknowledges a message, or hands it back. As in NATS, all that counts is its number."""
        _, _, stream_name, name, number = reply.split(".")
        stream = self.streams.get(stream_name)
        durable = stream.durables.get(name) if stream is not None else None
        if stream is not None and durable is not None and durable.pending.pop(int(number), None) and not done:
            durable.again.append(int(number))
            self.pump(stream, durable)

    def read(self, stream_name: str, asked: dict[str, Any], answer: Callable[[Arriving], None]) -> None:
        """Messages without a consumer, and a last one that says that these were all."""
        stream = self.streams.get(stream_name)
        if stream is not None:
            for number in range(asked["seq"], min(asked["seq"] + asked["batch"], len(stream.messages) + 1)):
                stored = stream.messages[number - 1]
                told = {"Nats-Sequence": str(number), "Nats-Msg-Id": stored.headers["Nats-Msg-Id"]}
                answer(Arriving(stored.data, told))
        answer(Arriving(b"", {"Status": "204" if stream is not None else "503"}))

    def _tell(self, request: Request, headers: dict[str, str]) -> None:
        request.client.hear(request.inbox, Arriving(b"", headers), request.connection)


class MemoryClient:
    """A process's connection. What is said by a process that was killed is not heard."""

    def __init__(self, node: "Node", server: MemoryServer) -> None:
        self.node = node
        self.server = server
        self.connection = 0
        self.on_reconnect: list[Callable[[], None]] = []
        self._inboxes: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {}
        self._numbers = 0
        self._heard_until = 0.0
        server.clients.append(self)

    @property
    def is_connected(self) -> bool:
        return self.server.up

    def tell_reconnected(self) -> None:
        if self.node.alive:
            for tell in self.on_reconnect:
                tell()

    def hear(self, inbox: str, message: Arriving, connection: int) -> None:
        """Have a message arrive some time later: in the order in which it was sent, unless that goes wrong too."""
        loop = self.node.world.loop
        at = loop.time() + self.node.world.delay_s()
        if not self.node.world.happens("overtaken"):
            at = self._heard_until = max(at, self._heard_until)

        def arrive() -> None:
            if connection == self.connection and self.node.alive and inbox in self._inboxes:
                self.node.spawn(self._inboxes[inbox](message))

        loop.call_at(at, arrive)

    async def reach_server(self) -> None:
        await self.node.step()
        if not self.server.up:
            raise nats.errors.OutboundBufferLimitError

    # --- what shared.messaging calls --------------------------------------------------------------------------------

    def new_inbox(self) -> str:
        self._numbers += 1
        return f"_INBOX.{self._numbers}"

    async def subscribe(self, subject: str, cb: Callable[[Any], Coroutine[Any, Any, Any]], **_: Any) -> "MemoryClient":
        self._inboxes[subject] = cb
        return self

    async def unsubscribe(self) -> None:
        await self.node.step()

    async def publish(
        self, subject: str, data: bytes = b"", reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        await self.reach_server()
        match subject.split("."):
            case ["$JS", "ACK", *_]:
                if not self.node.world.happens("acknowledgement lost"):
                    self.server.settle(subject, done=data == b"+ACK")
            case ["$JS", "API", "CONSUMER", "MSG", "NEXT", stream, durable]:
                asked = orjson.loads(data)
                request = Request(self, self.connection, reply, asked["batch"])
                expires_s, heartbeat_s = asked["expires"] / 1e9, asked["idle_heartbeat"] / 1e9
                self.server.ask(stream, durable, request, expires_s=expires_s, heartbeat_s=heartbeat_s)
            case ["$JS", "API", "DIRECT", "GET", stream]:
                connection = self.connection
                self.server.read(stream, orjson.loads(data), lambda told: self.hear(reply, told, connection))
            case _ if headers and "Nats-Batch-Id" in headers:
                self.server.take_batch(Stored(subject, data, headers))
            case _:
                raise LookupError(subject)

    async def request(self, subject: str, data: bytes, *, timeout: float, headers: dict[str, str]) -> Arriving:  # noqa: ASYNC109
        await self.reach_server()
        answer = self.server.take_batch(Stored(subject, data, headers))
        await self.hear_back(timeout)
        return Arriving(orjson.dumps(answer))

    def jetstream(self) -> "MemoryJetStream":
        return MemoryJetStream(self)

    async def hear_back(self, timeout_s: float) -> None:
        connection = self.connection
        if self.node.world.happens("answer lost"):
            await asyncio.sleep(timeout_s)
            raise nats.errors.TimeoutError
        await self.node.step()
        if connection != self.connection:
            raise nats.errors.TimeoutError


class MemoryJetStream:
    """What is asked of streams and durables by name."""

    def __init__(self, client: MemoryClient) -> None:
        self._client = client
        self._server = client.server

    async def publish(self, subject: str, data: bytes, *, timeout: float, headers: dict[str, str]) -> Any:  # noqa: ASYNC109
        await self._client.reach_server()
        stream = self._server.stream_for(subject)
        if stream is None:
            raise NoStreamResponseError
        number = self._server.store(stream, Stored(subject, data, headers))
        await self._client.hear_back(timeout)
        return SimpleNamespace(seq=number)

    async def stream_info(self, name: str) -> Any:
        await self._client.reach_server()
        return self._server.stream(name).info()

    async def add_stream(self, config: Any) -> Any:
        await self._client.reach_server()
        return self._server.streams.setdefault(config.name, Stream(config)).info()

    async def consumers_info(self, stream: str) -> list[Any]:
        await self._client.reach_server()
        return [SimpleNamespace(config=durable.config) for durable in self._server.stream(stream).durables.values()]

    async def consumer_info(self, stream: str, name: str) -> Any:
        await self._client.reach_server()
        durables = self._server.stream(stream).durables
        if name not in durables:
            raise NotFoundError
        return SimpleNamespace(config=durables[name].config)

    async def add_consumer(self, stream: str, config: Any) -> None:
        await self._client.reach_server()
        self._server.stream(stream).durables.setdefault(config.durable_name, Durable(config))

    async def delete_consumer(self, stream: str, name: str) -> None:
        await self._client.reach_server()
        self._server.delete_durable(stream, name)
