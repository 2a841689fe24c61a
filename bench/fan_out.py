"""A frame a second to 10 000 watchers, against a bare asyncio loop that writes the same bytes to as many.

CPU of the serving process for each delivery, and what each watcher adds to its resident size.
"""

import asyncio
import contextlib
import sys
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import psutil

from bench.crowd import COUNTERS
from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Running, Servers
from deploy.local import ports
from services.gateway.domain import COUNTRY
from services.gateway.generations import schema_of
from services.gateway.settings import GatewaySettings

WATCHERS = 10_000
_FRAMES = 4
"""In each round."""
_EVERY_S = 1.0
_DEADLINE_S = 60.0
_HAPPENS = f"""
WITH _ AS (
    INSERT INTO figureday (scope, day, donations) VALUES ('{COUNTRY}', current_date, 1)
    ON CONFLICT (scope, day) DO UPDATE SET donations = figureday.donations + 1
)
INSERT INTO progress (id, revision, as_of) VALUES (1, 1, now())
ON CONFLICT (id) DO UPDATE SET revision = progress.revision + 1, as_of = now()
"""  # noqa: S608  # as the projector would have it


class Crowd:
    """A process full of watchers."""

    def __init__(self, counters: Path) -> None:
        self._counters = counters

    @property
    def connected(self) -> int:
        return COUNTERS.unpack(self._counters.read_bytes())[0]

    @property
    def pieces(self) -> int:
        return COUNTERS.unpack(self._counters.read_bytes())[1]

    async def until(self, pieces: int) -> None:
        """Raises: TimeoutError: they have not got as many."""
        await _until(lambda: self.pieces >= pieces)


async def measure(servers: Servers) -> AsyncIterator[Result]:
    settings = GatewaySettings(
        **(await servers.settings("gateway")).model_dump(),
        volunteers_url=NOBODY,
        events_url=NOBODY,
        charity_url=NOBODY,
        watchers_max=2 * WATCHERS,
        anonymous_streams_per_address=2 * WATCHERS,
    )
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(servers.service("gateway", settings, "api"))
        model = await asyncpg.connect(servers.postgres.url("gateway"), server_settings={"search_path": schema_of(1)})
        stack.push_async_callback(model.close)
        await model.execute(_HAPPENS)
        size_mib = gateway.resident_mib()
        crowd = await stack.enter_async_context(_crowd(servers.folder / "watching", settings.port))

        async def happen() -> None:
            await model.execute(_HAPPENS)

        await _until(lambda: crowd.connected == WATCHERS)
        await _frames(crowd, happen, 2)
        kib = (gateway.resident_mib() - size_mib) * 1024 / WATCHERS
        bare, bare_crowd, send = await stack.enter_async_context(_bare(servers.folder, await _frame(gateway)))
        await _until(lambda: bare_crowd.connected == WATCHERS)

        async def subject() -> float:
            return await _cost_us(gateway.process, crowd, happen)

        async def base() -> float:
            return await _cost_us(bare, bare_crowd, send)

        costs = await in_turn(subject, base)
    yield Result(
        "CPU of a delivery to one of 10 000 watchers",
        "us",
        costs[0],
        Goal(1.5, 1.1, at_most=True),
        "a bare asyncio loop",
        costs[1],
    )
    yield Result("memory of a watcher", "KiB", [kib], Goal(20, 8, at_most=True))


async def _cost_us(server: psutil.Process, crowd: Crowd, happen: Callable[[], Awaitable[None]]) -> float:
    before, pieces = _cpu_s(server), crowd.pieces
    await _frames(crowd, happen, _FRAMES)
    return (_cpu_s(server) - before) / (crowd.pieces - pieces) * 1e6


async def _frames(crowd: Crowd, happen: Callable[[], Awaitable[None]], number: int) -> None:
    """So many frames to everybody, one a second."""
    for _ in range(number):
        pieces, began = crowd.pieces, asyncio.get_running_loop().time()
        await happen()
        await crowd.until(pieces + WATCHERS)
        await asyncio.sleep(max(0.0, began + _EVERY_S - asyncio.get_running_loop().time()))


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def _crowd(counters: Path, port: int) -> AsyncGenerator[Crowd]:
    counters.write_bytes(bytes(COUNTERS.size))  # noqa: ASYNC240  # sixteen bytes
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.crowd", "read", str(port), str(WATCHERS), str(counters)),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        yield Crowd(counters)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _bare(
    folder: Path, frame: bytes
) -> AsyncGenerator[tuple[psutil.Process, Crowd, Callable[[], Awaitable[None]]]]:
    """The bare server with its crowd, and how it is told to send a frame."""
    (folder / "frame").write_bytes(frame)
    port = ports.free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.crowd", "serve", str(port), str(folder / "frame")), stdin=asyncio.subprocess.PIPE
    )
    lines = process.stdin
    assert lines is not None  # noqa: S101  # asked for

    async def send() -> None:
        lines.write(b"\n")
        await lines.drain()

    try:
        await _until(lambda: not ports.is_free(port))
        async with _crowd(folder / "watching-bare", port) as crowd:
            yield psutil.Process(process.pid), crowd, send
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _frame(gateway: Running) -> bytes:
    """What the gateway sends to each watcher, packed as it does."""
    async with gateway.session.get("/v1/dashboard") as answer:
        state = await answer.read()
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflate.compress(b"event: state\ndata: " + state + b"\n\n") + deflate.flush(zlib.Z_FULL_FLUSH)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # another process cannot set an event
            await asyncio.sleep(0.02)
