"""PostgreSQL as the relay, the consumer and the gateway's fold see it, in memory: their statements, nothing else.

A statement that is not known here fails, so none is added to the system without a meaning here. What a transaction
writes is seen by others when it commits, all at once; a connection may be lost before that, and after.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import orjson

from services.gateway import projections
from shared.database import DatabaseUnavailable
from shared.messaging import audit, inbox, relay

if TYPE_CHECKING:
    from tests.faults.simulation.world import Node, World

Gathering = TypeVar("Gathering")


class Row:
    """A row as asyncpg gives it: by name, by number, or one value after the other."""

    def __init__(self, values: Mapping[str, Any], *names: str) -> None:
        self._values = {name: values[name] for name in names} if names else dict(values)

    def __getitem__(self, key: str | int) -> Any:
        return self._values[key] if isinstance(key, str) else list(self._values.values())[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values.values())


@dataclass
class Applied:
    """The rows that listening leaves behind: how far, what waits, and the read model."""

    inbox: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    parked: dict[tuple[str, str, int], dict[str, Any]] = field(
        default_factory=dict[tuple[str, str, int], dict[str, Any]]
    )
    feed: list[str] = field(default_factory=list[str])
    """The bodies of what took effect, in that order."""
    sums: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict[tuple[str, str], dict[str, int]])
    rows: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict[tuple[str, str], Mapping[str, Any]])

    def shown(self) -> bytes:
        """What a reader of the figures sees, to the byte."""
        rows = {f"{table} {key}": {k: str(v) for k, v in row.items()} for (table, key), row in self.rows.items()}
        sums = {f"{table} {key}": counters for (table, key), counters in self.sums.items()}
        return orjson.dumps({"rows": rows, "sums": sums}, option=orjson.OPT_SORT_KEYS)


class Store:
    """One database. `outbox` is the announcing side, `applied` the listening one."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.outbox: list[dict[str, Any]] = []
        self.applied = Applied()
        self.locks: dict[tuple[int, Any], asyncio.Lock] = {}

    def lock(self, *name: Any) -> asyncio.Lock:
        return self.locks.setdefault((name[0], name[1]), asyncio.Lock())

    @property
    def unsent(self) -> list[dict[str, Any]]:
        return [row for row in self.outbox if row["published_at"] is None]


