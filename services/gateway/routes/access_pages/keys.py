"""Keys for machines: made, replaced, ended. A key's text is shown on the answer to the form, once, and never again."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from services.gateway import places
from services.gateway.commands import keys
from services.gateway.domain.access import KEY_LIFE_MAX, KEY_LIFE_USUAL
from services.gateway.form_pages import Asked, FormRefused, Page, router
from services.gateway.queries import access as queries
from services.gateway.routes.access_pages.where import chosen_centres, chosen_directions
from services.gateway.routes.keys import Where
from services.gateway.routes.own import Asking, Own
from services.gateway.schemas.access import MakeKey, RotateKey
from services.gateway.tables import ApiKey
from shared.access.doors import Caller, permits
from shared.access.permissions import MAY, NOT_FOR_KEYS, Permission, Role
from shared.access.principal import Grant
from shared.clock import CIVIL_ZONE, Now, civil_day
from shared.requests import Tx

OVERLAPS_HOURS = (0, 24, 7 * 24, 30 * 24)
"""For how long an old key may go on beside its successor."""
_OWN = [permits(Permission.OWN_ACCOUNT)]

router = router()


@router.api_route("/account/keys/new", methods=["GET", "POST"], dependencies=_OWN)
async def make_key(page: Page, own: Own, tx: Tx, caller: Caller, now: Now, where: Where) -> Response:
    """Make a key that may some of what its maker may."""
    grants = await queries.grants_of(tx, own)
    if page.is_sent:
        if not page.fields("permissions"):
            raise FormRefused(errors=[{"type": "missing", "loc": ("permissions",)}])
        form = page.form(
            MakeKey,
            name=page.field("name"),
            permissions=page.fields("permissions"),
            centres=chosen_centres(page),
            directions=chosen_directions(page),
            networks=page.field("networks").split() or None,
            ends_at=_end_of(page.field("ends_at")),
        )
        key, text = await keys.make(tx, form, account_id=own, by=caller.id, environment=where, now=now)
        return page.show("key_shown.html", key=key, text=text, back=page.to("account"))
    today = civil_day(now)
    return page.show(
        "key_new.html",
        permissions=[permission for permission in Permission if _can_be_given(permission, grants)],
        places=await places.known(page.request.app, page.language),
        within=_centres_of(grants),
        among=_directions_of(grants),
        usual=today + KEY_LIFE_USUAL,
        first=today + timedelta(days=1),
        last=today + KEY_LIFE_MAX - timedelta(days=1),
    )


async def _key(key_id: UUID, asking: Asking, tx: Tx) -> ApiKey:
    """One's own key; of those who manage access, anybody's. Raises: NotKnown."""
    anybodys = asking.principal.may(Permission.MANAGE_ACCESS)
    return await keys.key_of(tx, key_id, account_id=None if anybodys else asking.account_id)


Key = Annotated[ApiKey, Depends(_key)]


@router.api_route("/keys/{key_id}/rotate", methods=["GET", "POST"], dependencies=_OWN)
async def rotate_key(page: Page, key: Key, tx: Tx, caller: Caller, now: Now, where: Where) -> Response:
    """Make a successor that may the same."""
    if page.is_sent:
        hours = page.field("overlap_hours")
        form = page.form(RotateKey, overlap_hours=int(hours) if hours.isdecimal() and hours.isascii() else hours)
        overlap = timedelta(hours=form.overlap_hours)
        successor, text = await keys.rotate(tx, key, overlap=overlap, by=caller.id, environment=where, now=now)
        return page.show("key_shown.html", key=successor, text=text, back=_back(page, key))
    return page.show("key_rotate.html", key=key, overlaps=OVERLAPS_HOURS, back=_back(page, key))


@router.api_route("/keys/{key_id}/end", methods=["GET", "POST"], dependencies=_OWN)
async def end_key(page: Page, key: Key, tx: Tx, caller: Caller, now: Now) -> Response:
    """Have a key work no more."""
    if page.is_sent:
        keys.end(tx, key, by=caller.id, now=now)
        return page.leave(_list_of(page, key), done="key_ended")
    return page.ask("end_key", about=key.name, back=_back(page, key), dangerous=True)


def _list_of(page: Asked, key: ApiKey) -> str:
    """Where this key is listed for who looks at it."""
    if key.account_id is None or key.account_id == page.known.account_id:
        return "account" if key.account_id else "people"
    return f"people/{key.account_id}"


def _back(page: Asked, key: ApiKey) -> str:
    return page.to(_list_of(page, key))


def _can_be_given(permission: Permission, grants: Sequence[Grant]) -> bool:
    """What a key may be given here, and does not have without being given it."""
    held = any(grant.gives(permission) for grant in grants)
    return held and permission not in NOT_FOR_KEYS | MAY[Role.SYSTEM]


def _centres_of(grants: Sequence[Grant]) -> list[str] | None:
    """The centres that a maker of keys can choose from; None are all."""
    if any(grant.centres is None for grant in grants):
        return None
    return [str(centre) for grant in grants for centre in grant.centres or ()]


def _directions_of(grants: Sequence[Grant]) -> list[str] | None:
    """The directions that a maker of keys can choose from; None are all."""
    if any(grant.directions is None for grant in grants):
        return None
    return [direction for grant in grants for direction in grant.directions or ()]


def _end_of(day: str) -> str:
    """The last second of a civil day, as the form takes an instant.

    Raises:
        FormRefused: it is no day.
    """
    if not day:
        return ""
    try:
        return datetime.combine(date.fromisoformat(day), time(23, 59, 59), CIVIL_ZONE).isoformat()
    except ValueError:
        raise FormRefused(errors=[{"type": "date_parsing", "loc": ("ends_at",)}]) from None
