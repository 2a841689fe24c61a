"""A service's own database: its connections, and the transactions on them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

import asyncpg
import orjson
from sqlalchemy import MetaData

from shared.access.principal import Reach
from shared.database.errors import CONNECTION_LOST, REFUSED, DatabaseUnavailable, is_ours, refusals_of
from shared.database.lending import Lending
from shared.database.statements import to_json
from shared.database.transaction import ACQUIRE_TIMEOUT_S, Transaction
from shared.errors import AlreadyExists, OutOfReach, Stale
from shared.metrics import CONNECTIONS, CONNECTIONS_MAX
from shared.reach import scope_of

STATEMENT_MAX_S = 30.0
"""A statement that takes longer is cancelled in the server, and its caller told to try again."""
RELEASE_TIMEOUT_S = 2.0
"""How long the server may take to confirm that a statement was cancelled; then its connection is given up."""
LOCK_TIMEOUT = "2s"
"""How long a transaction waits for another one to end before it begins anew."""


if TYPE_CHECKING:
    AnyPool = asyncpg.Pool[asyncpg.Record]
else:
    AnyPool = asyncpg.Pool


class _Pool(AnyPool):
    """Connections for which nobody waits without end, neither to get one nor to give one back.

    Left alone, a caller whose statement took too long would wait once more as long for word that it was cancelled, and
    one who needs a new connection for a minute: a server that says nothing would be a door that never closes.
    """

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=timeout or ACQUIRE_TIMEOUT_S)

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's
        await super().release(connection, timeout=timeout or RELEASE_TIMEOUT_S)


class Database:
    """A service's own database: a pool of connections and what its constraints mean."""

    def __init__(self, url: str, metadata: MetaData, *, pool_size: int = 10, schema: str | None = None) -> None:
        """`schema` puts one schema first in the search path of every connection (the gateway's read models)."""
        self.url = url
        self.metadata = metadata
        self._pool_size = pool_size
        self._schema = schema
        self._pool: AnyPool | None = None
        self._lending: Lending | None = None
        self._refusals = refusals_of(metadata)
        self.is_scoped = any(scope_of(table) is not None for table in metadata.tables.values())
        """Whether it has rows that not everybody reaches."""
        self.numbers: dict[str, list[int]] = {}
        """Numbers taken from each sequence and not yet handed out."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after every commit that wrote something."""
        self.on_announced: Callable[[], None] = lambda: None
        """Called after a commit that announced something: wakes the relay. Losing a call costs one polling interval."""

    async def open(self) -> None:
        settings = {
            "application_name": "asar",
            "lock_timeout": LOCK_TIMEOUT,
            # With policies woven into it, a statement takes longer to plan than to run (decision 0029).
            "plan_cache_mode": "force_generic_plan",
        }
        if self._schema is not None:
            settings["search_path"] = self._schema
        self._pool = await _Pool(
            self.url,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            min_size=1,
            max_size=self._pool_size,
            max_queries=50_000,
            # Each is a process of the database's, with five megabytes of its own.
            max_inactive_connection_lifetime=60.0,
            loop=None,
            timeout=ACQUIRE_TIMEOUT_S,
            init=_speak_json,
            # No session state is ever left on a connection, so the round trip of asyncpg's own reset buys nothing.
            reset=_leave_as_is,
            command_timeout=STATEMENT_MAX_S,
            server_settings=settings,
        )
        self._lending = Lending(self._pool, size=self._pool_size)

    async def close(self) -> None:
        if self._pool is not None:
            if self._lending is not None:
                await self._lending.close()
            try:
                async with asyncio.timeout(2):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    @property
    def pool(self) -> AnyPool:
        if self._pool is None:
            raise DatabaseUnavailable
        return self._pool

    @property
    def lending(self) -> Lending:
        """Where transactions have their connections from."""
        if self._pool is None or self._lending is None:
            raise DatabaseUnavailable
        return self._lending

    @asynccontextmanager
    async def transaction(self, reach: Reach) -> AsyncGenerator[Transaction]:
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
        idle = pool.get_idle_size() + self.lending.kept
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
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=to_json, decoder=orjson.loads)


async def _leave_as_is(_: Any) -> None:
    return None
