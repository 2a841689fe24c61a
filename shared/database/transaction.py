"""What one request or one message does to a database: what it reads, what it gathers, how it ends."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from uuid import UUID

import asyncpg
from sqlalchemy import Sequence, Table
from sqlalchemy.sql import ClauseElement
from sqlmodel import SQLModel

from shared.access.principal import Reach
from shared.contracts.envelope import DomainEvent, envelop
from shared.database import statements
from shared.database.errors import CONNECTION_LOST, REFUSED, DatabaseUnavailable
from shared.database.gathered import Gathered
from shared.database.statements import WAS, Part
from shared.errors import PreconditionFailed, Stale
from shared.metrics import WAITED
from shared.preconditions import Expected
from shared.reach import scope_of
from shared.rows import restored, table_of

if TYPE_CHECKING:
    from shared.database.pool import Database

Row = TypeVar("Row", bound=SQLModel)
Row2 = TypeVar("Row2", bound=SQLModel)

NUMBERS_AT_ONCE = 100
"""The increment of a number sequence: a process takes so many at once and hands them out itself."""

ACQUIRE_TIMEOUT_S = 10.0
"""How long a request waits for a free connection before it is told to come again."""

WAIT_TOLD_FROM_S = 0.005
"""A shorter wait for a connection is no news."""


class Gathering(Protocol):
    """What collects changes over a transaction that are cheaper made together."""

    async def settle(self, tx: "Transaction") -> None:
        """Read what must be read, and gather the rows that result."""
        ...


Settling = TypeVar("Settling", bound=Gathering)


class _Rehearsed(Exception):
    """Ends a rehearsal, so that its savepoint is rolled back."""


class Transaction:
    """What one request or one message does to a service's database."""

    def __init__(self, database: "Database", reach: Reach) -> None:
        self._database = database
        self._reach: Reach = reach
        self._connection: Any = None
        self._open = False
        self._gathered = Gathered()
        self._held: list[Gathered] = []
        # Held, not only counted by id(): the id of a forgotten row may be given to the next one that is made.
        self._new: dict[int, Mapping[str, Any]] = {}
        self._loaded: dict[tuple[type[SQLModel], UUID], SQLModel] = {}
        self._locked: set[tuple[type[SQLModel], UUID]] = set()
        self._absent: set[tuple[type[SQLModel], UUID]] = set()
        self._settling: dict[Callable[[], Gathering], Any] = {}
        self._rehearsed_numbers: Iterator[int] | None = None
        self.expected: Expected | None = None
        """The record and versions on which the request insists; seen to whenever that record is read."""
        self.announced = False
        self.wrote = False

    # --- what a command gathers -------------------------------------------------------------------------------------

    def insert(self, *rows: SQLModel) -> None:
        """Add rows; a violated constraint refuses the whole transaction."""
        for row in rows:
            self._gathered.inserts.setdefault(table_of(type(row)), []).append(row.__dict__)
            self._new[id(row.__dict__)] = row.__dict__

    def put(self, *rows: SQLModel) -> None:
        """Add rows or replace those of the same key; of two with one key the later wins."""
        for row in rows:
            table = table_of(type(row))
            values = row.__dict__
            self._gathered.puts.setdefault(table, {})[tuple(values[c.name] for c in table.primary_key)] = values

    def update(self, row: SQLModel) -> None:
        """Store a changed row and raise its `version` by one; call it once per change that is announced.

        Raises (at commit):
            Stale: the stored version is not the one that was read.
        """
        values = row.__dict__
        was: int = values["version"]
        row.version = was + 1  # pyright: ignore[reportAttributeAccessIssue]  # every updatable table has one
        if id(values) not in self._new:
            self._gathered.updates.setdefault(table_of(type(row)), {}).setdefault(values["id"], (row, was))

    def increase(self, table_class: type[SQLModel], key: Mapping[str, Any], **amounts: int) -> None:
        """Add amounts to the counters of the row with this key; a new row begins with the server's defaults."""
        table = table_of(table_class)
        self._gathered.increase(table, tuple(key[column.name] for column in table.primary_key), amounts)

    def announce(self, fact: DomainEvent, *, at: datetime, version: int = 1) -> None:
        """Publish `fact` if, and only if, this transaction commits. `version` is its aggregate's after the change."""
        self.insert_values("outbox", envelop(fact, at=at, version=version))
        self.announced = True

    def settle(self, make: Callable[[], Settling]) -> Settling:
        """This transaction's one object of a kind that gathers by itself; it settles before rows are written.

        `make` is the class, called without arguments the first time.
        """
        known = self._settling.get(make)
        if known is None:
            known = self._settling[make] = make()
        return known

    def insert_values(self, table_name: str, values: Mapping[str, Any]) -> None:
        """Add a row by its plain values: for tables without a class, and where rows come by the thousand."""
        self._gathered.inserts.setdefault(self._database.metadata.tables[table_name], []).append(values)

    # --- what it asks -----------------------------------------------------------------------------------------------

    async def fetch(self, statement: ClauseElement, **parameters: Any) -> list[asyncpg.Record]:
        """Run a query and return its rows; what was gathered and not flushed is not seen by it."""
        sql, names, defaults = statements.compiled(statement)
        values = {**defaults, **parameters}
        connection = await self._looking()
        return await connection.fetch(sql, *[values[name] for name in names])

    async def fetch_one(self, statement: ClauseElement, **parameters: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, **parameters)
        return rows[0] if rows else None

    async def scalar(self, statement: ClauseElement, **parameters: Any) -> Any:
        """The first column of the first row, or None."""
        row = await self.fetch_one(statement, **parameters)
        return None if row is None else row[0]

    async def number(self, sequence: Sequence) -> int:
        """The next short number of a sequence: unique, ascending within a process, with gaps after a restart."""
        if self._rehearsed_numbers is not None:
            return next(self._rehearsed_numbers)
        left = self._database.numbers.setdefault(sequence.name, [])
        if not left:
            first: int = await (await self._connected()).fetchval("SELECT nextval($1::regclass)", sequence.name)
            left.extend(range(first + NUMBERS_AT_ONCE - 1, first - 1, -1))
        return left.pop()

    async def sql(self, text: str, *arguments: Any) -> list[asyncpg.Record]:
        """For what SQLAlchemy cannot say; asyncpg's own placeholders."""
        return await (await self._looking()).fetch(text, *arguments)

    async def get(self, table_class: type[Row], identity: UUID, *, lock: bool = False) -> Row | None:
        """The row with this id, or None. `lock` keeps others from changing it until the end of the transaction.

        Raises:
            PreconditionFailed: it is not of the version that is `expected`.
        """
        key = (table_class, identity)
        if key in (self._locked if lock else self._loaded):
            return cast(Row, self._as_expected(self._loaded[key]))
        if key in self._absent:
            return None
        return (await self.load(table_class, [identity], lock=lock)).get(identity)

    async def load(self, table_class: type[Row], ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, Row]:
        """Rows by id, each read once per transaction, and once more if it is to be locked only later.

        Locks are taken in the order of the ids, so two never cross.
        """
        wanted = sorted(set(ids))
        known = self._locked if lock else self._loaded
        missing = [i for i in wanted if (table_class, i) not in known and (table_class, i) not in self._absent]
        if missing:
            for record in await self._look_up(table_of(table_class), missing, lock=lock):
                self._loaded[table_class, record["id"]] = restored(table_class, record)
            found_now = {(table_class, i) for i in missing if (table_class, i) in self._loaded}
            self._absent.update({(table_class, i) for i in missing} - found_now)
            if lock:
                self._locked.update(found_now)
        found = {i: self._as_expected(self._loaded.get((table_class, i))) for i in wanted}
        return {i: row for i, row in found.items() if isinstance(row, table_class)}

    def _as_expected(self, row: SQLModel | None) -> SQLModel | None:
        values: Mapping[str, Any] = {} if row is None else row.__dict__
        if self.expected is not None and values.get("id") == self.expected.id and "version" in values:
            if values["version"] not in self.expected.versions:
                raise PreconditionFailed
            # Once is enough: what this transaction changes has another version then.
            self.expected = None
        return row

    async def get_both(
        self, one: tuple[type[Row], UUID], other: tuple[type[Row2], UUID]
    ) -> tuple[Row | None, Row2 | None]:
        """Two rows of different tables in one round trip, for commands so hot that two would tell."""
        if not any(key in self._loaded or key in self._absent for key in (one, other)):
            tables = table_of(one[0]), table_of(other[0])
            values = list(await self._look_up_both(*tables, one[1], other[1]))
            for key, table in zip((one, other), tables, strict=True):
                mine, values = values[: len(table.columns)], values[len(table.columns) :]
                row = dict(zip(table.columns.keys(), mine, strict=True))
                if row["id"] is None:
                    self._absent.add(key)
                else:
                    self._loaded[key] = restored(key[0], row)
        return await self.get(*one), await self.get(*other)

    async def _look_up(self, table: Table, ids: list[UUID], *, lock: bool) -> list[asyncpg.Record]:
        statement, scope = statements.select_by_ids(table, lock), scope_of(table)
        if lock or (scope is not None and scope.hides and not scope.shows):
            await self.begin()
        records = await (await self._connected()).fetch(statement, ids)
        if len(records) < len(ids) and scope is not None and scope.hides and not self._open:
            # What is not for everybody to see may still be for this caller.
            records = await (await self._looking()).fetch(statement, ids)
        return records

    async def _look_up_both(self, one: Table, other: Table, id_of_one: UUID, id_of_other: UUID) -> asyncpg.Record:
        statement, scopes = statements.select_both(one, other), (scope_of(one), scope_of(other))
        hiding = [scope for scope in scopes if scope is not None and scope.hides]
        if not all(scope.shows for scope in hiding):
            await self.begin()
        [record] = await (await self._connected()).fetch(statement, id_of_one, id_of_other)
        if hiding and None in (record[0], record[len(one.columns)]) and not self._open:
            [record] = await (await self._looking()).fetch(statement, id_of_one, id_of_other)
        return record

    @asynccontextmanager
    async def reaching(self, reach: Reach) -> AsyncGenerator[None]:
        """Reach further than the caller within the block, for a rule that holds across centres.

        What is gathered leaves later, and within the caller's own reach; what is read by id is forgotten after it.
        """
        if reach == self._reach:
            yield
            return
        await self.begin()
        kept = self._reach, self._loaded, self._locked, self._absent
        self._reach, self._loaded, self._locked, self._absent = reach, {}, set(), set()
        await self._connection.execute(statements.telling(reach))
        try:
            yield
        finally:
            self._reach, self._loaded, self._locked, self._absent = kept
            # After an error of the database, its roll-back takes the settings back.
            with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                await self._connection.execute(statements.telling(self._reach))

    # --- how it ends ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Open the transaction now. A transaction of nothing but writes never needs it: one statement is atomic."""
        if not self._open:
            connection = await self._connected()
            # Cancelled while it waits for the answer, it must not be taken for one that never began.
            self._open = True
            await connection.execute(
                f"BEGIN; {statements.telling(self._reach)}" if self._database.is_scoped else "BEGIN"
            )

    async def flush(self) -> None:
        """Send what was gathered, so that the queries that follow see it."""
        await self.begin()
        await self._settle()
        for held in self._held:
            await self._write(held)
        await self._write(self._gathered)

    async def commit(self) -> None:
        await self._settle()
        if self._gathered.updates:
            # That a row is stale is seen after the statement: by itself it would have stored the rest for good.
            await self.begin()
        await self._write(self._gathered)
        if self._open:
            await self._connection.execute("COMMIT")
            self._open = False

    async def release(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._database.lending.give_back(connection)

    async def abandon(self) -> None:
        """Undo everything. Whatever is wrong with the connection, another error is on its way and tells more."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(*CONNECTION_LOST, asyncpg.PostgresError, DatabaseUnavailable):
            try:
                if self._open:
                    await connection.execute("ROLLBACK", timeout=5)
            finally:
                await self._database.lending.discard(connection, timeout_s=5)

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """What the block gathers, reads and flushes is undone together if it raises; the transaction goes on.

        Raises:
            Refusal: a constraint was violated that means one.
        """
        await self.flush()
        await self._connection.execute("SAVEPOINT attempt")
        announced = self.announced
        try:
            try:
                yield
                await self.flush()
            except REFUSED as error:
                self._database.refuse(error)
        except BaseException:
            self._gathered = Gathered()
            self._settling.clear()
            self._loaded.clear()
            self._locked.clear()
            self._absent.clear()
            self.announced = announced
            # Released as well, or one attempt within another would leave its savepoint to the outer one.
            await self._connection.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
            raise
        await self._connection.execute("RELEASE SAVEPOINT attempt")

    @asynccontextmanager
    async def unless_refused(self) -> AsyncGenerator[None]:
        """What the block gathers is forgotten if it raises. Cheaper than `attempt`: nothing is sent.

        A block must decide before it changes a row that it has loaded, and flush, if at all, before it gathers.
        """
        announced = self.announced
        self._held.append(self._gathered)
        self._gathered = Gathered()
        try:
            yield
        except BaseException:
            self._gathered, self.announced = self._held.pop(), announced
            raise
        gathered, self._gathered = self._gathered, self._held.pop()
        self._gathered.absorb(gathered)

    @asynccontextmanager
    async def rehearsal(self) -> AsyncGenerator[None]:
        """What the block does is undone at its end, whatever it is: how it would go, without its happening.

        The database is asked as if it were meant, so its constraints are heard as well. Numbers are not taken.

        Raises:
            Refusal: a constraint was violated that means one.
        """
        await self.flush()
        wrote = self.wrote
        # Sequences are not undone by a rollback. Negative, so that nobody's number is in the way.
        self._rehearsed_numbers = count(-1, -1)
        try:
            with contextlib.suppress(_Rehearsed):
                async with self.attempt():
                    yield
                    await self.flush()
                    raise _Rehearsed
        finally:
            self.wrote, self._rehearsed_numbers = wrote, None

    async def _settle(self) -> None:
        settling, self._settling = self._settling, {}
        for gatherer in settling.values():
            await gatherer.settle(self)

    async def _looking(self) -> Any:
        """A connection for any query: with the transaction open where some rows are out of the caller's reach."""
        if self._database.is_scoped:
            await self.begin()
        return await self._connected()

    async def _connected(self) -> Any:
        if self._connection is None:
            began = time.perf_counter()
            try:
                self._connection = await self._database.lending.take(timeout_s=ACQUIRE_TIMEOUT_S)
            finally:
                waited_s = time.perf_counter() - began
                if waited_s > WAIT_TOLD_FROM_S:
                    WAITED.observe(waited_s)
        return self._connection

    async def _write(self, gathered: Gathered) -> None:
        if not gathered:
            return
        self.wrote = True
        self._new.clear()
        self._absent.clear()
        shape: list[Part] = []
        arguments: list[Any] = []
        updated: list[int] = []
        for table, rows in gathered.inserts.items():
            statements.add(shape, arguments, "insert", table, statements.insert_columns(table), rows)
        for table, keyed in gathered.puts.items():
            statements.add(shape, arguments, "put", table, statements.insert_columns(table), list(keyed.values()))
        for table, changed in gathered.updates.items():
            columns = (*(column.name for column in table.columns), WAS)
            rows = [{**row.__dict__, WAS: was} for row, was in changed.values()]
            statements.add(shape, arguments, "update", table, columns, rows)
            updated.append(len(changed))
        for table, sums in gathered.sums.items():
            key_names = [column.name for column in table.primary_key]
            names = (*key_names, *sorted({name for counters in sums.values() for name in counters}))
            rows = [{**dict.fromkeys(names, 0), **dict(zip(key_names, key, strict=True)), **counters}
                    for key, counters in sums.items()]  # fmt: skip
            statements.add(shape, arguments, "sum", table, names, rows)
        gathered.clear()
        # Not yet told how far the caller reaches: then the statement says it as well.
        tells = not self._open and any(scope_of(table) is not None for _, table, _, _ in shape)
        if tells:
            arguments += self._reach.settings.values()
        counts = await (await self._connected()).fetchrow(statements.writing(tuple(shape), tells), *arguments)
        if updated and list(counts) != updated:
            raise Stale
