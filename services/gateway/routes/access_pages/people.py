"""For those who manage access: who there is, who is invited, and the link by which somebody new comes in."""

from uuid import UUID

from fastapi import Response

from services.gateway import places
from services.gateway.commands import accounts
from services.gateway.domain.access import NotKnown
from services.gateway.form_pages import Page, router
from services.gateway.queries import access as queries
from services.gateway.routes.access import Links, shown
from services.gateway.routes.access_pages.account import KEYS_MAX
from services.gateway.routes.access_pages.rights import GIVEABLE
from services.gateway.routes.access_pages.where import chosen_centres, chosen_directions
from services.gateway.schemas.access import Invite
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission, Role
from shared.clock import Now
from shared.paging import AskedPage
from shared.requests import Sealing, Tx

INVITATIONS_MAX = 200
_MANAGING = [permits(Permission.MANAGE_ACCESS)]

router = router()


@router.api_route("/people", methods=["GET"], dependencies=_MANAGING)
async def people(page: Page, asked: AskedPage, tx: Tx, seal: Sealing, now: Now) -> Response:
    """Everybody who may sign in, and the links that can still be used."""
    after = UUID(asked.after[0]) if asked.after else None
    rows = await queries.accounts(tx, after=after, fetch=asked.fetch, seal=seal)
    some = asked.page(rows, lambda row: [str(row["id"])])
    return page.show(
        "people.html",
        accounts=some.items,
        next=some.next,
        invitations=await queries.invitations(tx, after=None, fetch=INVITATIONS_MAX, now=now, seal=seal),
        places=await places.known(page.request.app, page.language),
    )


@router.api_route("/people/invite", methods=["GET", "POST"], dependencies=_MANAGING)
async def invite(page: Page, tx: Tx, seal: Sealing, caller: Caller, now: Now, links: Links) -> Response:
    """Make a link by which somebody makes an account that has this grant."""
    if page.is_sent:
        is_volunteer = page.field("role") == Role.VOLUNTEER
        form = page.form(
            Invite,
            for_whom=page.field("for_whom"),
            role=page.field("role"),
            centres=[] if is_volunteer else chosen_centres(page),
            directions=None if is_volunteer else chosen_directions(page),
            volunteer_id=page.field("volunteer_id").strip(),
        )
        made = shown(*accounts.invite(tx, form, by=caller.id, seal=seal, now=now), links, seal)
        return page.show("link_shown.html", invitation=made, back=page.to("people"))
    return page.show("invite.html", roles=GIVEABLE, places=await places.known(page.request.app, page.language))


@router.api_route("/people/invitations/{invitation_id}", methods=["GET", "POST"], dependencies=_MANAGING)
async def take_back(page: Page, invitation_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Have a link work no more."""
    if page.is_sent:
        await accounts.take_back(tx, invitation_id, by=caller.id, now=now)
        return page.leave("people", done="taken_back")
    rows = await queries.invitations(tx, after=None, fetch=INVITATIONS_MAX, now=now, seal=seal)
    invitation = next((row for row in rows if row["id"] == invitation_id), None)
    if invitation is None:
        raise NotKnown
    return page.ask("take_back", about=invitation["for_whom"], back=page.to("people"))


@router.api_route("/people/{account_id}", methods=["GET"], dependencies=_MANAGING)
async def one(page: Page, account_id: UUID, tx: Tx, seal: Sealing, now: Now) -> Response:
    """One account, with the grants and keys that it has."""
    account = await queries.account(tx, account_id, seal=seal)
    if account is None:
        raise NotKnown
    return page.show(
        "person.html",
        account=account,
        keys=await queries.keys(tx, account_id=account_id, after=None, fetch=KEYS_MAX, now=now),
        places=await places.known(page.request.app, page.language),
    )


@router.api_route("/people/{account_id}/password", methods=["GET", "POST"], dependencies=_MANAGING)
async def renew_password(
    page: Page, account_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now, links: Links
) -> Response:
    """Make a link by which somebody who has forgotten it sets a new password."""
    back = page.to(f"people/{account_id}")
    if page.is_sent:
        made = await accounts.renew_password(tx, account_id, by=caller.id, seal=seal, now=now)
        return page.show("link_shown.html", invitation=shown(*made, links, seal), back=back)
    account = await queries.account(tx, account_id, seal=seal)
    if account is None:
        raise NotKnown
    return page.ask("renew_password", about=account["name"], back=back)
