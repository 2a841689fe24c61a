"""Ends tasks for good."""

import asyncio
from typing import Any

_ASK_AGAIN_S = 1.0


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and wait until they have ended, whatever they end with.

    Asked again and again: up to Python 3.11 `asyncio.wait_for` may swallow a cancellation that comes together with the
    answer it waits for, and who then only waits waits for ever. A task group asks its own tasks once only, so whoever
    waits in one takes `asyncio.timeout`, which swallows nothing.
    """
    while going := [task for task in tasks if not task.done()]:
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=_ASK_AGAIN_S)
    # Their errors are known to whoever started them, and no news at the end.
    await asyncio.gather(*tasks, return_exceptions=True)
