"""Server-sent events for thousands of watchers: a scope's state is encoded once, and everyone gets the same bytes.

Frames are whole states, so a watcher that misses one has missed nothing. Measured: decision 0008.
"""

import asyncio
import contextlib
import secrets
import time
import zlib
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from services.gateway.states import Mark, States, Topic
from shared.errors import Refusal, Unavailable
from shared.problems import problem_of, respond, validation_problem
from shared.telemetry import log

TICK_S = 1.0
"""No watcher gets more than a frame a second."""
LEADING_S = 0.05
"""A change after silence waits this long for others of the same moment."""
HEARTBEAT_S = 15.0
SLOW_FRAMES_MAX = 20
LINGER_S = 60.0
"""How long a topic without watchers keeps its frame."""
_YIELD_EVERY = 250
_POLL_S = 0.25
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_HEARTBEAT = b"event: hb\ndata: {}\n\n"


class TooManyWatchers(Unavailable):
    """More are watching than this gateway takes; come back in a few seconds."""


class Frames:
    """What is sent to the watchers of one topic: plain, and as pieces of one shared deflate stream.

    Each piece ends with a full flush, so a watcher can begin at any of them after a gzip header of its own.
    """

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)

    def encode(self, event: bytes) -> tuple[Message, Message]:
        """The same event as ASGI messages: (plain, compressed)."""
        packed = self._deflate.compress(event) + self._deflate.flush(zlib.Z_FULL_FLUSH)
        return _body(event), _body(packed)


class Watched:
    """One topic with its watchers and the newest frame."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.watchers: dict[Send, list[int]] = {}
        """By `send`: how many frames in a row were skipped, and 1 if it takes gzip."""
        self.event_id = ""
        self.content = b""
        self.event = b""
        self.dirty = False
        self.sent_at = time.monotonic() - TICK_S
        self.empty_since = time.monotonic()


class Live:
    """The endpoint `/v1/live`, as plain ASGI, and the hub behind it."""

    def __init__(self, states: States, *, watchers_max: int) -> None:
        self._states = states
        self._topics: dict[Topic, Watched] = {}
        self._watchers_max = watchers_max
        self._changed = asyncio.Event()
        self._closing = False

    @property
    def watchers(self) -> int:
        return sum(len(watched.watchers) for watched in self._topics.values())

    def wake(self) -> None:
        """The read model has moved on; losing a call costs one polling interval."""
        self._changed.set()

    # --- the endpoint -----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value for name, value in scope["headers"]}
        query = parse_qs(scope["query_string"].decode("ascii", "replace"))
        try:
            topic = Topic.parse(*(query.get(name, [None])[0] for name in ("scope", "from", "to")))
            watched = await self._watch(topic)
        except Refusal as refusal:
            await respond(problem_of(refusal))(scope, receive, send)
            return
        except ValueError:
            wrong = {"loc": ["from"], "type": "date", "msg": "from and to must be days like 2026-11-22"}
            await respond(validation_problem([wrong]))(scope, receive, send)
            return
        if self._closing or self.watchers >= self._watchers_max:
            later = {"Retry-After": str(1 + secrets.randbelow(10))}
            await respond(problem_of(TooManyWatchers()), later)(scope, receive, send)
            return
        packed = b"gzip" in headers.get(b"accept-encoding", b"")
        last = headers.get(b"last-event-id", query.get("last", [""])[0].encode()).decode("ascii", "replace")
        await send(_start(packed))
        hello = b": nothing new\n\n" if last and last == watched.event_id else watched.event
        if packed:
            alone = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            await send(_body(_GZIP_HEADER + alone.compress(hello) + alone.flush(zlib.Z_FULL_FLUSH)))
        else:
            await send(_body(hello))
        watched.watchers[send] = [0, int(packed)]
        try:
            # uvicorn's send() says nothing after a disconnect: who never reads receive() leaks watchers.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            watched.watchers.pop(send, None)
            watched.empty_since = time.monotonic()

    async def _watch(self, topic: Topic) -> Watched:
        watched = self._topics.get(topic)
        if watched is None:
            watched = Watched()
            await self._refresh(topic, watched)
            self._topics.setdefault(topic, watched)
        return self._topics[topic]

    # --- the hub ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Push new states as the read model moves on; a heartbeat when it does not. Runs until cancelled."""
        mark: Mark | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout=_POLL_S)
                await asyncio.sleep(LEADING_S)
            self._changed.clear()
            try:
                now = await self._states.mark()
                for topic, watched in list(self._topics.items()):
                    watched.dirty = watched.dirty or now != mark
                    await self._tend(topic, watched)
                mark = now
            except Exception as error:  # the edge of the loop: watchers keep what they have, the next round tries again
                log.warning("live round failed", error=repr(error))
                await asyncio.sleep(1)

    async def _tend(self, topic: Topic, watched: Watched) -> None:
        age = time.monotonic() - watched.sent_at
        if not watched.watchers:
            # Nobody looks: whoever comes next gets a fresh state.
            if watched.dirty or time.monotonic() - watched.empty_since > LINGER_S:
                self._topics.pop(topic, None)
        elif watched.dirty and age >= TICK_S:
            watched.dirty = False
            if await self._refresh(topic, watched):
                await self._fan_out(watched, watched.event)
        elif age > HEARTBEAT_S:
            await self._fan_out(watched, _HEARTBEAT)

    async def _refresh(self, topic: Topic, watched: Watched) -> bool:
        """Bring the topic's frame up to date; returns whether anything that is shown has changed."""
        state = await self._states.get(topic)
        if state.content == watched.content:
            return False
        watched.content = state.content
        watched.event_id = state.event_id
        watched.event = b"id: " + state.event_id.encode() + b"\nevent: state\ndata: " + state.body + b"\n\n"
        return True

    async def _fan_out(self, watched: Watched, event: bytes) -> None:
        watched.sent_at = time.monotonic()
        plain, packed = watched.frames.encode(event)
        for number, (send, standing) in enumerate(list(watched.watchers.items()), 1):
            # Stepping send() by hand: it runs to its end unless the socket's buffer is full. A task per watcher
            # costs twice the time (decision 0008).
            step = send(packed if standing[1] else plain)
            try:
                step.send(None)  # type: ignore[attr-defined]  # a coroutine, as uvicorn makes it
            except StopIteration:
                standing[0] = 0
            except Exception:  # the socket is gone; its own task is about to notice
                watched.watchers.pop(send, None)
            else:
                step.close()  # type: ignore[attr-defined]
                standing[0] += 1
                if standing[0] > SLOW_FRAMES_MAX:
                    watched.watchers.pop(send, None)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def end(self) -> None:
        """Tell every watcher to come back, at times of their own, and end the streams."""
        self._closing = True
        for watched in self._topics.values():
            for send, (_, packed) in list(watched.watchers.items()):
                event = f"retry: {1000 + secrets.randbelow(9000)}\n\n".encode()
                alone = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
                body = alone.compress(event) + alone.flush(zlib.Z_FINISH) if packed else event
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(send({"type": "http.response.body", "body": body, "more_body": False}), 1)
            watched.watchers.clear()


def _start(packed: bool) -> Message:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        *([(b"content-encoding", b"gzip")] if packed else []),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}
