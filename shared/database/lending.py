"""Connections that transactions hand on to each other, without asyncpg's way back into its pool and out again.

That way is a task, a shield and two timers each time, a tenth of what a small request costs (decision 0028).
"""

import asyncio
from collections import deque
from typing import Any

import asyncpg

from shared.database.errors import DatabaseUnavailable

KEPT_MAX = 2
"""How many are kept at hand while nobody wants one: each is ten megabytes of PostgreSQL's. The pool has the others, and
closes them after a minute."""


class Lending:
    """Lends out all connections of a pool but one, which stays for who asks the pool itself."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, size: int) -> None:
        self._pool = pool
        self._most = max(1, size - 1)
        self._kept_max = min(KEPT_MAX, size - 1)
        self._kept: list[Any] = []
        self._out = 0
        """Connections that are not in the pool: lent or kept."""
        self._waiting: deque[asyncio.Future[Any]] = deque()

    @property
    def kept(self) -> int:
        return len(self._kept)

    async def take(self, *, timeout_s: float) -> Any:
        """A connection.

        Raises:
            DatabaseUnavailable, TimeoutError: there was none within the time.
        """
        while True:
            if self._kept:
                connection = self._kept.pop()
                if not _is_lost(connection):
                    return connection
                await self.discard(connection)
            elif self._out < self._most:
                return await self._out_of_the_pool(timeout_s)
            elif (connection := await self._handed_on(timeout_s)) is not None:
                return connection

    async def give_back(self, connection: Any) -> None:
        """To whoever has waited longest. It is in no transaction, and nothing runs on it."""
        if _is_lost(connection):
            await self.discard(connection)
        elif self._hand_on(connection):
            pass
        elif len(self._kept) < self._kept_max:
            self._kept.append(connection)
        else:
            await self.discard(connection)

    async def discard(self, connection: Any, *, timeout_s: float | None = None) -> None:
        """Into the pool, which looks after one in whatever state it is."""
        self._out -= 1
        try:
            await self._pool.release(connection, timeout=timeout_s)
        finally:
            self._hand_on(None)

    async def close(self) -> None:
        """Give the pool what is kept, before it is closed."""
        while self._kept:
            await self.discard(self._kept.pop())

    async def _out_of_the_pool(self, timeout_s: float) -> Any:
        self._out += 1
        try:
            return await self._pool.acquire(timeout=timeout_s)
        except BaseException:
            self._out -= 1
            self._hand_on(None)
            raise

    async def _handed_on(self, timeout_s: float) -> Any:
        """A connection of another transaction's; None when it is time to look again."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        self._waiting.append(waiting)
        deadline = loop.call_later(timeout_s, _give_up, waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            # Handed on in the very moment in which it was no longer wanted.
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                await self._not_wanted(waiting.result())
            raise
        finally:
            deadline.cancel()

    async def _not_wanted(self, connection: Any) -> None:
        if connection is None:
            self._hand_on(None)
        else:
            await self.give_back(connection)

    def _hand_on(self, connection: Any) -> bool:
        """Whether anybody took it; None tells one who waits to look again."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False


def _is_lost(connection: Any) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has taken it back by itself, as it does when one is closed.
        return True


def _give_up(waiting: "asyncio.Future[Any]") -> None:
    if not waiting.done():
        waiting.set_exception(DatabaseUnavailable())
