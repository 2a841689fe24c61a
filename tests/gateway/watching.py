"""Someone who watches `/v1/live`, down to the bytes."""

import asyncio
import zlib
from types import TracebackType
from typing import Any, Self

import orjson

from tests.gateway.serving import DEADLINE_S, RunningGateway, until


class Watching:
    """One open stream, read as fast as it comes unless it `sleeps`."""

    def __init__(
        self, gateway: RunningGateway, query: str = "", *, gzip: bool = False, sleeps: bool = False, **headers: str
    ) -> None:
        self._port = gateway.port
        self._query = query
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if gzip:
            self._headers["accept-encoding"] = "gzip, deflate, br"
        self.gzip = gzip
        self._unzip = zlib.decompressobj(31)
        self._awake = asyncio.Event()
        if not sleeps:
            self._awake.set()
        self.head = ""
        self.raw = b""
        self.text = b""
        self.blocks: list[bytes] = []
        """The events so far, comments among them."""
        self.states: list[tuple[str, dict[str, Any]]] = []
        """The frames so far: id and document."""
        self._rest = b""
        self.ended = False

    async def __aenter__(self) -> Self:
        # A small window, so that one who does not read is noticed soon.
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**16)
        lines = [f"GET /v1/live{self._query} HTTP/1.1", "host: here"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        self.head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), DEADLINE_S)).decode().lower()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        self.drop()

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])

    def wake(self) -> None:
        self._awake.set()

    def drop(self) -> None:
        """Leave without a word."""
        self._writer.close()

    async def _read(self) -> None:
        try:
            while True:
                await self._awake.wait()
                size = int(await self._reader.readline(), 16)
                chunk = await self._reader.readexactly(size)
                await self._reader.readline()
                if size == 0:
                    break
                self.raw += chunk
                self._take_in(self._unzip.decompress(chunk) if self.gzip else chunk)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        self.ended = True

    def _take_in(self, more: bytes) -> None:
        self.text += more
        *whole, self._rest = (self._rest + more).split(b"\n\n")
        for block in whole:
            self.blocks.append(block)
            line = dict(line.split(b": ", 1) for line in block.split(b"\n"))
            if line.get(b"event") == b"state":
                self.states.append((line[b"id"].decode(), orjson.loads(line[b"data"])))

    async def until_figure(self, name: str, value: int) -> None:
        await until(lambda: self.states and self.states[-1][1]["figures"][name] == value)