class MemoryDatabase:
    """What a process calls its database."""

    def __init__(self, node: "Node", store: Store) -> None:
        self.node = node
        self.store = store

    @property
    def pool(self) -> "MemoryDatabase":
        return self

    @asynccontextmanager
    async def transaction(self, _: Any = None) -> AsyncGenerator["MemoryTransaction"]:
        tx = MemoryTransaction(self.node, self.store)
        try:
            yield tx
            await tx.commit()
        finally:
            tx.let_go()

    async def fetch(self, statement: str, *arguments: Any) -> list[Row]:
        async with self.transaction() as tx:
            return await tx.sql(statement, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> None:
        await self.fetch(statement, *arguments)


class MemoryTransaction:
    """What one turn of a relay or one page of a consumer does."""

    def __init__(self, node: "Node", store: Store) -> None:
        self._node = node
        self._store = store
        self._writes: list[Callable[[], None]] = []
        self._held: list[asyncio.Lock] = []
        self._settling: dict[Any, Any] = {}

    async def begin(self) -> None:
        pass

    async def sql(self, statement: str, *arguments: Any) -> list[Row]:
        await self._node.step()
        if self._node.world.happens("database away"):
            raise DatabaseUnavailable
        return await getattr(self, _MEANING[statement])(*arguments)

    async def flush(self) -> None:
        settling, self._settling = self._settling, {}
        for gathering in settling.values():
            await gathering.settle(self)

    async def commit(self) -> None:
        await self.flush()
        await self._node.step()
        if self._writes and self._node.world.happens("lost before the commit"):
            raise DatabaseUnavailable
        if self._writes and self._node.world.happens("deadlock"):
            raise asyncpg.DeadlockDetectedError
        for write in self._writes:
            write()
        if self._writes:
            self._node.world.committed()
        await self._node.step()
        if self._writes and self._node.world.happens("lost after the commit"):
            raise DatabaseUnavailable

    def let_go(self) -> None:
        for lock in self._held:
            lock.release()
        self._held.clear()

    # --- what the fold gathers --------------------------------------------------------------------------------------

    def settle(self, make: Callable[[], Gathering]) -> Gathering:
        return self._settling.setdefault(make, make())

    def increase(self, table: type, key: Mapping[str, Any], **amounts: int) -> None:
        def write() -> None:
            counters = self._store.applied.sums.setdefault((table.__name__, str(key)), {})
            for name, amount in amounts.items():
                counters[name] = counters.get(name, 0) + amount

        self._writes.append(write)

    def put(self, row: Any) -> None:
        self._writes.append(lambda: self._keep(type(row).__name__, row.id, row.__dict__))

    def insert_values(self, table: str, values: Mapping[str, Any]) -> None:
        self._writes.append(lambda: self._keep(table, values["message_id"], values))

    def _keep(self, table: str, key: Any, values: Mapping[str, Any]) -> None:
        self._store.applied.rows[table, str(key)] = {k: v for k, v in values.items() if not k.startswith("_")}

    # --- outbox -----------------------------------------------------------------------------------------------------

    async def lock_lanes(self, space: int, lanes: int) -> list[Row]:
        free = [lane for lane in range(lanes) if not self._store.lock(space, lane).locked()]
        for lane in free:
            await self._hold(self._store.lock(space, lane))
        return [Row({"lane": lane}) for lane in free]

    async def take(self, lanes: list[int], limit: int) -> list[Row]:
        rows = sorted((row for row in self._store.unsent if row["lane"] in lanes), key=lambda row: row["position"])
        return [Row(row) for row in rows[:limit]]

    async def mark(self, positions: list[int]) -> list[Row]:
        return self._set_published(positions, published_at="now")

    async def send_again(self, positions: list[int]) -> list[Row]:
        return self._set_published(positions, published_at=None)

    def _set_published(self, positions: list[int], *, published_at: str | None) -> list[Row]:
        def write() -> None:
            for row in self._store.outbox:
                if row["position"] in positions:
                    row["published_at"] = published_at

        self._writes.append(write)
        return []

    async def published(self) -> list[Row]:
        rows = [row for row in self._store.outbox if row["published_at"] is not None]
        return [Row(row, "position", "message_id") for row in rows]

    async def how_many_wait(self) -> list[Row]:
        return [Row({"count": len(self._store.unsent), "age": 0})]

    # --- inbox ------------------------------------------------------------------------------------------------------

    async def take_turns(self, space: int, consumer: str) -> list[Row]:
        await self._hold(self._store.lock(space, consumer))
        return []

    async def seen(self, consumer: str, aggregates: list[str]) -> list[Row]:
        known = self._store.applied.inbox
        return [
            Row({"aggregate": aggregate, "version": known[consumer, aggregate]})
            for aggregate in aggregates
            if (consumer, aggregate) in known
        ]

    async def see(self, consumer: str, aggregates: list[str], versions: list[int]) -> list[Row]:
        moved = {(consumer, aggregate): version for aggregate, version in zip(aggregates, versions, strict=True)}
        self._writes.append(lambda: self._store.applied.inbox.update(moved))
        return []

    async def parked(self, consumer: str, aggregates: list[str]) -> list[Row]:
        found = [row for row in self._parked(consumer) if row["aggregate"] in aggregates]
        found.sort(key=lambda row: (row["aggregate"], row["version"]))
        return [Row(row, *_DELIVERY, "reason") for row in found]

    async def park(self, consumer: str, *columns: Any) -> list[Row]:
        *told, reason, _, _ = columns
        rows: list[dict[str, Any]] = [dict(zip(_DELIVERY, values, strict=True)) for values in zip(*told, strict=True)]

        def write() -> None:
            applied = self._store.applied
            for row in rows:
                if applied.inbox.get((consumer, row["aggregate"]), 0) < row["version"]:
                    known = applied.parked.setdefault((consumer, row["aggregate"], row["version"]), row)
                    known["reason"] = reason

        self._writes.append(write)
        return []

    async def unpark(self, consumer: str, aggregates: list[str], versions: list[int]) -> list[Row]:
        upto = dict(zip(aggregates, versions, strict=True))

        def write() -> None:
            for row in self._parked(consumer):
                if row["version"] <= upto.get(row["aggregate"], 0):
                    del self._store.applied.parked[consumer, row["aggregate"], row["version"]]

        self._writes.append(write)
        return []

    async def failed(self, consumer: str, aggregate: str | None) -> list[Row]:
        rows = [row for row in self._parked(consumer) if row["reason"] == "failed"]
        return [Row(row, *_DELIVERY) for row in rows if aggregate in (None, row["aggregate"])]

    async def next_waiting(self, consumer: str, aggregate: str) -> list[Row]:
        following = self._store.applied.inbox.get((consumer, aggregate), -1) + 1
        row = self._store.applied.parked.get((consumer, aggregate, following))
        return [Row(row, *_DELIVERY)] if row is not None and row["reason"] == "gap" else []

    async def keep(self, _ids: list[str], _types: list[str], _times: list[Any], bodies: list[str]) -> list[Row]:
        self._writes.append(lambda: self._store.applied.feed.extend(bodies))
        return []

    def _parked(self, consumer: str) -> list[dict[str, Any]]:
        return [row for (name, _, _), row in self._store.applied.parked.items() if name == consumer]

    async def _hold(self, lock: asyncio.Lock) -> None:
        await lock.acquire()
        self._held.append(lock)


_DELIVERY = ("type", "aggregate", "version", "message_id", "body")
_MEANING = {
    relay.LOCK_LANES: "lock_lanes",
    relay.TAKE: "take",
    relay.MARK: "mark",
    relay.WAITING: "how_many_wait",
    audit.PUBLISHED: "published",
    audit.SEND_AGAIN: "send_again",
    inbox.TAKE_TURNS: "take_turns",
    inbox.SEEN: "seen",
    inbox.SEE: "see",
    inbox.PARKED: "parked",
    inbox.PARK: "park",
    inbox.UNPARK: "unpark",
    inbox.FAILED: "failed",
    inbox.NEXT_WAITING: "next_waiting",
    projections.KEEP: "keep",
}
