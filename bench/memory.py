"""Memory of `asar demo` with everything it starts, idle and while it is worked: each process and all of them together.

What is shared by several processes is divided among them (PSS), so that the sum is what the machine really gives.
"""

import asyncio
import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import psutil

from bench.load import wrk
from bench.measure import Goal, Result
from bench.servers import Servers
from deploy.local import ports

_ALL = Goal(1024, 600, at_most=True)
_READY_S = 400
_SETTLES_S = 75
"""Connections that nobody needs are closed after a minute."""
_PATHS = ("/v1/dashboard", "/v1/centres", "/v1/events", "/v1/campaigns", "/en/plain")
_OK = 200


async def measure(servers: Servers) -> AsyncIterator[Result]:
    """Without a base: megabytes are what they are."""
    # The demo brings servers of its own.
    servers.nats.stop()
    servers.postgres.stop()
    async with _demo(servers) as (root, address):
        await asyncio.sleep(_SETTLES_S)
        for result in _results("idle", [_sizes(root)]):
            yield result
        load = asyncio.create_task(_load(address))
        samples: list[dict[str, float]] = []
        while not load.done():
            await asyncio.sleep(1)
            samples.append(_sizes(root))
        await load
        for result in _results("under load", samples):
            yield result


@contextlib.asynccontextmanager
async def _demo(servers: Servers) -> AsyncGenerator[tuple[psutil.Process, str]]:
    port = ports.free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from deploy.operate.cli import main; main()", "demo"),
        *("--data-dir", str(servers.folder / "demo"), "--port", str(port)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"ASAR_ANONYMOUS_REQUESTS_PER_MINUTE": str(10**9)},
    )
    assert process.stdout is not None  # noqa: S101  # asked for
    try:
        async with asyncio.timeout(_READY_S):
            while b"Asar is up" not in (line := await process.stdout.readline()):
                if not line:
                    raise RuntimeError("the demo has ended by itself")
        yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _load(address: str) -> None:
    """Pages and lists by many at once, one after another."""
    async with aiohttp.ClientSession() as session:
        for path in _PATHS:
            async with session.get(address + path) as answer:
                if answer.status == _OK:
                    await wrk(address + path, connections=16, seconds=3)


def _results(when: str, samples: list[dict[str, float]]) -> list[Result]:
    names = sorted({name for sample in samples for name in sample})
    parts = [Result(f"memory of {name}, {when}", "MiB", [s.get(name, 0.0) for s in samples], None) for name in names]
    return [*parts, Result(f"memory of the demo, {when}", "MiB", [sum(s.values()) for s in samples], _ALL)]


def _sizes(root: psutil.Process) -> dict[str, float]:
    """MiB of each part: a service, PostgreSQL with all its processes, NATS, and the supervisor."""
    sizes: dict[str, float] = defaultdict(float)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            sizes[_name_of(process)] += process.memory_full_info().pss / 2**20
    return dict(sizes)


def _name_of(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    for part in ("volunteers", "events", "charity", "gateway"):
        if f"services.{part}" in command:
            return part
    return "PostgreSQL" if "postgres" in process.name() else "NATS" if "nats" in process.name() else "the supervisor"
