"""One request or one message is one transaction; only this module commits.

A command says what it means (`tx.insert(volunteer)`, `tx.announce(VolunteerRegistered(...))`); the gathered rows leave
as one cached statement at commit, together with the outbox and the idempotency record. Reads go out at once; a locking
read opens the transaction. How far the caller reaches travels with the first statement, and PostgreSQL holds all that
follow to it (`shared.reach`). Why not SQLAlchemy's session: decision 0004.
"""
# ruff: noqa: S608 - the names in this module's SQL are those of our own tables; values are always parameters.

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any, NoReturn, Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Column, MetaData, Sequence, String, Table
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import ClauseElement
from sqlmodel import SQLModel

from shared.access.principal import NOTHING, Reach
from shared.contracts.envelope import DomainEvent, envelop
from shared.errors import AlreadyExists, OutOfReach, PreconditionFailed, Refusal, Stale, Unavailable
from shared.metrics import CONNECTIONS, CONNECTIONS_MAX, WAITED
from shared.preconditions import Expected
from shared.reach import scope_of
from shared.refused_as import REFUSED_AS
from shared.rows import restored

Row = TypeVar("Row", bound=SQLModel)
Row2 = TypeVar("Row2", bound=SQLModel)


class Gathering(Protocol):
    """What collects changes over a transaction that are cheaper made together."""

    async def settle(self, tx: "Transaction") -> None:
        """Read what must be read, and gather the rows that result."""
        ...


Settling = TypeVar("Settling", bound=Gathering)

_DIALECT = asyncpg_dialect()


class _Rehearsed(Exception):
    """Ends a rehearsal, so that its savepoint is rolled back."""


NUMBERS_AT_ONCE = 100
"""The increment of a number sequence: a process takes so many at once and hands them out itself."""

STATEMENT_MAX_S = 30.0
"""A statement that takes longer is cancelled in the server, and its caller told to try again."""
LOCK_TIMEOUT = "2s"
"""How long a transaction waits for another one to end before it begins anew."""

ACQUIRE_TIMEOUT_S = 10.0
"""How long a request waits for a free connection before it is told to come again."""

WAIT_TOLD_FROM_S = 0.005
"""A shorter wait for a connection is no news."""

CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg raises this one, not a connection error, when the server dies in mid-answer.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    OSError,
    TimeoutError,
)
"""What means "the database does not answer just now" when asyncpg raises it: worth another try, nobody's mistake."""

REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
"""What means that a row may not be as it is: a constraint says so, or the policies of who reaches it."""

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""What means "two transactions stood in each other's way": the loser is simply run again."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer at the moment; try again."""


