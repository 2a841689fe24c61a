"""Every question about who may come in; names and logins are opened here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared import journal
from shared.access.permissions import Permission, Role
from shared.access.principal import Grant, Principal
from shared.database import Transaction
from shared.sealed import Seal

LOGIN = "account.login"
NAME = "account.name"
FOR_WHOM = "invitation.for_whom"
"""The places in which these are sealed."""

_GRANT = """
jsonb_build_object('id', g.id, 'role', g.role, 'centres', g.centres, 'directions', g.directions,
    'given_by', g.given_by, 'given_at', g.given_at)
"""
_ACCOUNTS = f"""
SELECT a.*, coalesce(jsonb_agg({_GRANT} ORDER BY g.id) FILTER (WHERE g.id IS NOT NULL), '[]') AS grants
FROM account AS a LEFT JOIN accountgrant AS g ON g.account_id = a.id AND g.ended_at IS NULL
"""  # noqa: S608  # from this module
_ACCOUNT = _ACCOUNTS + "WHERE a.id = $1 GROUP BY a.id"
_ALL_ACCOUNTS = _ACCOUNTS + "WHERE a.id > $1 GROUP BY a.id ORDER BY a.id LIMIT $2"
_GRANTS = "SELECT role, centres, directions FROM accountgrant WHERE account_id = $1 AND ended_at IS NULL"
_SESSIONS = """
SELECT * FROM session WHERE account_id = $1 AND ended_at IS NULL AND ends_at > $2 AND seen_at > $3 ORDER BY id DESC
"""
_INVITATIONS = "SELECT * FROM invitation WHERE ended_at IS NULL AND ends_at > $1 AND id > $2 ORDER BY id LIMIT $3"
_KEYS = "SELECT * FROM apikey WHERE ended_at IS NULL AND ends_at > $1 AND id > $2 {mine} ORDER BY id LIMIT $3"
_ALL_KEYS, _OWN_KEYS = _KEYS.format(mine=""), _KEYS.format(mine="AND account_id = $4")
_ADMINISTRATORS = """
SELECT count(*) FROM accountgrant JOIN account ON account.id = account_id
WHERE role = 'administrator' AND ended_at IS NULL AND status = 'active'
"""
_USABLE = """
SELECT i.account_id, a.name, a.login, a.id FROM invitation AS i LEFT JOIN account AS a ON a.id = i.account_id
WHERE i.secret = $1 AND i.ended_at IS NULL AND i.ends_at > $2
"""
_TO_EXPORT = "SELECT * FROM account WHERE volunteer_id = $1 ORDER BY id"
_SESSIONS_TO_EXPORT = (
    "SELECT agent, made_at, seen_at, ended_at FROM session WHERE account_id = ANY($1::uuid[]) ORDER BY id"
)
_FIRST = UUID(int=0)
_SIGNED_IN = Grant(role=Role.ANYONE, permissions=frozenset({Permission.OWN_ACCOUNT}))
"""What everybody may who has signed in, whatever else they were given."""


def name_of(account_id: UUID) -> str:
    """How a person is called in journals and tokens."""
    return f"person:{account_id}"


def grant_of(row: Mapping[str, Any] | asyncpg.Record) -> Grant:
    """The role of a row, and where it holds."""
    return Grant(role=Role(row["role"]), centres=_ids(row["centres"]), directions=_words(row["directions"]))


def key_grant_of(row: Mapping[str, Any] | asyncpg.Record) -> Grant:
    """What a key may, word by word, and where."""
    # A permission that is no more gives nothing, and must not shut out those beside it.
    permissions = frozenset(Permission(word) for word in row["permissions"] if word in set(Permission))
    return Grant(
        role=Role.SYSTEM,
        permissions=permissions,
        centres=_ids(row["centres"]),
        directions=_words(row["directions"]),
    )


def person_of(row: Mapping[str, Any] | asyncpg.Record) -> Principal:
    """Somebody who has signed in: `account_id`, `volunteer_id` and `grants`."""
    return Principal(
        id=name_of(row["account_id"]),
        kind="person",
        grants=(_SIGNED_IN, *(grant_of(grant) for grant in row["grants"])),
        volunteer_id=row["volunteer_id"],
    )


async def account(tx: Transaction, account_id: UUID, *, seal: Seal) -> dict[str, Any] | None:
    """One person, with the grants that they have."""
    rows = await tx.sql(_ACCOUNT, account_id)
    return _opened(rows[0], seal) if rows else None


async def accounts(tx: Transaction, *, after: UUID | None, fetch: int, seal: Seal) -> list[dict[str, Any]]:
    return [_opened(row, seal) for row in await tx.sql(_ALL_ACCOUNTS, after or _FIRST, fetch)]


async def grants_of(tx: Transaction, account_id: UUID) -> list[Grant]:
    """What somebody may at the moment."""
    return [grant_of(row) for row in await tx.sql(_GRANTS, account_id)]


async def sessions_of(
    tx: Transaction, account_id: UUID, *, now: datetime, idle_since: datetime
) -> list[asyncpg.Record]:
    """Where somebody is signed in, the newest first."""
    return await tx.sql(_SESSIONS, account_id, now, idle_since)


async def invitations(
    tx: Transaction, *, after: UUID | None, fetch: int, now: datetime, seal: Seal
) -> list[dict[str, Any]]:
    """The links that can still be used."""
    return [opened_invitation(dict(row), seal) for row in await tx.sql(_INVITATIONS, now, after or _FIRST, fetch)]


async def usable_link(tx: Transaction, kept: bytes, *, now: datetime, seal: Seal) -> dict[str, Any] | None:
    """Whose link this is, if it can still be used: no account's yet, or that of somebody who sets a new password."""
    rows = await tx.sql(_USABLE, kept, now)
    if not rows:
        return None
    return {"account_id": None, "name": "", "login": ""} if rows[0]["id"] is None else _opened(rows[0], seal)


