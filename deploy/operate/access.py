"""`asar access`: who may come in, settled by whoever can read the data folder.

It writes into the gateway's database itself; a running gateway heeds what is ended here within seconds
(`services.gateway.authentication.KEPT_S`).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from deploy.local import state
from deploy.local.installation import Installation
from deploy.local.refusals import CannotRun
from services.gateway.commands import accounts, keys
from services.gateway.domain.access import ADMINISTRATOR_LINK_LIFE
from services.gateway.queries import access as queries
from services.gateway.schemas.access import Invite, MakeKey
from services.gateway.tables import Base
from shared import clock
from shared.access.permissions import Permission, Role
from shared.access.principal import EVERYTHING
from shared.database import Database, DatabaseUnavailable, Transaction
from shared.errors import Refusal
from shared.sealed import Seal

OPERATOR = "operator"
"""How whoever sits at the machine is called in the journal."""
_SHOWN_MAX = 10_000
_OWN_KEYS = """
SELECT id FROM apikey WHERE made_by = $1 AND name = $2 AND account_id IS NULL AND ended_at IS NULL AND id <> $3
"""
_BY_KEY_ID = "SELECT id FROM apikey WHERE key_id = $1"

Answer = TypeVar("Answer")


class Known(NamedTuple):
    """Somebody, or some key, that may come in."""

    id: str
    name: str
    what: str
    until: datetime | None = None


class Access:
    """Who may come into one installation, whose database must be running."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._seal = Seal(installation.keys)

    async def link(self, *, only_first: bool = False) -> str | None:
        """A new administrator's link, for half an hour and one use; `only_first`: None where there is one already."""
        async with self._transaction() as tx:
            if only_first and await queries.is_administered(tx):
                return None
            _, secret = accounts.invite(
                tx,
                Invite(for_whom="administrator", role=Role.ADMINISTRATOR, centres=None),
                by=OPERATOR,
                seal=self._seal,
                now=clock.now(),
                life=ADMINISTRATOR_LINK_LIFE,
            )
        published = state.read(self._installation.state_file)
        address = self._installation.address if published is None else published.address
        return f"{address}/enrolment/{secret}"

    async def key(self, form: MakeKey, *, alone: bool = False) -> str:
        """A new key; `alone` ends all others of its name that were made here.

        Raises:
            CannotRun: such a key cannot be made.
        """
        now = clock.now()
        async with self._transaction() as tx:
            key, text = await keys.make(tx, form, account_id=None, by=OPERATOR, environment="development", now=now)
            if alone:
                for row in await tx.sql(_OWN_KEYS, OPERATOR, form.name, key.id):
                    keys.end(tx, await keys.key_of(tx, row["id"], account_id=None), by=OPERATOR, now=now)
        return text

    async def accounts(self) -> list[Known]:
        async with self._transaction() as tx:
            rows = await queries.accounts(tx, after=None, fetch=_SHOWN_MAX, seal=self._seal)
        return [Known(str(row["id"]), row["login"] or row["name"], _roles(row)) for row in rows]

    async def keys(self) -> list[Known]:
        async with self._transaction() as tx:
            rows = await queries.keys(tx, account_id=None, after=None, fetch=_SHOWN_MAX, now=clock.now())
        return [Known(row["key_id"], row["name"], ", ".join(row["permissions"]), row["ends_at"]) for row in rows]

    async def revoke(self, what: str) -> None:
        """End a key, by its id or the part of it that is shown, or shut somebody out.

        Raises:
            CannotRun: there is no such key or account, or it is the last administrator's.
        """
        now = clock.now()
        async with self._transaction() as tx:
            found = await tx.sql(_BY_KEY_ID, what)
            if found:
                keys.end(tx, await keys.key_of(tx, found[0]["id"], account_id=None), by=OPERATOR, now=now)
                return
            try:
                account_id = UUID(what)
            except ValueError:
                raise CannotRun(f"There is no key {what}; `asar access keys` lists them.") from None
            await accounts.revoke(tx, account_id, by=OPERATOR, now=now)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Transaction]:
        database = Database(self._installation.database_url("gateway"), Base.metadata, pool_size=2)
        try:
            await database.open()
            async with database.transaction(EVERYTHING) as tx:
                yield tx
        except (OSError, asyncpg.PostgresError, DatabaseUnavailable) as error:
            raise CannotRun(
                f"Asar is not running on {self._installation.data_dir}: start it with `asar up`."
            ) from error
        except Refusal as refusal:
            raise CannotRun(str(refusal)) from refusal
        finally:
            await database.close()


def wanted(
    name: str, role: str | None, permissions: list[str], centres: list[str], directions: list[str], days: int
) -> MakeKey:
    """What the options of `asar access key` ask for.

    Raises:
        CannotRun: one of them is not as it must be.
    """
    try:
        return MakeKey.model_validate(
            {
                "name": name,
                "role": role,
                "permissions": permissions,
                "centres": centres or None,
                "directions": directions or None,
                "ends_at": (clock.now() + timedelta(days=days)).isoformat(),
            }
        )
    except ValidationError as error:
        known = f"Roles: {', '.join(Role)}. Permissions: {', '.join(Permission)}."
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors())
        raise CannotRun(f"Not as it must be: {wrong}. {known}") from None


def ask(installation: Installation, question: Callable[[Access], Coroutine[Any, Any, Answer]]) -> Answer:
    """The answer of an installation."""
    return asyncio.run(question(Access(installation)))


def _roles(account: dict[str, Any]) -> str:
    roles = ", ".join(grant["role"] for grant in account["grants"])
    return roles if account["status"] == "active" else f"{account['status']} {roles}".strip()
