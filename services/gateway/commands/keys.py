"""Keys of machines: made, replaced, ended."""

from datetime import datetime, timedelta
from uuid import UUID

from services.gateway import credentials
from services.gateway.credentials import Environment
from services.gateway.domain import access as domain
from services.gateway.queries import access as queries
from services.gateway.schemas.access import MakeKey
from services.gateway.tables import ApiKey
from shared import journal
from shared.access.permissions import Role
from shared.access.principal import Grant
from shared.database import Transaction
from shared.ids import new_id


async def make(
    tx: Transaction, form: MakeKey, *, account_id: UUID | None, by: str, environment: Environment, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key; answers its text as well, which is kept nowhere. `account_id` is whose it is, None is the operator's.

    Raises:
        NotForKeys, CentresMissing, KeyLivesTooLong
        MoreThanYouMay: its maker may not do all of that everywhere there.
    """
    ends_at = form.ends_at or now + domain.KEY_LIFE_USUAL
    domain.require_key_life(ends_at, now=now)
    grant = Grant(
        role=Role.SYSTEM,
        permissions=domain.key_permissions(form.role, form.permissions),
        centres=None if form.centres is None else frozenset(form.centres),
        directions=None if form.directions is None else frozenset(form.directions),
    )
    domain.require_somewhere(grant)
    if account_id is not None and not domain.covers(await queries.grants_of(tx, account_id), grant):
        raise domain.MoreThanYouMay
    new = credentials.new_key(environment)
    key = ApiKey(
        id=new_id(),
        key_id=new.key_id,
        secret=new.kept,
        name=form.name,
        permissions=sorted(permission.value for permission in grant.permissions),
        centres=None if grant.centres is None else sorted(map(str, grant.centres)),
        directions=None if grant.directions is None else sorted(grant.directions),
        networks=form.networks,
        account_id=account_id,
        made_by=by,
        made_at=now,
        ends_at=ends_at,
    )
    tx.insert(key)
    journal.write(tx, by=by, what="key-made", record=f"key/{key.id}", now=now)
    return key, new.text


async def rotate(
    tx: Transaction, key: ApiKey, *, overlap: timedelta, by: str, environment: Environment, now: datetime
) -> tuple[ApiKey, str]:
    """Make a successor that may the same and lives as long from now; the old one goes on for `overlap` at the most.

    Raises:
        KeyHasEnded
        MoreThanYouMay: whose key it is may no longer do all of that.
    """
    if key.ended_at is not None or key.ends_at <= now:
        raise domain.KeyHasEnded
    if key.account_id is not None:
        grants = await queries.grants_of(tx, key.account_id)
        if not domain.covers(grants, queries.key_grant_of(key.__dict__)):
            raise domain.MoreThanYouMay
    new = credentials.new_key(environment)
    successor = ApiKey(
        id=new_id(),
        key_id=new.key_id,
        secret=new.kept,
        name=key.name,
        permissions=key.permissions,
        centres=key.centres,
        directions=key.directions,
        networks=key.networks,
        account_id=key.account_id,
        made_by=by,
        made_at=now,
        ends_at=now + (key.ends_at - key.made_at),
    )
    tx.insert(successor)
    key.ends_at = min(key.ends_at, now + overlap)
    tx.update(key)
    journal.write(tx, by=by, what="key-rotated", record=f"key/{key.id}", now=now)
    return successor, new.text


def end(tx: Transaction, key: ApiKey, *, by: str, now: datetime) -> None:
    """Have a key work no more. Twice is once."""
    if key.ended_at is None:
        key.ended_at, key.ended_by = now, by
        tx.update(key)
        journal.write(tx, by=by, what="key-ended", record=f"key/{key.id}", now=now)


async def key_of(tx: Transaction, key_id: UUID, *, account_id: UUID | None) -> ApiKey:
    """One key, locked; `account_id` names whose it must be, None is anybody's.

    Raises:
        NotKnown
    """
    key = await tx.get(ApiKey, key_id, lock=True)
    if key is None or account_id not in (None, key.account_id):
        raise domain.NotKnown
    return key
