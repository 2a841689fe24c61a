"""A handler that does not come to an end, and watchers who never read: others are not held up, memory has a limit."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import psutil
import pytest

from tests.faults.behind import not_folding
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults
WATCHERS = 500
RSS_MAX = 400 << 20
"""Of the gateway, idle some 150 MB."""


@pytest.mark.fault(10, "500 watchers who never read, and a fold that stands still")
async def test_silent_watchers_and_a_slow_handler_hold_up_nobody(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life:
        with _silent_watchers(running_system):

            async def all_watch() -> bool:
                return (await running_system.status("gateway"))["watchers"] >= WATCHERS

            await until("all of them watch", all_watch)
            heard = asyncio.create_task(_states_heard(running_system, 2))
            await life.goes_on()
            await heard
            assert _gateway_rss(running_system) < RSS_MAX

            async with not_folding(running_system):
                await life.goes_on()

                async def lag_is_seen() -> bool:
                    lag = (await running_system.status("gateway"))["lag"]
                    return bool(lag["ASAR_CHARITY"] and lag["ASAR_VOLUNTEERS"])

                await until("the lag is seen", lag_is_seen)
                for service in ("volunteers", "events", "charity"):

                    async def has_none(service: str = service) -> bool:
                        return set((await running_system.status(service))["lag"].values()) <= {0}

                    # While life goes on, some message is on its way now and then.
                    await until(f"{service} has none", has_none)
            for stream in ("ASAR_CHARITY", "ASAR_VOLUNTEERS"):

                async def is_folded(stream: str = stream) -> bool:
                    return (await running_system.status("gateway"))["lag"][stream] == 0

                await until(f"the gateway has folded {stream}", is_folded)
            assert _gateway_rss(running_system) < RSS_MAX


@contextmanager
def _silent_watchers(system: RunningSystem) -> Generator[None]:
    request = f"GET /v1/live?scope=kz HTTP/1.1\r\nHost: 127.0.0.1:{system.port}\r\n\r\n".encode()
    sockets: list[socket.socket] = []
    try:
        for _ in range(WATCHERS):
            watcher = socket.create_connection(("127.0.0.1", system.port))
            sockets.append(watcher)
            watcher.sendall(request)
        yield
    finally:
        for watcher in sockets:
            watcher.close()


async def _states_heard(system: RunningSystem, number: int) -> None:
    """Watch as a browser does, until so many states have come."""
    async with system.client() as client, client.stream("GET", "/v1/live", params={"scope": "kz"}) as answer:
        heard = 0
        async for line in answer.aiter_lines():
            heard += line == "event: state"
            if heard == number:
                return


def _gateway_rss(system: RunningSystem) -> int:
    pid = system.pid_of("gateway")
    assert pid is not None
    return int(psutil.Process(pid).memory_info().rss)
