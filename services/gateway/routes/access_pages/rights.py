"""For those who manage access: to give a role, to withdraw one, to shut somebody out."""

from typing import Any
from uuid import UUID

from fastapi import Response

from services.gateway import places
from services.gateway.commands import accounts
from services.gateway.domain.access import PEOPLE, NotKnown
from services.gateway.form_pages import Page, router
from services.gateway.queries import access as queries
from services.gateway.routes.access_pages.where import chosen_centres, chosen_directions
from services.gateway.schemas.access import GiveGrant
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission, Role
from shared.clock import Now
from shared.requests import Sealing, Tx

GIVEABLE = [role for role in Role if role in PEOPLE]
_MANAGING = [permits(Permission.MANAGE_ACCESS)]

router = router()


@router.api_route("/people/{account_id}/give", methods=["GET", "POST"], dependencies=_MANAGING)
async def give(page: Page, account_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Give somebody a role."""
    account = await _account(tx, account_id, seal)
    if page.is_sent:
        is_volunteer = page.field("role") == Role.VOLUNTEER
        form = page.form(
            GiveGrant,
            role=page.field("role"),
            centres=[] if is_volunteer else chosen_centres(page),
            directions=None if is_volunteer else chosen_directions(page),
        )
        await accounts.give(tx, account_id, form, by=caller.id, now=now)
        return page.leave(f"people/{account_id}", done="given")
    # To be a volunteer, one has to be a certain one: that is said in the invitation.
    roles = [role for role in GIVEABLE if role is not Role.VOLUNTEER or account["volunteer_id"] is not None]
    return page.show(
        "give.html", account=account, roles=roles, places=await places.known(page.request.app, page.language)
    )


@router.api_route("/people/{account_id}/grants/{grant_id}", methods=["GET", "POST"], dependencies=_MANAGING)
async def withdraw(
    page: Page, account_id: UUID, grant_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> Response:
    """Take a role back."""
    if page.is_sent:
        await accounts.withdraw(tx, account_id, grant_id, by=caller.id, now=now)
        return page.leave(f"people/{account_id}", done="withdrawn")
    account = await _account(tx, account_id, seal)
    grant = next((grant for grant in account["grants"] if grant["id"] == str(grant_id)), None)
    if grant is None:
        raise NotKnown
    about = f"{account['name']}: {page.text['role_' + grant['role']]}"
    return page.ask("withdraw", about=about, back=page.to(f"people/{account_id}"), dangerous=True)


@router.api_route("/people/{account_id}/revoke", methods=["GET", "POST"], dependencies=_MANAGING)
async def revoke(page: Page, account_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Shut somebody out for good."""
    if page.is_sent:
        await accounts.revoke(tx, account_id, by=caller.id, now=now)
        return page.leave(f"people/{account_id}", done="revoked")
    account = await _account(tx, account_id, seal)
    return page.ask("revoke", about=account["name"], back=page.to(f"people/{account_id}"), dangerous=True)


async def _account(tx: Tx, account_id: UUID, seal: Sealing) -> dict[str, Any]:
    """Raises: NotKnown."""
    account = await queries.account(tx, account_id, seal=seal)
    if account is None:
        raise NotKnown
    return account
