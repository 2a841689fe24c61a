"""People: invited, enrolled, given rights and relieved of them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.gateway import credentials, passwords
from services.gateway.domain import access as domain
from services.gateway.queries import access as queries
from services.gateway.schemas.access import ChangeMe, ChangePassword, Enrol, GiveGrant, Invite
from services.gateway.tables import Account, AccountGrant, Invitation
from shared import journal
from shared.access.permissions import Role
from shared.access.principal import Grant
from shared.database import Transaction
from shared.ids import new_id
from shared.languages import is_language
from shared.sealed import Seal

_LOCK = 0x0A5E
_SUBJECT = "SELECT id FROM account WHERE issuer = $1 AND subject = $2"
_NEW_SUBJECT = """
INSERT INTO account (id, version, status, name, language, issuer, subject, made_by, made_at)
VALUES ($1, 1, 'pending', $2, $3, $4, $5, $6, $7) ON CONFLICT (issuer, subject) DO NOTHING RETURNING id
"""
_NAME_LENGTH_MAX = 200
_LINK = "SELECT id FROM invitation WHERE secret = $1 AND ended_at IS NULL AND ends_at > $2 FOR UPDATE"
_ADMINISTRATORS = """
SELECT count(DISTINCT account_id) FROM accountgrant JOIN account ON account.id = account_id
WHERE role = 'administrator' AND ended_at IS NULL AND status = 'active'
"""
_END_SESSIONS = """
UPDATE session SET ended_at = $2 WHERE account_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3
"""
_END_KEYS = "UPDATE apikey SET ended_at = $3, ended_by = $4 WHERE account_id = $1 AND ended_at IS NULL AND id = ANY($2)"
_KEYS = "SELECT * FROM apikey WHERE account_id = $1 AND ended_at IS NULL"


# --- coming in --------------------------------------------------------------------------------------------------------


def invite(
    tx: Transaction, form: Invite, *, by: str, seal: Seal, now: datetime, life: timedelta = domain.INVITATION_LIFE
) -> tuple[Invitation, str]:
    """Make a link by which somebody gets an account with this grant; answers its secret as well.

    Raises:
        RoleNotForPeople, AdministratorIsForAll, CentresMissing, VolunteerMissing
    """
    domain.require_giveable(grant_of(form), volunteer=form.volunteer_id is not None)
    given = {"role": form.role.value, "volunteer_id": form.volunteer_id, **_places(form)}
    return _link(tx, form.for_whom, given, by=by, seal=seal, now=now, life=life)


async def renew_password(
    tx: Transaction, account_id: UUID, *, by: str, seal: Seal, now: datetime
) -> tuple[Invitation, str]:
    """Make a link by which somebody who has forgotten it sets a new password.

    Raises:
        NotKnown, AccountRevoked
    """
    account = await _living(tx, account_id)
    for_whom = seal.text(account, "name") or ""
    return _link(
        tx, for_whom, {"account_id": account.id}, by=by, seal=seal, now=now, life=domain.ADMINISTRATOR_LINK_LIFE
    )


async def take_back(tx: Transaction, invitation_id: UUID, *, by: str, now: datetime) -> None:
    """End a link that was not used.

    Raises:
        NotKnown: there is none, or it has ended.
    """
    invitation = await tx.get(Invitation, invitation_id, lock=True)
    if invitation is None or invitation.ended_at is not None:
        raise domain.NotKnown
    invitation.ended_at = now
    tx.update(invitation)
    journal.write(tx, by=by, what="invitation-taken-back", record=f"invitation/{invitation.id}", now=now)


async def enrol(tx: Transaction, form: Enrol, *, seal: Seal, now: datetime) -> Account:
    """Use a link: an account is made with its grant, or an existing one gets this password and no sessions.

    Raises:
        LinkUsedOrOver, PasswordTooCommon
        LoginTaken, VolunteerHasAccount (at commit)
    """
    domain.require_uncommon(form.password, login=form.login)
    found = await tx.sql(_LINK, credentials.kept(form.token), now) if credentials.is_secret(form.token) else []
    if not found:
        raise domain.LinkUsedOrOver(pointer="/token")
    invitation = await tx.get(Invitation, found[0]["id"], lock=True)
    # Another request may have used it while this one waited for the lock.
    if invitation is None or invitation.ended_at is not None:
        raise domain.LinkUsedOrOver(pointer="/token")
    password = await passwords.hashed(form.password)
    invitation.ended_at = now
    tx.update(invitation)

    if invitation.account_id is not None:
        account = await _living(tx, invitation.account_id)
        _set_login(account, form, seal)
        account.password = password
        tx.update(account)
        await tx.sql(_END_SESSIONS, account.id, now, None)
        journal.write(tx, by=invitation.made_by, what="password-renewed", record=f"account/{account.id}", now=now)
        return account
    account = Account(
        id=new_id(),
        name=b"",
        password=password,
        volunteer_id=invitation.volunteer_id,
        made_by=invitation.made_by,
        made_at=now,
    )
    _set_login(account, form, seal)
    tx.insert(account)
    _give(
        tx,
        account.id,
        role=str(invitation.role),
        centres=invitation.centres,
        directions=invitation.directions,
        by=invitation.made_by,
        now=now,
    )
    journal.write(tx, by=queries.name_of(account.id), what="enrolled", record=f"invitation/{invitation.id}", now=now)
    return account


async def known_elsewhere(
    tx: Transaction, *, issuer: str, subject: str, name: str, language: str, seal: Seal, now: datetime
) -> UUID:
    """The account of somebody whom an issuer knows; the first time it is made, pending and without rights."""
    found = await tx.sql(_SUBJECT, issuer, subject)
    if not found:
        account_id = new_id()
        spoken = language.partition("-")[0].lower()
        # Two first requests at once make one account.
        found = await tx.sql(
            _NEW_SUBJECT,
            account_id,
            seal.close(_plain(name), place=queries.NAME, row=account_id),
            spoken if is_language(spoken) else "kk",
            issuer,
            subject,
            queries.name_of(account_id),
            now,
        )
        if found:
            journal.write(tx, by=queries.name_of(account_id), what="arrived", record=f"account/{account_id}", now=now)
        else:
            found = await tx.sql(_SUBJECT, issuer, subject)
    return found[0]["id"]


# --- rights -----------------------------------------------------------------------------------------------------------


async def give(tx: Transaction, account_id: UUID, form: GiveGrant, *, by: str, now: datetime) -> AccountGrant:
    """Give somebody a role.

    Raises:
        NotKnown, AccountRevoked, RoleNotForPeople, AdministratorIsForAll, CentresMissing
        VolunteerMissing: the role is a volunteer's, and this account is not one's.
    """
    account = await _living(tx, account_id)
    grant = grant_of(form)
    domain.require_giveable(grant, volunteer=form.role is Role.VOLUNTEER and account.volunteer_id is not None)
    if account.status == "pending":
        account.status = "active"
        tx.update(account)
    return _give(tx, account.id, role=form.role.value, by=by, now=now, **_places(form))


async def withdraw(tx: Transaction, account_id: UUID, grant_id: UUID, *, by: str, now: datetime) -> None:
    """Take a role back, and end the account's keys that reach further than what is left.

    Raises:
        NotKnown: it has no such grant.
        LastAdministrator
    """
    administrators = await _administrators(tx)
    grant = await tx.get(AccountGrant, grant_id, lock=True)
    if grant is None or grant.account_id != account_id or grant.ended_at is not None:
        raise domain.NotKnown
    grant.ended_at, grant.ended_by = now, by
    tx.update(grant)
    journal.write(tx, by=by, what=f"withdrawn-{grant.role}", record=f"account/{account_id}", now=now)
    await tx.flush()
    if administrators and not await _administrators(tx):
        raise domain.LastAdministrator
    await _end_keys_beyond(tx, account_id, await queries.grants_of(tx, account_id), by=by, now=now)


async def revoke(tx: Transaction, account_id: UUID, *, by: str, now: datetime) -> Account:
    """Shut somebody out for good: sessions and keys end, the login is free again. Twice is once.

    Raises:
        NotKnown
        LastAdministrator
    """
    administrators = await _administrators(tx)
    account = await tx.get(Account, account_id, lock=True)
    if account is None:
        raise domain.NotKnown
    if account.status == "revoked":
        return account
    account.status = "revoked"
    account.login = account.login_index = account.password = None
    tx.update(account)
    journal.write(tx, by=by, what="account-revoked", record=f"account/{account.id}", now=now)
    await tx.flush()
    if administrators and not await _administrators(tx):
        raise domain.LastAdministrator
    await tx.sql(_END_SESSIONS, account.id, now, None)
    await _end_keys_beyond(tx, account.id, [], by=by, now=now)
    return account


# --- one's own --------------------------------------------------------------------------------------------------------


async def change_me(tx: Transaction, account_id: UUID, form: ChangeMe, *, seal: Seal) -> Account:
    """Be called or spoken to otherwise.

    Raises:
        NotKnown
    """
    account = await _living(tx, account_id)
    account.name = seal.close(form.name, place=queries.NAME, row=account.id)
    account.language = form.language
    tx.update(account)
    return account


async def change_password(
    tx: Transaction, account_id: UUID, form: ChangePassword, *, session_id: UUID | None, seal: Seal, now: datetime
) -> None:
    """Set a new password and end all sessions but this one.

    Raises:
        NoPasswordHere, OldPasswordWrong, PasswordTooCommon
    """
    account = await _living(tx, account_id)
    if account.password is None or account.login is None:
        raise domain.NoPasswordHere
    if not await passwords.is_right(form.old_password, account.password):
        raise domain.OldPasswordWrong(pointer="/old_password")
    domain.require_uncommon(form.password, login=seal.open_text(account.login, place=queries.LOGIN, row=account.id))
    account.password = await passwords.hashed(form.password)
    tx.update(account)
    await tx.flush()
    await tx.sql(_END_SESSIONS, account.id, now, session_id)
    journal.write(tx, by=queries.name_of(account.id), what="password-changed", record=f"account/{account.id}", now=now)


# --- parts of the above -----------------------------------------------------------------------------------------------


def grant_of(form: GiveGrant) -> Grant:
    """The grant that a form means."""
    return Grant(
        role=form.role,
        centres=None if form.centres is None else frozenset(form.centres),
        directions=None if form.directions is None else frozenset(form.directions),
    )


def _plain(name: str) -> str:
    """A name of somebody else's making, without what cannot be shown."""
    return "".join(letter for letter in name if letter.isprintable())[:_NAME_LENGTH_MAX] or "-"


