"""Server-sent events for thousands of watchers: a scope's state is encoded once, and everyone gets the same bytes.

Frames are whole states, so a watcher that misses one has missed nothing. Measured: decision 0008.
"""

import asyncio
import contextlib
import secrets
import time
import zlib
from collections.abc import Callable, Collection
from functools import cache
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from services.gateway.headers import Headers, with_headers
from services.gateway.metrics import CUT, FRAMES, LATE
from services.gateway.states import Mark, State, States, Topic
from shared.database import CONNECTION_LOST, DatabaseUnavailable
from shared.errors import Refusal, Unavailable
from shared.problems import problem_of, respond
from shared.server import WRITE
from shared.telemetry import log

TICK_S = 0.1
"""No watcher gets more than ten frames a second."""
TICK_MAX_S = 1.0
"""How long a change may wait for the next frame at the most, however many watch."""
_REST = 10
"""A topic rests for so many times as long as its frame took: many watchers get frames less often than few."""
LEADING_S = 0.02
"""A change after silence waits this long for others of the same moment."""
HEARTBEAT_S = 15.0
STUCK_MAX_S = 20.0
"""How long a watcher may not take what is sent, before its stream is cut."""
LINGER_S = 60.0
"""How long a topic without watchers keeps its frame."""
_YIELD_EVERY = 250
_POLL_S = 0.25
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_RETRIES_MS = range(1000, 10_000, 250)


class TooManyWatchers(Unavailable):
    """More are watching than this gateway takes; come back in a few seconds."""


class Event:
    """One server-sent event as everyone gets it: the same bytes, plain or as a piece of a gzip stream.

    A piece refers to nothing before it and ends at a byte's end, so any piece may follow any other, and a watcher may
    begin with any, after a gzip header of its own.
    """

    def __init__(self, text: bytes) -> None:
        deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._pieces = (text, deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH))
        self.chunks = tuple(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self._pieces)
        """The pieces as HTTP/1.1 frames them (RFC 9112, section 7.1)."""

    def first(self, *, packed: bool) -> Message:
        return _body((_GZIP_HEADER if packed else b"") + self._pieces[packed], more=True)

    def last(self, *, packed: bool) -> Message:
        return _body(self._pieces[packed], more=False)

    @classmethod
    def of(cls, state: State) -> "Event":
        return cls(f"id: {state.mark}\nevent: state\ndata: ".encode() + state.body + b"\n\n")


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


HEARTBEAT = Event(b"event: hb\ndata: {}\n\n")
NOTHING_NEW = Event(b": nothing new\n\n")


@cache
def _retry(after_ms: int) -> Event:
    return Event(f"retry: {after_ms}\n\n".encode())


class Watcher:
    """One open stream."""

    def __init__(self, write: Callable[[bytes], bool], *, packed: bool) -> None:
        self._write = write
        self._packed = packed
        self._task = asyncio.current_task()
        self.is_greeted = False
        """Whether it has got its first event, before which no other may go."""
        self.farewell: Message | None = None
        self.was_sent_away = False

    def push(self, event: Event) -> bool:
        """Send an event if the socket has room; returns whether it had."""
        return self.is_greeted and self._write(event.chunks[self._packed])

    def dismiss(self) -> None:
        """Ask to come back, at a time of its own, and end the stream."""
        if self.is_greeted:
            self.farewell = _retry(secrets.choice(_RETRIES_MS)).last(packed=self._packed)
        self.cut()

    def cut(self) -> None:
        """End a stream, as one that nobody reads."""
        self.was_sent_away = True
        if self._task is not None:
            self._task.cancel()


