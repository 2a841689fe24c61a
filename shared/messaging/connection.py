"""The connection to NATS: keeps trying for ever, notices a silent server within seconds."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client as LibraryClient
from nats.aio.client import Srv
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from shared.messaging.subjects import inbox_of
from shared.settings import Settings
from shared.telemetry import log


class Client(LibraryClient):
    """The library's client, which never lets go of a socket that it has not closed, and ends when it is told to."""

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,  # noqa: ASYNC109  # the library's own parameter
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        # Its own deadline, `asyncio.wait_for`, would swallow a cancellation that comes together with the answer (up to
        # Python 3.11), and the caller go on for ever.
        try:
            async with asyncio.timeout(timeout):
                return await super().request(subject, payload, None, old_style, headers)  # pyright: ignore[reportArgumentType]
        except TimeoutError as error:
            raise nats.errors.TimeoutError from error

    async def _connect_to_server(self, s: Srv) -> None:
        # An attempt to come back that failed after its socket was open is otherwise just forgotten.
        self._close_socket()
        await super()._connect_to_server(s)

    async def close(self) -> None:
        # Interrupted in the middle, the library takes itself for closed, whatever its socket is.
        try:
            await super().close()
        finally:
            self._close_socket()

    def _close_socket(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(url: str, **options: Any) -> Client:
    """Connect to a server, or to several with commas, as the user named in the first address."""
    servers = url.split(",")
    client = Client()
    try:
        await client.connect(  # pyright: ignore[reportUnknownMemberType]  # its options are untyped
            servers, inbox_prefix=inbox_of(urlsplit(servers[0]).username or ""), **options
        )
    except BaseException:
        # Interrupted or refused, it would leave its socket open.
        await client.close()
        raise
    return client


class Bus:
    """One process's connection to NATS. Commands never wait for it: messages wait in the outbox."""

    def __init__(self, settings: Settings, *, name: str) -> None:
        self._url = settings.nats_url
        self._name = name
        self._client = Client()
        self._opened = False
        self._opening = asyncio.Lock()
        self.on_reconnect: list[Callable[[], None]] = []

    @property
    def client(self) -> Client:
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        return self._client.jetstream()  # pyright: ignore[reportUnknownMemberType]

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    async def open(self) -> None:
        """Connect, however long it takes. Once connected, the connection comes back by itself and this does nothing."""
        # The parts of a process share one connection, whoever asks first.
        async with self._opening:
            pause_s = 0.1
            while not self._opened or self._client.is_closed:
                try:
                    self._client = await self._connect()
                    self._opened = True
                except (OSError, nats.errors.Error) as error:
                    log.warning("nats is not reachable yet", error=type(error).__name__)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, 2.0)

    async def _connect(self) -> Client:
        # nats-py's own retries begin only after the first success.
        return await connect(
            self._url,
            name=self._name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            # The defaults (120 s, twice) leave a silent server unnoticed for minutes.
            ping_interval=2,
            max_outstanding_pings=2,
            connect_timeout=2,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            error_cb=self._failed,
            # While away, nothing is buffered: the outbox is the buffer.
            pending_size=-1,
        )

    async def close(self) -> None:
        if self._client.is_connected:
            with contextlib.suppress(OSError, nats.errors.Error):
                async with asyncio.timeout(1):
                    await self._client.drain()
        if self._opened:
            await self._client.close()

    async def _disconnected(self) -> None:
        if not self._client.is_closed:
            log.warning("nats connection is lost")

    async def _reconnected(self) -> None:
        log.warning("nats connection is back")
        for tell in self.on_reconnect:
            tell()

    async def _failed(self, error: Exception) -> None:
        # While it is away, every attempt to come back fails, several times a second.
        say = log.warning if self.connected else log.debug
        say("nats", error=str(error) or type(error).__name__)
