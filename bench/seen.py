"""From a fact's commit until it is seen: twenty facts a second by POST, until the frame with each is there.

`measure` watches as a program does, `in_a_browser` looks at the page itself in Chromium.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from itertools import takewhile

import aiohttp
import orjson
from playwright.async_api import async_playwright

from bench.measure import ROUNDS, Goal, Result
from bench.servers import NOBODY, Running, Servers
from services.gateway.settings import GatewaySettings
from tests.e2e.chromium import OPTIONS, executable

_A_SECOND = 20
_FACTS = 60
"""In each round."""
_DEADLINE_S = 30
_FIGURE = "volunteer_centres"
_CENTRE = {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75"}
_GOAL = Goal(1000, 150, at_most=True)
_OBSERVE = """
figure => {
  const tile = document.querySelector(`[data-figure=${figure}]`);
  window.seen = [];
  new MutationObserver(() => window.seen.push([Number(tile.dataset.value), Date.now() / 1000]))
    .observe(tile, {attributes: true, attributeFilter: ["data-value"]});
}
"""

Seen = list[tuple[int, float]]
"""What was shown, and since when."""


async def measure(servers: Servers) -> AsyncIterator[Result]:
    async with _system(servers) as (service, gateway):
        seen: Seen = []
        watching = asyncio.create_task(_watch(gateway, seen))
        try:

            async def look() -> Seen:
                return seen

            for result in await _results("commit to the frame", service, look):
                yield result
        finally:
            watching.cancel()


async def in_a_browser(servers: Servers) -> AsyncIterator[Result]:
    async with _system(servers) as (service, gateway), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=OPTIONS)
        page = await browser.new_page()
        await page.goto(f"{gateway.address}/en/")
        await page.locator("[data-state=live]").wait_for()
        await page.evaluate(_OBSERVE, _FIGURE)

        async def look() -> Seen:
            return [(value, at) for value, at in await page.evaluate("window.seen")]

        for result in await _results("commit to the browser's page", service, look):
            yield result
        await browser.close()


@contextlib.asynccontextmanager
async def _system(servers: Servers) -> AsyncGenerator[tuple[Running, Running]]:
    """A service and the gateway, with all their parts."""
    behind = await servers.settings("volunteers")
    settings = GatewaySettings.model_validate(
        (await servers.settings("gateway")).model_dump()
        | {"volunteers_url": f"http://{behind.host}:{behind.port}", "events_url": NOBODY, "charity_url": NOBODY}
    )
    async with servers.service("volunteers", behind) as service, servers.service("gateway", settings) as gateway:
        yield service, gateway


async def _results(name: str, service: Running, look: Callable[[], Awaitable[Seen]]) -> list[Result]:
    rounds: list[list[float]] = []
    made = 0
    for _ in range(1 + ROUNDS):
        committed: dict[int, float] = {}
        for _ in range(_FACTS):
            due = time.monotonic() + 1 / _A_SECOND
            made += 1
            await service.make("/v1/centres", _CENTRE)
            committed[made] = time.time()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        async with asyncio.timeout(_DEADLINE_S):
            while not any(value >= made for value, _ in await look()):  # noqa: ASYNC110  # another process shows it
                await asyncio.sleep(0.05)
        seen = await look()
        rounds.append(sorted(_seen_at(number, seen) - at for number, at in committed.items()))
    # The first one warms everything up.
    percentiles = {
        of: [1000 * took[min(len(took) - 1, len(took) * of // 100)] for took in rounds[1:]] for of in (50, 99)
    }
    return [
        Result(f"{name}, p50", "ms", percentiles[50], None),
        Result(f"{name}, p99", "ms", percentiles[99], _GOAL),
    ]


def _seen_at(number: int, seen: Seen) -> float:
    """When a frame first showed so many."""
    too_early = list(takewhile(lambda shown: shown[0] < number, seen))
    return seen[len(too_early)][1]


async def _watch(gateway: Running, seen: Seen) -> None:
    async with gateway.session.get("/v1/live", timeout=aiohttp.ClientTimeout(total=None)) as stream:
        async for line in stream.content:
            if line.startswith(b"data: ") and len(line) > len(b"data: {}\n"):
                seen.append((orjson.loads(line[6:])["figures"][_FIGURE], time.time()))
