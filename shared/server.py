"""The web server of every process: uvicorn, which waits for nobody longer than a slow line needs."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Literal, cast

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from shared.problems import MEDIA_TYPE, Problem
from shared.settings import Settings
from shared.telemetry import log

GRACE_S = 6
FAREWELL_S = 1.0
"""How long a server that is to stop still takes requests on open connections, each time as the last one."""
HEAD_BYTES_MAX = 32 * 1024
"""Request line and headers together."""
HEAD_WITHIN_S = 20.0
BODY_WITHIN_S = 20.0
BODY_BYTES_PER_S = 4096
"""A body may take longer the longer it is: a poor mobile line carries this much a second."""
READ_WITHIN_S = 60.0
"""How long an answer may lie unread once it fills the buffers on its way."""

_TITLES = {
    HTTPStatus.BAD_REQUEST: ("malformed-request", "The request cannot be read."),
    HTTPStatus.REQUEST_TIMEOUT: ("request-timeout", "The request did not arrive in time."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("head-too-large", "Address and headers are longer than is accepted."),
}


WRITE = "asar.write"
"""The ASGI extension in whose `write` an application finds `Connection.write`."""


class Connection(HttpToolsProtocol):
    """A connection that is closed when its other end holds it without using it.

    uvicorn itself waits for ever for a first request, for the rest of one and for an answer to be read, and takes a
    head of any size: thousands of such connections would cost whoever opens them nothing.
    """

    _reading: Literal["head", "body"] | None = None
    """The part of a request that has begun to arrive."""
    _expected: Literal["head", "body"] | None = None
    """What must come before the deadline."""
    _deadline: asyncio.TimerHandle | None = None
    _size = 0
    """Bytes so far of what is being read."""
    _began_at = 0.0
    _unread: asyncio.TimerHandle | None = None
    _complaint = HTTPStatus.BAD_REQUEST
    _is_leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        super().connection_made(transport)
        self._extensions: dict[str, dict[object, object]] = {WRITE: {"write": self.write}}
        self._expect("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        self._set_unread(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._reading == "head":
            # The parser keeps what is incomplete to itself.
            self._size += len(data)
            if self._size > HEAD_BYTES_MAX:
                self._complain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        # Empty lines between two requests begin nothing, but end uvicorn's own waiting for the next one.
        expected = self._reading or ("head" if self._is_idle else None)
        if expected != self._expected:
            self._expect(expected)

    def bid_farewell(self) -> None:
        """Close after the answer that is being given, or the next one, and say so in it."""
        self._is_leaving = True
        if not self._is_idle:
            self.cycle.keep_alive = False

    @property
    def _is_idle(self) -> bool:
        # None before the first request, whatever uvicorn's annotation says.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _expect(self, what: Literal["head", "body"] | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._expected = what
        if what is not None:
            self._began_at = self.loop.time()
            within_s = HEAD_WITHIN_S if what == "head" else BODY_WITHIN_S
            self._deadline = self.loop.call_later(within_s, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        if self._expected == "body":
            allowed_s = BODY_WITHIN_S + self._size / BODY_BYTES_PER_S
            left_s = self._began_at + allowed_s - self.loop.time()
            # While it is we who do not read, nobody is late.
            if left_s > 0 or self.flow.read_paused:
                self._deadline = self.loop.call_later(max(left_s, 1.0), self._look_at_the_clock)
                return
        log.info("slow caller cut", part=self._expected)
        if self._expected == "head" and self._is_idle:
            self._complain(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.abort()

    # --- what the parser finds --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._reading, self._size = "head", 0
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grow(len(name) + len(value) + len(b": \r\n"))

    def _grow(self, size: int) -> None:
        # A head may come whole, so that nothing of it was ever incomplete.
        self._size += size
        if self._size > HEAD_BYTES_MAX:
            self._complaint = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise httptools.HttpParserError

    def on_headers_complete(self) -> None:
        self._reading, self._size = "body", 0
        super().on_headers_complete()
        if self._is_leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = None
        super().on_message_complete()

    # --- what is sent -----------------------------------------------------------------------------------------------

    def write(self, chunk: bytes) -> bool:
        """Write a chunk of an endless answer, framed as it is; returns whether there was room for it.

        For the same bytes to thousands: `send` would frame them for each anew, and is a coroutine.
        """
        if self.flow.write_paused:
            return False
        self.transport.write(chunk)
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._set_unread(self.loop.call_later(READ_WITHIN_S, self.transport.abort))

    def resume_writing(self) -> None:
        self._set_unread(None)
        super().resume_writing()

    def _set_unread(self, deadline: asyncio.TimerHandle | None) -> None:
        if self._unread is not None:
            self._unread.cancel()
        self._unread = deadline

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's words; a problem document says it
        self._complain(self._complaint)

    def _complain(self, status: HTTPStatus) -> None:
        """Answer what never became a request, and close."""
        code, title = _TITLES[status]
        problem = Problem(type=f"/problems/{code}", title=title, status=status, code=code)
        body = problem.model_dump_json(exclude_none=True).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()


def raise_open_files() -> None:
    """Let this process open as many files as it may: each connection is one, and systems begin with 1 024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server(uvicorn.Server):
    """uvicorn that can take over a socket from its predecessor, and leaves without turning anybody away.

    Told to stop, it takes no new connection: those wait for whoever has the socket as well. It ends the long streams,
    and closes each connection with an answer, never between a caller's decision to send and the sending.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        # An application behind other servers says whose word about addresses it takes.
        trusted: str = getattr(app, "trusted_proxies", "")
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=Connection,
                ws="none",
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=False,
                # An application at the network's edge says what goes with whatever is sent.
                headers=list(getattr(app, "headers", ())),
                # Else whoever is on this machine could say that a request comes from elsewhere.
                proxy_headers=bool(trusted),
                forwarded_allow_ips=trusted,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=75,
            )
        )
        # An application with endless answers says how they are ended.
        self._end_streams: Callable[[], Awaitable[None]] | None = getattr(app, "end_streams", None)
        self._listen_fd = settings.listen_fd
        self._ready_fd = settings.ready_fd

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        if self._listen_fd is not None:
            # Whatever this process starts must not hold the socket longer than it.
            os.set_inheritable(self._listen_fd, False)
            sockets = [socket.socket(fileno=self._listen_fd)]
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready_fd is not None:
            os.write(self._ready_fd, b"\n")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # Who is about to send a request on an open connection may send it, and hears that it was the last.
        for connection in list(self.server_state.connections):
            cast("Connection", connection).bid_farewell()
        if self._end_streams is not None:
            await self._end_streams()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                while self.server_state.connections:  # noqa: ASYNC110  # uvicorn's set tells nobody
                    await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        # uvicorn raises the captured signal again at its end, so that a stop that was asked for looks like a crash.
        loop, serving = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            self.handle_exit(number, None)
            if not self.started and serving is not None:
                serving.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        yield
