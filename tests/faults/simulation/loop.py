"""An event loop without a clock: when nothing is left to do now, it is at once as late as the next thing needs."""

import asyncio
import selectors
from typing import Any


class Stalled(Exception):
    """Everything waits, and nothing will ever happen."""


class _NoFiles(selectors.SelectSelector):
    """Nothing is read or written, so to wait is to let time pass."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stalled
        self.loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs the same steps in the same order each time, and a minute in some milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _NoFiles()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now