class Database:
    """A service's own database: a pool of connections and what its constraints mean."""

    def __init__(self, url: str, metadata: MetaData, *, pool_size: int = 10, schema: str | None = None) -> None:
        """`schema` puts one schema first in the search path of every connection (the gateway's read models)."""
        self.url = url
        self.metadata = metadata
        self._pool_size = pool_size
        self._schema = schema
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._refusals = _refusals_of(metadata)
        self.is_scoped = any(scope_of(table) is not None for table in metadata.tables.values())
        """Whether it has rows that not everybody reaches."""
        self.numbers: dict[str, list[int]] = {}
        """Numbers taken from each sequence and not yet handed out."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after every commit that wrote something."""
        self.on_announced: Callable[[], None] = lambda: None
        """Called after a commit that announced something: wakes the relay. Losing a call costs one polling interval."""

    async def open(self) -> None:
        settings = {"application_name": "asar", "lock_timeout": LOCK_TIMEOUT}
        if self._schema is not None:
            settings["search_path"] = self._schema
        self._pool = await asyncpg.create_pool(
            self.url,
            min_size=1,
            max_size=self._pool_size,
            init=_speak_json,
            # No session state is ever left on a connection, so the round trip of asyncpg's own reset buys nothing.
            reset=_leave_as_is,
            command_timeout=STATEMENT_MAX_S,
            server_settings=settings,
        )

    async def close(self) -> None:
        if self._pool is not None:
            try:
                await asyncio.wait_for(self._pool.close(), timeout=2)
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        if self._pool is None:
            raise DatabaseUnavailable
        return self._pool

    @asynccontextmanager
    async def transaction(self, reach: Reach) -> AsyncGenerator["Transaction"]:
        """Commit what the block gathered; if it raises, nothing happened. It sees and changes what is within `reach`.

        Raises:
            Refusal: a constraint was violated that means one (`refused_as`).
            OutOfReach: a row is not the caller's to add or change.
            DatabaseUnavailable: the database did not answer; whether the commit took place is then unknown.
        """
        tx = Transaction(self, reach)
        try:
            try:
                yield tx
                await tx.commit()
            except REFUSED as error:
                self.refuse(error)
            except CONNECTION_LOST as error:
                if is_ours(error):
                    raise DatabaseUnavailable from error
                raise
        except BaseException:
            await tx.abandon()
            raise
        await tx.release()
        if tx.wrote:
            self.on_commit()
        if tx.announced:
            self.on_announced()

    def refuse(self, error: asyncpg.PostgresError) -> NoReturn:
        """Raise what the violated constraint means to a caller; the error itself where it means nothing to one."""
        name = str(error.as_dict().get("constraint_name") or "")
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            # A right that the service's role was not given is our mistake, and has the same code.
            if name or error.as_dict().get("server_source_function") == _CHECKS_POLICIES:
                raise OutOfReach from error
            raise error
        if name in self._refusals:
            raise self._refusals[name]() from error
        if name == "outbox_version":
            # Of the row and what is announced of it, the latter is refused first. Only a new aggregate begins at 1.
            raise (AlreadyExists if ", 1)" in str(error.as_dict().get("detail")) else Stale)() from error
        if isinstance(error, asyncpg.UniqueViolationError) and name.endswith("_pkey"):
            raise AlreadyExists from error
        raise error

    async def ping(self) -> None:
        """Raises unless the database answers."""
        await self.pool.fetchval("SELECT 1", timeout=2)

    async def bytes(self) -> int:
        """Its size on disk."""
        return int(await self.pool.fetchval("SELECT pg_database_size(current_database())"))

    def tell(self, name: str) -> None:
        """Have Prometheus know how much of the pool is in use."""
        pool = self.pool
        idle = pool.get_idle_size()
        CONNECTIONS.labels(name, "used").set(pool.get_size() - idle)
        CONNECTIONS.labels(name, "idle").set(idle)
        CONNECTIONS_MAX.labels(name).set(pool.get_max_size())


def role_of(url: str) -> str | None:
    """As whom a database's address connects; None where it leaves that to the environment."""
    user = urlsplit(url).username
    return None if user is None else unquote(user)


_CHECKS_POLICIES = "ExecWithCheckOptions"
"""PostgreSQL's function that says so: its words depend on the server's language."""


async def _speak_json(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=orjson.loads)


