"""Connections to one service: HTTP/1.1 as httptools reads it, kept open and used again.

For what is forwarded, which is everything: aiohttp's client takes four times as much of the processor (decision 0031).
It knows no redirects, cookies or compression, for a proxy passes those on.
"""

import asyncio
import ssl
import time
from collections import deque
from urllib.parse import urlsplit

import httptools

CONNECTIONS_MAX = 200
"""So many to each service: one that hangs takes none of the others'."""
CONNECT_WITHIN_S = 3.0
IDLE_MAX_S = 60.0
"""Less than the services' own 75 s: who closes first is us."""
_UNREAD_MAX = 256 * 1024
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
_WITHOUT_BODY = frozenset({204, 304})
_INFORMATIONAL = range(100, 200)


class Broken(Exception):
    """A service cannot be reached, does not answer in time, or has stopped in the middle."""


class Stale(Broken):
    """A connection that had been kept was closed before anything of an answer came: perhaps nobody has read us."""


class Connection(asyncio.Protocol):
    """One connection, for one request after another; the answer to the newest can be read from it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.idle_since = 0.0
        """When it was last used; 0 if never."""
        self.is_open = False
        self._is_asking = False
        self._may_write = asyncio.Event()
        self._may_write.set()

    # --- one exchange -----------------------------------------------------------------------------------------------

    def ask(self, method: bytes, head: bytes, *, has_body: bool, within_s: float) -> None:
        """Send a request's head; once all is sent, each part of the answer has to come within so many seconds."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        """Whether all of the answer has come; not all of it need have been read."""
        self._is_sent = not has_body
        self._has_begun = False
        self._is_head = method == b"HEAD"
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._is_asking = True
        self._within_s, self._heard_at = within_s, self._loop.time()
        self._deadline = self._loop.call_later(within_s, self._look_at_the_clock)
        self._transport.write(head)

    async def send(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the request's body once there is room for it; into the void if nobody listens any more."""
        await self._may_write.wait()
        if self.is_open:
            self._transport.write(body)
        self._heard_at = self._loop.time()
        self._is_sent = not more

    async def answered(self) -> None:
        """Wait until `status` and `headers` are there.

        Raises:
            Broken
        """
        while not self.status:
            await self._wait()

    async def read(self) -> bytes:
        """Some more of the answer's body; empty at its end.

        Raises:
            Broken
        """
        while not self._pieces and not self.is_complete:
            await self._wait()
        if not self._pieces:
            return b""
        body = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._unread > _UNREAD_MAX and self.is_open:
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
        self._unread = 0
        return body

    def finish(self) -> bool:
        """End the exchange; returns whether the connection is good for another."""
        self._is_asking = False
        self._deadline.cancel()
        self.idle_since = time.monotonic()
        if self.is_open and not (self.is_complete and self._is_sent and self._may_be_kept):
            self.close()
        return self.is_open

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise Broken from self._error
        if not self.is_open:
            raise Broken if self._has_begun or not self.idle_since else Stale
        self._news = self._loop.create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _look_at_the_clock(self) -> None:
        left_s = self._heard_at + self._within_s - self._loop.time()
        # How long a body takes to come is not the service's fault, nor that we do not read.
        if left_s > 0 or not self._is_sent or self._unread > _UNREAD_MAX:
            self._deadline = self._loop.call_later(max(left_s, 1.0), self._look_at_the_clock)
        else:
            self.fail(TimeoutError())

    def fail(self, error: Exception) -> None:
        """End it; whoever waits for an answer hears why."""
        self._error = error
        self.close()
        self._tell()

    # --- what the transport says ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own name
        self.is_open = False
        self._may_write.set()
        if self._is_asking:
            self._tell()

    def data_received(self, data: bytes) -> None:
        if not self._is_asking or self.is_complete:
            # Nobody has asked: whatever it is, it must not be taken for the next answer.
            self.close()
            return
        self._has_begun = True
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(error)
            return
        if self._unread > _UNREAD_MAX:
            self._transport.pause_reading()
        self._tell()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    # --- what the parser finds --------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status in _INFORMATIONAL:
            self.headers = []
            return
        self.status = status
        # Asked at its end, the parser has forgotten what was said of the length.
        self._may_be_kept = self._parser.should_keep_alive()
        if self._is_head or status in _WITHOUT_BODY:
            # The parser does not know what was asked, and would wait for what is announced.
            self.is_complete = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._unread += len(body)

    def on_message_complete(self) -> None:
        self.is_complete = self.status != 0


class Upstream:
    """The connections to one service."""

    def __init__(self, url: str, *, deadline_s: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._deadline_s = deadline_s
        self._idle: deque[Connection] = deque()
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self.authority = parts.netloc.rpartition("@")[2].encode()
        self.prefix = parts.path.rstrip("/").encode()
        """What its paths begin with."""
        self.busy = 0
        """How many connections are in use."""

    async def ask(self, method: bytes, head: bytes, *, has_body: bool) -> Connection:
        """Send the head of a request; its connection is to be given back to `done`.

        Without a body to be sent, the answer's head is there. Then a request that met a connection just being closed
        has been sent once more, if its method allows that (RFC 9110, section 9.2.2).

        Raises:
            Broken
        """
        try:
            return await self._asked(method, head, has_body=has_body)
        except Stale:
            if has_body or method not in _REPEATABLE:
                raise
        return await self._asked(method, head, has_body=has_body, on_a_new_one=True)

    def done(self, connection: Connection | None) -> None:
        """Keep the connection for the next request if it is good for one."""
        self.busy -= 1
        self._places.release()
        if connection is not None and connection.finish():
            self._idle.append(connection)
        while self._idle and not self._is_good(self._idle[0]):
            self._idle.popleft().close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _asked(self, method: bytes, head: bytes, *, has_body: bool, on_a_new_one: bool = False) -> Connection:
        await self._place()
        self.busy += 1
        connection = None
        try:
            connection = None if on_a_new_one else self._kept()
            connection = connection or await self._connected()
            connection.ask(method, head, has_body=has_body, within_s=self._deadline_s)
            if not has_body:
                await connection.answered()
        except BaseException:
            self.done(connection)
            raise
        return connection

    async def _place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise Broken from error

    def _kept(self) -> Connection | None:
        # The newest first: it is the least likely to be closed at this moment.
        while self._idle:
            connection = self._idle.pop()
            if self._is_good(connection):
                return connection
            connection.close()
        return None

    async def _connected(self) -> Connection:
        opening = asyncio.get_running_loop().create_connection(Connection, self._host, self._port, ssl=self._tls)
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                _, connection = await opening
        except (OSError, TimeoutError) as error:
            raise Broken from error
        return connection

    @staticmethod
    def _is_good(connection: Connection) -> bool:
        return connection.is_open and time.monotonic() - connection.idle_since < IDLE_MAX_S