class Watched:
    """One topic with its watchers and the newest frame."""

    def __init__(self, state: State) -> None:
        self.watchers: set[Watcher] = set()
        self.late: dict[Watcher, float] = {}
        """Who has not got the newest frame, and since when."""
        self.sent_at = self.due_at = time.monotonic()
        """When the newest frame was sent, and before when there is no other."""
        self.empty_since = time.monotonic()
        self.take(state)

    def take(self, state: State) -> None:
        self.state = state
        self.mark = state.mark
        """What the frame is known to be true for; what is shown has not changed since the frame's own mark."""
        self.event = Event.of(state)

    def is_known_to(self, last: str) -> bool:
        """Whether somebody who has the state of that mark would see nothing new."""
        has = Mark.parse(last)
        return has is not None and self.state.mark <= has <= self.mark and has.today == self.state.mark.today

    def leave(self, watcher: Watcher) -> None:
        self.watchers.discard(watcher)
        self.late.pop(watcher, None)
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, more: Headers = ()) -> None:
        """Answer a GET: with a stream until the watcher leaves or is dismissed, or with a problem.

        `more`: headers that the answer has as well.
        """
        headers: dict[bytes, bytes] = dict(scope["headers"])
        query = parse_qs(scope["query_string"].decode("ascii", "replace"))
        try:
            if self._closing or self.watchers >= self._watchers_max:
                raise TooManyWatchers
            topic = Topic.parse(*(query.get(name, [None])[0] for name in ("scope", "from", "to")))
            watched = self._topics.get(topic) or Watched(await self._states.get(topic))
        except Refusal as refusal:
            later = {"Retry-After": str(1 + secrets.randbelow(10))} if isinstance(refusal, Unavailable) else None
            await respond(problem_of(refusal), later)(scope, receive, with_headers(send, more))
            return
        except CONNECTION_LOST:
            await respond(problem_of(DatabaseUnavailable()))(scope, receive, with_headers(send, more))
            return
        packed = _takes_gzip(headers.get(b"accept-encoding", b""))
        last = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("last", [""])[0]
        await send(_start(more, packed=packed))
        # Until the watcher is among the others nothing may come between: a frame would pass it by.
        watched = self._topics.setdefault(topic, watched)
        greeting = NOTHING_NEW if watched.is_known_to(last) else watched.event
        watcher = Watcher(scope["extensions"][WRITE]["write"], packed=packed)
        watched.watchers.add(watcher)
        try:
            await send(greeting.first(packed=packed))
            watcher.is_greeted = True
            # uvicorn's send() says nothing after a disconnect: who never reads receive() leaks watchers.
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not watcher.was_sent_away:
                raise
            if watcher.farewell is None:
                CUT.inc()
                log.info("slow watcher cut")
            else:
                await send(watcher.farewell)
        finally:
            watched.leave(watcher)

    # --- the hub ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Push new states as the read model moves on; a heartbeat when it does not. Runs until cancelled."""
        pause_s = _POLL_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
                await asyncio.sleep(LEADING_S)
            self._changed.clear()
            try:
                pause_s = await self._round()
            except Exception as error:  # noqa: BLE001  # the edge of the loop: watchers keep what they have
                log.warning("live round failed", error=type(error).__name__)
                pause_s = 1.0

    async def _round(self) -> float:
        """Look after every topic; returns in how many seconds to do it again."""
        if not self._topics:
            return _POLL_S
        mark = await self._states.mark()
        for topic, watched in list(self._topics.items()):
            try:
                await self._tend(topic, watched, mark)
            except Unavailable:
                raise
            except Refusal:
                # A new read model does not know this scope. Who comes back is told so.
                self._topics.pop(topic, None)
                for watcher in list(watched.watchers):
                    watcher.dismiss()
        waiting = [watched.due_at for watched in self._topics.values() if watched.mark != mark]
        return min(max(min(waiting) - time.monotonic(), 0.01), _POLL_S) if waiting else _POLL_S

    async def _tend(self, topic: Topic, watched: Watched, mark: Mark) -> None:
        now = time.monotonic()
        if not watched.watchers:
            # Nobody looks: whoever comes next gets a fresh state.
            if watched.mark != mark or now - watched.empty_since > LINGER_S:
                self._topics.pop(topic, None)
            return
        if watched.mark != mark and now >= watched.due_at:
            state = await self._states.get(topic, at=mark)
            is_news = state.content != watched.state.content
            if is_news:
                watched.take(state)
                watched.sent_at = now
                await self._catch_up(watched, watched.watchers)
            else:
                watched.mark = state.mark
            took_s = time.monotonic() - now
            watched.due_at = now + min(max(TICK_S, _REST * took_s), TICK_MAX_S)
            if is_news:
                return
        if now - watched.sent_at > HEARTBEAT_S:
            watched.sent_at = now
            # Those who are late would take it for a sign that they are not.
            await self._push(watched.watchers - watched.late.keys(), HEARTBEAT)
        if watched.late:
            await self._catch_up(watched, watched.late)

    async def _catch_up(self, watched: Watched, watchers: Collection[Watcher]) -> None:
        """Send the newest frame; who has no room for it gets it later, or is cut."""
        told = len(watchers)
        missed = await self._push(watchers, watched.event)
        FRAMES.inc(told - len(missed))
        LATE.inc(len(missed))
        now = time.monotonic()
        # Who has left meanwhile is late no more.
        for watcher in missed & watched.watchers:
            if now - watched.late.setdefault(watcher, now) > STUCK_MAX_S:
                watcher.cut()
        for watcher in watched.late.keys() - missed:
            del watched.late[watcher]

    async def _push(self, watchers: Collection[Watcher], event: Event) -> set[Watcher]:
        """Send an event to these; returns who has no room for it."""
        missed: set[Watcher] = set()
        for number, watcher in enumerate(list(watchers), 1):
            if not watcher.push(event):
                missed.add(watcher)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return missed

    async def end(self) -> None:
        """Tell every watcher to come back, at times of their own, and end the streams."""
        self._closing = True
        everyone = [watcher for watched in self._topics.values() for watcher in watched.watchers]
        for number, watcher in enumerate(everyone, 1):
            watcher.dismiss()
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)


def _takes_gzip(accepted: bytes) -> bool:
    for coding in accepted.lower().split(b","):
        name, _, quality = coding.replace(b" ", b"").partition(b";q=")
        if name == b"gzip":
            return quality.strip(b"0.") != b"" or not quality
    return False


def _start(more: Headers, *, packed: bool) -> Message:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept-encoding"),
        (b"x-accel-buffering", b"no"),
        *more,
        *([(b"content-encoding", b"gzip")] if packed else []),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}