def _to_json(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _leave_as_is(_: Any) -> None:
    return None


def is_ours(error: BaseException) -> bool:
    """Whether one of `CONNECTION_LOST` came out of asyncpg: OSError and TimeoutError may come from anywhere."""
    if not isinstance(error, OSError):
        return True
    place = error.__traceback__
    while place is not None:
        if str(place.tb_frame.f_globals.get("__name__")).startswith("asyncpg."):
            return True
        place = place.tb_next
    return False


def _refusals_of(metadata: MetaData) -> dict[str, type[Refusal]]:
    named: dict[str, type[Refusal]] = {}
    for table in metadata.tables.values():
        for rule in [*table.constraints, *table.indexes]:
            refusal = rule.info.get(REFUSED_AS)
            if refusal is not None:
                # An unnamed primary key is called so by PostgreSQL.
                named[str(rule.name or f"{table.name}_pkey")] = refusal
    return named


@dataclass
class _Gathered:
    """Rows that leave with the next statement, in the order in which they were gathered, by table and kind of write."""

    inserts: dict[Table, list[Mapping[str, Any]]] = field(default_factory=dict[Table, list[Mapping[str, Any]]])
    puts: dict[Table, dict[tuple[Any, ...], Mapping[str, Any]]] = field(
        default_factory=dict[Table, dict[tuple[Any, ...], Mapping[str, Any]]]
    )
    updates: dict[Table, dict[UUID, tuple[SQLModel, int]]] = field(
        default_factory=dict[Table, dict[UUID, tuple[SQLModel, int]]]
    )
    sums: dict[Table, dict[tuple[Any, ...], dict[str, int]]] = field(
        default_factory=dict[Table, dict[tuple[Any, ...], dict[str, int]]]
    )

    def __bool__(self) -> bool:
        return bool(self.inserts or self.puts or self.updates or self.sums)

    def clear(self) -> None:
        for writes in (self.inserts, self.puts, self.updates, self.sums):
            writes.clear()

    def absorb(self, other: "_Gathered") -> None:
        for table, rows in other.inserts.items():
            self.inserts.setdefault(table, []).extend(rows)
        for table, keyed in other.puts.items():
            self.puts.setdefault(table, {}).update(keyed)
        for table, changed in other.updates.items():
            mine = self.updates.setdefault(table, {})
            for identity, (row, was) in changed.items():
                mine.setdefault(identity, (row, was))
        for table, sums in other.sums.items():
            for key, counters in sums.items():
                self.increase(table, key, counters)

    def increase(self, table: Table, key: tuple[Any, ...], amounts: Mapping[str, int]) -> None:
        counters = self.sums.setdefault(table, {}).setdefault(key, {})
        for name, amount in amounts.items():
            counters[name] = counters.get(name, 0) + amount


class Transaction:
    """What one request or one message does to a service's database."""

    def __init__(self, database: Database, reach: Reach) -> None:
        self._database = database
        self._reach: Reach = reach
        self._connection: Any = None
        self._open = False
        self._gathered = _Gathered()
        self._held: list[_Gathered] = []
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
            self._gathered.inserts.setdefault(_table(type(row)), []).append(row.__dict__)
            self._new[id(row.__dict__)] = row.__dict__

    def put(self, *rows: SQLModel) -> None:
        """Add rows or replace those of the same key; of two with one key the later wins."""
        for row in rows:
            table = _table(type(row))
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
            self._gathered.updates.setdefault(_table(type(row)), {}).setdefault(values["id"], (row, was))

    def increase(self, table_class: type[SQLModel], key: Mapping[str, Any], **amounts: int) -> None:
        """Add amounts to the counters of the row with this key; a new row begins with the server's defaults."""
        table = _table(table_class)
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
        sql, names, defaults = _compiled(statement)
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
            for record in await self._look_up(_table(table_class), missing, lock=lock):
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
            tables = _table(one[0]), _table(other[0])
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
        statement, scope = _select_by_ids(table, lock), scope_of(table)
        if lock or (scope is not None and scope.hides and not scope.shows):
            await self.begin()
        records = await (await self._connected()).fetch(statement, ids)
        if len(records) < len(ids) and scope is not None and scope.hides and not self._open:
            # What is not for everybody to see may still be for this caller.
            records = await (await self._looking()).fetch(statement, ids)
        return records

    async def _look_up_both(self, one: Table, other: Table, id_of_one: UUID, id_of_other: UUID) -> asyncpg.Record:
        statement, scopes = _select_both(one, other), (scope_of(one), scope_of(other))
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
        await self._connection.execute(_settings(reach))
        try:
            yield
        finally:
            self._reach, self._loaded, self._locked, self._absent = kept
            # After an error of the database, its roll-back takes the settings back.
            with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                await self._connection.execute(_settings(self._reach))

    # --- how it ends ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Open the transaction now. A transaction of nothing but writes never needs it: one statement is atomic."""
        if not self._open:
            connection = await self._connected()
            # Cancelled while it waits for the answer, it must not be taken for one that never began.
            self._open = True
            await connection.execute(f"BEGIN; {_settings(self._reach)}" if self._database.is_scoped else "BEGIN")

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
            await self._database.pool.release(connection)

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
                await self._database.pool.release(connection, timeout=5)

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
            self._gathered = _Gathered()
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
        self._gathered = _Gathered()
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
                self._connection = await self._database.pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
            finally:
                waited_s = time.perf_counter() - began
                if waited_s > WAIT_TOLD_FROM_S:
                    WAITED.observe(waited_s)
        return self._connection

    async def _write(self, gathered: _Gathered) -> None:
        if not gathered:
            return
        self.wrote = True
        self._new.clear()
        self._absent.clear()
        shape: list[_Part] = []
        arguments: list[Any] = []
        updated: list[int] = []
        for table, rows in gathered.inserts.items():
            _add(shape, arguments, "insert", table, _insert_columns(table), rows)
        for table, keyed in gathered.puts.items():
            _add(shape, arguments, "put", table, _insert_columns(table), list(keyed.values()))
        for table, changed in gathered.updates.items():
            columns = (*(column.name for column in table.columns), _WAS)
            rows = [{**row.__dict__, _WAS: was} for row, was in changed.values()]
            _add(shape, arguments, "update", table, columns, rows)
            updated.append(len(changed))
        for table, sums in gathered.sums.items():
            key_names = [column.name for column in table.primary_key]
            names = (*key_names, *sorted({name for counters in sums.values() for name in counters}))
            rows = [{**dict.fromkeys(names, 0), **dict(zip(key_names, key, strict=True)), **counters}
                    for key, counters in sums.items()]  # fmt: skip
            _add(shape, arguments, "sum", table, names, rows)
        gathered.clear()
        # Not yet told how far the caller reaches: then the statement says it as well.
        tells = not self._open and any(scope_of(table) is not None for _, table, _, _ in shape)
        if tells:
            arguments += self._reach.settings.values()
        counts = await (await self._connected()).fetchrow(_statement(tuple(shape), tells), *arguments)
        if updated and list(counts) != updated:
            raise Stale


_Part = tuple[str, Table, tuple[str, ...], bool]
_JSONB = "JSONB"
_REACH = "reach"
_WAS = "version read"
"""The extra column of an update: the version that the stored row must still have."""


def _add(
    shape: list[_Part],
    arguments: list[Any],
    kind: str,
    table: Table,
    columns: tuple[str, ...],
    rows: Collection[Mapping[str, Any]],
) -> None:
    many = len(rows) > 1
    shape.append((kind, table, columns, many))
    json = _json_columns(table)
    for column in columns:
        values = [row.get(column) for row in rows]
        if column in json:
            # As text: asyncpg takes an array of JSON lists for one array of several dimensions.
            values = [None if value is None else _to_json(value) for value in values]
        arguments.append(values if many else values[0])


@lru_cache(maxsize=1024)
def _statement(shape: tuple[_Part, ...], tells: bool = False) -> str:
    """The one statement for writes of this shape: each part a CTE; updates answer how many rows they met.

    One that `tells` sets the caller's reach first. Rows are made of the CTE that does, so no policy is asked before.
    """
    parts: list[str] = []
    counted: list[str] = []
    position = 1
    for number, (kind, table, columns, many) in enumerate(shape):
        quoted = [f'"{name}"' for name in columns]
        types = ["BIGINT" if name == _WAS else _type_of(table.columns[name]) for name in columns]
        sent = [f"${position + i}::{'TEXT' if t == _JSONB else t}{'[]' if many else ''}" for i, t in enumerate(types)]
        position += len(columns)
        given = f"unnest({', '.join(sent)})" if many else f"(SELECT {', '.join(sent)})"
        read = ", ".join(f"{q}::{_JSONB} AS {q}" if t == _JSONB else q for q, t in zip(quoted, types, strict=True))
        told = f"{_REACH}, " if tells else ""
        source = f"SELECT {read} FROM {told}{given} AS given({', '.join(quoted)})"
        into = f'INSERT INTO "{table.name}" ({", ".join(quoted)}) {source}'
        key = [column.name for column in table.primary_key]
        named = ", ".join(f'"{name}"' for name in key)
        conflict = f" ON CONFLICT ({named}) DO "
        match kind:
            case "insert":
                parts.append(f"w{number} AS ({into})")
            case "put":
                sets = [f'"{name}" = excluded."{name}"' for name in columns if name not in key]
                parts.append(f"w{number} AS ({into}{conflict}{'UPDATE SET ' + ', '.join(sets) if sets else 'NOTHING'})")
            case "sum":
                sets = [f'"{n}" = "{table.name}"."{n}" + excluded."{n}"' for n in columns if n not in key]
                parts.append(f"w{number} AS ({into}{conflict}UPDATE SET {', '.join(sets)})")
            case _:
                sets = [f'"{name}" = given."{name}"' for name in columns if name not in ("id", _WAS)]
                parts.append(
                    f'w{number} AS (UPDATE "{table.name}" SET {", ".join(sets)} FROM ({source}) AS given'
                    f' WHERE "{table.name}".id = given.id AND "{table.name}".version = given."{_WAS}" RETURNING 1)'
                )
                counted.append(f"(SELECT count(*)::int FROM w{number})")
    if tells:
        settings = [f"set_config('{name}', ${position + i}, true)" for i, name in enumerate(NOTHING.settings)]
        parts.insert(0, f"{_REACH} AS MATERIALIZED (SELECT {', '.join(settings)})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(f'{c} AS c{i}' for i, c in enumerate(counted)) or '1'}"


def _settings(reach: Reach) -> str:
    """For this transaction only. Sent with its BEGIN, so that it costs no round trip."""
    quoted = [(name, value.replace("'", "''")) for name, value in reach.settings.items()]
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in quoted)


@lru_cache(maxsize=256)
def _insert_columns(table: Table) -> tuple[str, ...]:
    """All columns but those that the database fills in by itself."""
    return tuple(c.name for c in table.columns if c.identity is None and c.server_default is None)


@lru_cache(maxsize=256)
def _json_columns(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.columns if _type_of(column) == _JSONB)


@lru_cache(maxsize=1024)
def _type_of(column: "Column[Any]") -> str:
    # A cast to VARCHAR(n) would cut a text that is too long; the column itself refuses it.
    return "TEXT" if isinstance(column.type, String) else column.type.compile(dialect=_DIALECT)


def _table(table_class: type[SQLModel]) -> Table:
    return table_class.__table__  # type: ignore[attr-defined]  # SQLModel does not declare it


@lru_cache(maxsize=256)
def _select_by_ids(table: Table, lock: bool) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    # NO KEY UPDATE leaves foreign keys of others' inserts unblocked.
    locking = " FOR NO KEY UPDATE" if lock else ""
    return f'SELECT {columns} FROM "{table.name}" WHERE id = ANY($1::uuid[]) ORDER BY id{locking}'


@lru_cache(maxsize=256)
def _select_both(one: Table, other: Table) -> str:
    columns = ", ".join(
        f'{alias}."{column.name}"' for alias, table in (("a", one), ("b", other)) for column in table.columns
    )
    return (
        f"SELECT {columns} FROM (SELECT 1) AS always"
        f' LEFT JOIN "{one.name}" AS a ON a.id = $1 LEFT JOIN "{other.name}" AS b ON b.id = $2'
    )


@lru_cache(maxsize=512)
def _compiled(statement: ClauseElement) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """asyncpg's SQL of a statement, the order of its parameters, and the values it holds itself.

    Cached by the statement's identity: write a hot query as a module constant with `bindparam`.
    """
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    names = tuple(getattr(compiled, "positiontup", None) or ())
    own: Mapping[str, Any] = compiled.params or {}
    return str(compiled), names, {name: value for name, value in own.items() if value is not None}