def opened_invitation(row: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    return {**row, "for_whom": seal.open_text(row["for_whom"], place=FOR_WHOM, row=row["id"])}


async def keys(
    tx: Transaction, *, account_id: UUID | None, after: UUID | None, fetch: int, now: datetime
) -> list[asyncpg.Record]:
    """The keys that work; `account_id` names whose, None are all."""
    if account_id is None:
        return await tx.sql(_ALL_KEYS, now, after or _FIRST, fetch)
    return await tx.sql(_OWN_KEYS, now, after or _FIRST, fetch, account_id)


async def to_export(tx: Transaction, volunteer_id: UUID, *, seal: Seal) -> dict[str, list[dict[str, Any]]]:
    """The account of a volunteer, where they signed in, and what was done with it."""
    accounts = await tx.sql(_TO_EXPORT, volunteer_id)
    ids = [row["id"] for row in accounts]
    return {
        "account": [
            {
                "name": row["name"] and seal.open_text(row["name"], place=NAME, row=row["id"]),
                "login": row["login"] and seal.open_text(row["login"], place=LOGIN, row=row["id"]),
                **{name: row[name] for name in ("id", "status", "language", "made_at")},
            }
            for row in accounts
        ],
        "sessions": [dict(row) for row in await tx.sql(_SESSIONS_TO_EXPORT, ids)],
        "journal": await journal.entries_of(tx, [f"account/{account_id}" for account_id in ids]),
    }


async def is_administered(tx: Transaction) -> bool:
    """Whether there is anybody who can let others in."""
    return bool((await tx.sql(_ADMINISTRATORS))[0][0])


def _opened(row: asyncpg.Record, seal: Seal) -> dict[str, Any]:
    login = row["login"]
    return {
        **row,
        "account_id": row["id"],
        # Who was erased has none.
        "name": "" if row["name"] is None else seal.open_text(row["name"], place=NAME, row=row["id"]),
        "login": None if login is None else seal.open_text(login, place=LOGIN, row=row["id"]),
    }


def _ids(texts: list[str] | None) -> frozenset[UUID] | None:
    return None if texts is None else frozenset(UUID(text) for text in texts)


def _words(words: list[str] | None) -> frozenset[str] | None:
    return None if words is None else frozenset(words)
