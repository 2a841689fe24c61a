"""Somebody who watches the page's live stream, and notes whether it was ended as it should be."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx

from tests.running import RunningSystem, until

FIRST_BYTES_S = 30.0


@dataclass
class Watcher:
    """One who comes again whenever told to."""

    told_to_come_again: int = 0
    failures: list[str] = field(default_factory=list[str])
    greeted: int = 0

    async def watch(self, client: httpx.AsyncClient) -> None:
        """Watch without end. A stream may end with `retry:` only; any other end is a failure, and so is a refusal."""
        while True:
            last_line = ""
            try:
                async with client.stream("GET", "/v1/live", params={"scope": "kz"}) as answer:
                    answer.raise_for_status()
                    self.greeted += 1
                    async for line in answer.aiter_lines():
                        last_line = line or last_line
            except httpx.HTTPError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.1)
                continue
            if last_line.startswith("retry:"):
                self.told_to_come_again += 1
                # As browsers do.
                await asyncio.sleep(int(last_line.removeprefix("retry:")) / 1000)
            else:
                self.failures.append(f"ended with {last_line!r}")


@contextlib.asynccontextmanager
async def watchers(system: RunningSystem, number: int) -> AsyncGenerator[list[Watcher]]:
    """So many, each with a stream that has begun."""
    all_ = [Watcher() for _ in range(number)]
    timeout = httpx.Timeout(FIRST_BYTES_S)
    async with httpx.AsyncClient(base_url=system.address, timeout=timeout, limits=httpx.Limits()) as client:
        tasks = [asyncio.create_task(watcher.watch(client)) for watcher in all_]
        try:
            await all_greeted(all_, 1)
            yield all_
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def all_greeted(all_: list[Watcher], times: int) -> None:
    """Until each has been let in so many times."""

    async def greeted() -> bool:
        return all(watcher.greeted >= times for watcher in all_)

    await until("watchers let in", greeted)
