"""Who may come in and what they may: accounts, grants, invitations. For those who manage access."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, status

from services.gateway.commands import accounts
from services.gateway.domain.access import (
    AccountRevoked,
    AdministratorIsForAll,
    CentresMissing,
    LastAdministrator,
    NotKnown,
    RoleNotForPeople,
    VolunteerMissing,
)
from services.gateway.queries import access as queries
from services.gateway.schemas.access import (
    AccountView,
    GiveGrant,
    GrantView,
    InvitationView,
    Invite,
    NewInvitationView,
)
from services.gateway.tables import Invitation
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.clock import Now
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Sealing, Tx
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1", tags=["access"])
_MANAGING = [permits(Permission.MANAGE_ACCESS)]
_UNGIVEABLE = (RoleNotForPeople, AdministratorIsForAll, CentresMissing, VolunteerMissing)


async def _links(request: Request) -> str:
    return request.app.state.links


Links = Annotated[str, Depends(_links)]
"""What a link begins with."""


@router.get("/accounts", responses=refusals(InvalidCursor), dependencies=_MANAGING)
async def list_accounts(page: AskedPage, tx: Tx, seal: Sealing) -> Page[AccountView]:
    """Everybody who may sign in, or once could, the oldest first."""
    rows = await queries.accounts(tx, after=_after(page.after), fetch=page.fetch, seal=seal)
    return page.page([AccountView.model_validate(row) for row in rows], lambda account: [str(account.id)])


@router.get("/accounts/{account_id}", responses=refusals(NotKnown), dependencies=_MANAGING)
async def read_account(account_id: UUID, tx: Tx, seal: Sealing) -> AccountView:
    """One account, with the grants that it has."""
    row = await queries.account(tx, account_id, seal=seal)
    if row is None:
        raise NotKnown
    return AccountView.model_validate(row)


@router.post(
    "/accounts/{account_id}/grants",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(NotKnown, AccountRevoked, *_UNGIVEABLE),
    dependencies=_MANAGING,
)
async def give_grant(account_id: UUID, form: GiveGrant, tx: Tx, caller: Caller, now: Now) -> GrantView:
    """Give somebody a role. Whoever was pending is active from now on."""
    return GrantView.model_validate(await accounts.give(tx, account_id, form, by=caller.id, now=now))


@router.delete(
    "/accounts/{account_id}/grants/{grant_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(NotKnown, LastAdministrator),
    dependencies=_MANAGING,
)
async def withdraw_grant(account_id: UUID, grant_id: UUID, tx: Tx, caller: Caller, now: Now) -> None:
    """Take a role back. The account's keys that reach further than what is left end."""
    await accounts.withdraw(tx, account_id, grant_id, by=caller.id, now=now)


@router.post(
    "/accounts/{account_id}/revocations",
    responses=refusals(NotKnown, LastAdministrator),
    dependencies=_MANAGING,
)
async def revoke_account(account_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> AccountView:
    """Shut somebody out for good: sessions and keys end at once. Their login is forgotten."""
    await accounts.revoke(tx, account_id, by=caller.id, now=now)
    await tx.flush()
    return await read_account(account_id, tx, seal)


@router.post(
    "/accounts/{account_id}/password-renewals",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(NotKnown, AccountRevoked),
    dependencies=_MANAGING,
)
async def renew_password(
    account_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now, links: Links
) -> NewInvitationView:
    """Make a link, for half an hour, by which somebody who has forgotten it sets a new password."""
    return shown(*await accounts.renew_password(tx, account_id, by=caller.id, seal=seal, now=now), links, seal)


@router.get("/invitations", responses=refusals(InvalidCursor), dependencies=_MANAGING)
async def list_invitations(page: AskedPage, tx: Tx, seal: Sealing, now: Now) -> Page[InvitationView]:
    """The links that can still be used, the oldest first."""
    rows = await queries.invitations(tx, after=_after(page.after), fetch=page.fetch, now=now, seal=seal)
    return page.page([InvitationView.model_validate(row) for row in rows], lambda invitation: [str(invitation.id)])


@router.post(
    "/invitations",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_UNGIVEABLE),
    dependencies=_MANAGING,
)
async def invite(form: Invite, tx: Tx, seal: Sealing, caller: Caller, now: Now, links: Links) -> NewInvitationView:
    """Make a link, for a week, by which somebody makes an account that has this grant. It is shown this once."""
    return shown(*accounts.invite(tx, form, by=caller.id, seal=seal, now=now), links, seal)


@router.delete(
    "/invitations/{invitation_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(NotKnown),
    dependencies=_MANAGING,
)
async def take_back(invitation_id: UUID, tx: Tx, caller: Caller, now: Now) -> None:
    """Have a link work no more."""
    await accounts.take_back(tx, invitation_id, by=caller.id, now=now)


def shown(invitation: Invitation, secret: str, links: str, seal: Seal) -> NewInvitationView:
    """A new link, with its secret."""
    row = queries.opened_invitation(invitation.__dict__, seal)
    return NewInvitationView.model_validate({**row, "token": secret, "link": f"{links}{secret}"})


def _after(cursor: list[str] | None) -> UUID | None:
    return UUID(cursor[0]) if cursor else None
