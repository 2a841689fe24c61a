"""Keys of machines: one's own, and for those who manage access everybody's."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, status

from services.gateway.authentication import Known
from services.gateway.commands import keys
from services.gateway.credentials import Environment
from services.gateway.domain.access import (
    CentresMissing,
    KeyHasEnded,
    KeyLivesTooLong,
    MoreThanYouMay,
    NotForKeys,
    NotKnown,
)
from services.gateway.queries import access as queries
from services.gateway.routes.own import Asking, Own
from services.gateway.schemas.access import KeyView, MakeKey, NewKeyView, RotateKey
from services.gateway.tables import ApiKey
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.clock import Now
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/keys", tags=["access"])
_OWN = [permits(Permission.OWN_ACCOUNT)]


async def _environment(request: Request) -> Environment:
    return request.app.state.environment


Where = Annotated[Environment, Depends(_environment)]


@router.get("", responses=refusals(InvalidCursor), dependencies=_OWN)
async def list_keys(
    page: AskedPage,
    asking: Asking,
    own: Own,
    tx: Tx,
    now: Now,
    everybodys: Annotated[bool, Query(alias="all", description="Everybody's, for those who manage access.")] = False,
) -> Page[KeyView]:
    """The keys that work, the oldest first."""
    whose = None if everybodys and _manages(asking) else own
    after = UUID(page.after[0]) if page.after else None
    rows = await queries.keys(tx, account_id=whose, after=after, fetch=page.fetch, now=now)
    return page.page([KeyView.model_validate(dict(row)) for row in rows], lambda key: [str(key.id)])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(NotForKeys, CentresMissing, KeyLivesTooLong, MoreThanYouMay),
    dependencies=_OWN,
)
async def make_key(form: MakeKey, own: Own, tx: Tx, caller: Caller, now: Now, where: Where) -> NewKeyView:
    """Make a key, shown this once. It may do nothing that its maker may not, and ends with the maker's account."""
    return _shown(*await keys.make(tx, form, account_id=own, by=caller.id, environment=where, now=now))


@router.post(
    "/{key_id}/rotations",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(NotKnown, KeyHasEnded, MoreThanYouMay),
    dependencies=_OWN,
)
async def rotate_key(
    key_id: UUID, form: RotateKey, asking: Asking, tx: Tx, caller: Caller, now: Now, where: Where
) -> NewKeyView:
    """Make a successor, shown this once, that may the same; the old key goes on for as long as you say."""
    key = await keys.key_of(tx, key_id, account_id=_whose(asking))
    overlap = timedelta(hours=form.overlap_hours)
    return _shown(*await keys.rotate(tx, key, overlap=overlap, by=caller.id, environment=where, now=now))


@router.delete("/{key_id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(NotKnown), dependencies=_OWN)
async def end_key(key_id: UUID, asking: Asking, tx: Tx, caller: Caller, now: Now) -> None:
    """Have a key work no more, at once."""
    keys.end(tx, await keys.key_of(tx, key_id, account_id=_whose(asking)), by=caller.id, now=now)


def _manages(asking: Known) -> bool:
    return asking.principal.may(Permission.MANAGE_ACCESS)


def _whose(asking: Known) -> UUID | None:
    """Whose keys are within reach; None are everybody's."""
    return None if _manages(asking) else asking.account_id


def _shown(key: ApiKey, text: str) -> NewKeyView:
    return NewKeyView.model_validate({**key.__dict__, "key": text})