def _places(form: GiveGrant) -> dict[str, list[str] | None]:
    return {
        "centres": None if form.centres is None else sorted(map(str, set(form.centres))),
        "directions": None if form.directions is None else sorted(set(form.directions)),
    }


def _link(
    tx: Transaction, for_whom: str, given: dict[str, Any], *, by: str, seal: Seal, now: datetime, life: timedelta
) -> tuple[Invitation, str]:
    secret, invitation_id = credentials.new_secret(), new_id()
    invitation = Invitation(
        id=invitation_id,
        secret=credentials.kept(secret),
        for_whom=seal.close(for_whom, place=queries.FOR_WHOM, row=invitation_id),
        made_by=by,
        made_at=now,
        ends_at=now + life,
        **given,
    )
    tx.insert(invitation)
    journal.write(tx, by=by, what="invited", record=f"invitation/{invitation.id}", now=now)
    return invitation, secret


def _set_login(account: Account, form: Enrol, seal: Seal) -> None:
    account.login = seal.close(form.login, place=queries.LOGIN, row=account.id)
    account.login_index = seal.index(form.login, place=queries.LOGIN)
    account.name = seal.close(form.name, place=queries.NAME, row=account.id)
    account.language = form.language


def _give(
    tx: Transaction,
    account_id: UUID,
    *,
    role: str,
    centres: list[str] | None,
    directions: list[str] | None,
    by: str,
    now: datetime,
) -> AccountGrant:
    grant = AccountGrant(
        id=new_id(),
        account_id=account_id,
        role=role,
        centres=centres,
        directions=directions,
        given_by=by,
        given_at=now,
    )
    tx.insert(grant)
    journal.write(tx, by=by, what=f"granted-{role}", record=f"account/{account_id}", now=now)
    return grant


async def _living(tx: Transaction, account_id: UUID) -> Account:
    account = await tx.get(Account, account_id, lock=True)
    if account is None:
        raise domain.NotKnown
    if account.status == "revoked":
        raise domain.AccountRevoked
    return account


async def _administrators(tx: Transaction) -> int:
    """How many there are. Who asks stands in line: two that each shut the other out would leave nobody."""
    await tx.begin()
    await tx.sql("SELECT pg_advisory_xact_lock($1)", _LOCK)
    return (await tx.sql(_ADMINISTRATORS))[0][0]


async def _end_keys_beyond(tx: Transaction, account_id: UUID, grants: list[Grant], *, by: str, now: datetime) -> None:
    beyond = [
        row["id"] for row in await tx.sql(_KEYS, account_id) if not domain.covers(grants, queries.key_grant_of(row))
    ]
    await tx.sql(_END_KEYS, account_id, beyond, now, by)
