"""Signing in and out."""

from datetime import datetime
from uuid import UUID

from services.gateway import credentials, passwords
from services.gateway.commands import throttle
from services.gateway.domain import access as domain
from services.gateway.queries import access as queries
from services.gateway.schemas.access import SignIn
from services.gateway.tables import Session
from shared import journal
from shared.access.principal import EVERYTHING
from shared.database import Database, Transaction
from shared.ids import new_id
from shared.sealed import Seal

_AGENT_LENGTH_MAX = 120
_ACCOUNT = "SELECT id, password FROM account WHERE login_index = $1 AND status <> 'revoked'"
_REHASH = "UPDATE account SET password = $2 WHERE id = $1 AND password = $3"
_END = "UPDATE session SET ended_at = $3 WHERE id = $2 AND account_id = $1 AND ended_at IS NULL RETURNING id"


async def sign_in(
    database: Database, form: SignIn, *, address: str, agent: str, before: UUID | None, seal: Seal, now: datetime
) -> tuple[Session, str]:
    """Begin a session with a login and its password, and end the one `before`; answers its secret as well.

    Several transactions: that it was tried is counted before the password is looked at, and outlives the refusal.

    Raises:
        SignInRefused: there is no such login, or this is not its password.
        TooManySignIns: it was tried too often.
    """
    tried = await throttle.count(database, form.login, address, seal=seal, now=now)
    account = await database.pool.fetchrow(_ACCOUNT, seal.index(form.login, place=queries.LOGIN))
    if not await passwords.is_right(form.password, None if account is None else account["password"]):
        if account is not None:
            async with database.transaction(EVERYTHING) as tx:
                journal.write(
                    tx, by="anyone", what="signed-in", record=f"account/{account['id']}", now=now, outcome="refused"
                )
        raise domain.SignInRefused
    assert account is not None  # noqa: S101  # nobody has no password that is right
    await throttle.forgive(database, tried)
    async with database.transaction(EVERYTHING) as tx:
        if passwords.is_outdated(account["password"]):
            await tx.sql(_REHASH, account["id"], await passwords.hashed(form.password), account["password"])
        return await begin_instead(tx, account["id"], agent=agent, before=before, now=now)


async def begin_instead(
    tx: Transaction, account_id: UUID, *, agent: str, before: UUID | None, now: datetime
) -> tuple[Session, str]:
    """Begin a session and end the one that this browser had before, whosever it was."""
    if before is not None:
        await tx.sql("UPDATE session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL", before, now)
    return begin(tx, account_id, agent=agent, now=now)


def begin(tx: Transaction, account_id: UUID, *, agent: str, now: datetime) -> tuple[Session, str]:
    """Begin a session of somebody who has shown who they are; answers its secret as well."""
    secret = credentials.new_secret()
    session = Session(
        id=new_id(),
        secret=credentials.kept(secret),
        account_id=account_id,
        agent=agent[:_AGENT_LENGTH_MAX],
        made_at=now,
        seen_at=now,
        ends_at=now + domain.SESSION_MAX,
    )
    tx.insert(session)
    journal.write(tx, by=queries.name_of(account_id), what="signed-in", record=f"account/{account_id}", now=now)
    return session, secret


async def end(tx: Transaction, account_id: UUID, session_id: UUID, *, now: datetime) -> None:
    """Sign out of one browser.

    Raises:
        NotKnown: no such session of this account is open.
    """
    if not await tx.sql(_END, account_id, session_id, now):
        raise domain.NotKnown
    journal.write(tx, by=queries.name_of(account_id), what="signed-out", record=f"session/{session_id}", now=now)
