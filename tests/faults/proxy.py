"""A proxy of our own, in a thread of its own: passes bytes on until it is told to cut, silence, delay or drip."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

_CHUNK = 65_536
_START_TIMEOUT_S = 10

Address = int | Path
"""A port of this machine, or a Unix socket."""
ANY_PORT = 0


class Proxy:
    """One way to one server. What it holds back while it is silent it delivers later, as a network does."""

    def __init__(self, *, to: Address, listen: Address = ANY_PORT) -> None:
        """Listen at once, at any port if none is given."""
        self._listen_at = listen
        self._to = to
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay_s = 0.0
        self._drip_bytes = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name=f"proxy to {to}")
        self._thread.start()
        self._do(self._listen())

    @property
    def port(self) -> int:
        """Where it listens, where that is a port."""
        assert isinstance(self._listen_at, int)
        return self._listen_at

    def cut(self) -> None:
        """Break all connections and refuse new ones."""
        self._do(self._cut())

    def silence(self) -> None:
        """Keep connections, take new ones, and pass nothing on: what a partition or a frozen host looks like."""
        self._do(self._set(silent=True))

    def delay(self, seconds: float) -> None:
        """Hold back each piece, in both directions, for so long."""
        self._do(self._set(delay_s=seconds))

    def drip(self, bytes_at_once: int) -> None:
        """Pass on no more than so many bytes every tenth of a second, per connection and direction."""
        self._do(self._set(drip_bytes=bytes_at_once))

    def heal(self) -> None:
        """Be a way like any other again."""
        self._do(self._set())

    def close(self) -> None:
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT_S)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_TIMEOUT_S)

    # --- in the thread ----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        if isinstance(self._listen_at, int):
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._listen_at)
            # The same after a cut.
            self._listen_at = int(self._server.sockets[0].getsockname()[1])
        else:
            self._listen_at.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self._listen_at)

    async def _set(self, *, silent: bool = False, delay_s: float = 0.0, drip_bytes: int = 0) -> None:
        self._delay_s, self._drip_bytes = delay_s, drip_bytes
        (self._passing.clear if silent else self._passing.set)()
        if self._server is None:
            await self._listen()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        self._passing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
        except OSError:
            # A server that is killed with something unread resets its end: whoever waits at the other must hear of it.
            await self._passing.wait()
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._to, int):
            return await asyncio.open_connection("127.0.0.1", self._to)
        return await asyncio.open_unix_connection(self._to)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._passing.wait()
            await asyncio.sleep(self._delay_s)
            while data:
                await self._passing.wait()
                # Asked for each piece: once the way is healed, the rest goes on at once.
                step = self._drip_bytes or len(data)
                piece, data = data[:step], data[step:]
                writer.write(piece)
                await writer.drain()
                if data:
                    await asyncio.sleep(0.1)
        await self._passing.wait()
        if writer.can_write_eof():
            writer.write_eof()
