"""One's own: signing in and out, sessions, name, language, password."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response, status

from services.gateway import credentials
from services.gateway.addresses import address_of
from services.gateway.authentication import Known
from services.gateway.commands import accounts, sessions
from services.gateway.domain.access import (
    SESSION_IDLE,
    SESSION_MAX,
    AccountRevoked,
    LinkUsedOrOver,
    LoginTaken,
    NoPasswordHere,
    NotKnown,
    OldPasswordWrong,
    PasswordTooCommon,
    SignInRefused,
    TooManySignIns,
    VolunteerHasAccount,
)
from services.gateway.queries import access as queries
from services.gateway.schemas.access import ChangeMe, ChangePassword, Enrol, MeView, SessionView, SignIn
from shared.access.doors import NotPermitted, permits
from shared.access.permissions import Permission
from shared.access.principal import ANYONE, EVERYTHING, Principal
from shared.clock import Now
from shared.database import Database, Transaction
from shared.problems import refusals
from shared.requests import Sealing, Tx
from shared.requests import router as _router
from shared.sealed import Seal

Agent = Annotated[str, Header(alias="user-agent", include_in_schema=False)]


async def known(request: Request) -> Known:
    """Who asks, and by what they are known."""
    return request.state.known


async def account_id(request: Request) -> UUID:
    """The account of who asks.

    Raises:
        NotPermitted: it is a machine.
    """
    own = (await known(request)).account_id
    if own is None:
        raise NotPermitted
    return own


Asking = Annotated[Known, Depends(known)]
Own = Annotated[UUID, Depends(account_id)]

router = _router("/v1", tags=["access"])


@router.get("/me", dependencies=[permits(Permission.READ_REFERENCE)])
async def read_me(asking: Asking, tx: Tx, seal: Sealing) -> MeView:
    """Who one is here and what one may: the way to try a key."""
    return await me(tx, asking.principal, asking.account_id, seal)


@router.put("/me", responses=refusals(NotKnown, AccountRevoked), dependencies=[permits(Permission.OWN_ACCOUNT)])
async def change_me(form: ChangeMe, own: Own, asking: Asking, tx: Tx, seal: Sealing) -> MeView:
    """Be called or spoken to otherwise."""
    await accounts.change_me(tx, own, form, seal=seal)
    await tx.flush()
    return await me(tx, asking.principal, asking.account_id, seal)


@router.put(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(OldPasswordWrong, NoPasswordHere, PasswordTooCommon),
    dependencies=[permits(Permission.OWN_ACCOUNT)],
)
async def change_password(form: ChangePassword, own: Own, asking: Asking, tx: Tx, seal: Sealing, now: Now) -> None:
    """Set a new password. All other sessions end."""
    await accounts.change_password(tx, own, form, session_id=asking.session_id, seal=seal, now=now)


@router.post(
    "/enrolments",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(LinkUsedOrOver, LoginTaken, VolunteerHasAccount, PasswordTooCommon),
    dependencies=[permits(Permission.SIGN_IN)],
)
async def enrol(form: Enrol, response: Response, tx: Tx, seal: Sealing, now: Now, agent: Agent = "") -> MeView:
    """Accept an invitation, once: the account is made, and its session begins in this browser."""
    account = await accounts.enrol(tx, form, seal=seal, now=now)
    _, secret = sessions.begin(tx, account.id, agent=agent, now=now)
    await tx.flush()
    set_cookie(response, secret)
    return await me(tx, ANYONE, account.id, seal)


@router.get("/sessions", dependencies=[permits(Permission.OWN_ACCOUNT)])
async def list_sessions(own: Own, asking: Asking, tx: Tx, now: Now) -> dict[str, list[SessionView]]:
    """Where one is signed in, the newest first."""
    rows = await queries.sessions_of(tx, own, now=now, idle_since=now - SESSION_IDLE)
    return {"items": [SessionView(**dict(row), current=row["id"] == asking.session_id) for row in rows]}


@router.delete(
    "/sessions/current",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(NotKnown),
    dependencies=[permits(Permission.OWN_ACCOUNT)],
)
async def sign_out(own: Own, asking: Asking, response: Response, tx: Tx, now: Now) -> None:
    """Sign out of this browser."""
    if asking.session_id is None:
        raise NotKnown
    await sessions.end(tx, own, asking.session_id, now=now)
    response.headers.append("Set-Cookie", credentials.NO_COOKIE)


@router.delete(
    "/sessions/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=refusals(NotKnown),
    dependencies=[permits(Permission.OWN_ACCOUNT)],
)
async def end_session(session_id: UUID, own: Own, tx: Tx, now: Now) -> None:
    """Sign out of another browser."""
    await sessions.end(tx, own, session_id, now=now)


async def sign_in(
    form: SignIn, request: Request, asking: Asking, response: Response, seal: Sealing, now: Now, agent: Agent = ""
) -> MeView:
    """Begin a session with a login and its password. The cookie in the answer is all that is needed from then on."""
    database: Database = request.app.state.database
    session, secret = await sessions.sign_in(
        database, form, address=address_of(request.scope), agent=agent, before=asking.session_id, seal=seal, now=now
    )
    set_cookie(response, secret)
    async with database.transaction(EVERYTHING) as tx:
        return await me(tx, ANYONE, session.account_id, seal)


# Not one transaction: a failure is counted whatever becomes of the rest.
signing_in = APIRouter(prefix="/v1", tags=["access"])
signing_in.add_api_route(
    "/sessions",
    sign_in,
    methods=["POST"],
    status_code=status.HTTP_201_CREATED,
    responses=refusals(SignInRefused, TooManySignIns),
    dependencies=[permits(Permission.SIGN_IN)],
)


def set_cookie(response: Response, secret: str) -> None:
    """Hand a session's secret to the browser."""
    response.headers.append("Set-Cookie", credentials.cookie(secret, seconds=int(SESSION_MAX.total_seconds())))


async def me(tx: Transaction, principal: Principal, own: UUID | None, seal: Seal) -> MeView:
    """What one is shown of oneself; `own` is one's account, if one has any."""
    account = {} if own is None else await queries.account(tx, own, seal=seal) or {}
    if account:
        # As it is now, whatever the request came in with.
        principal = queries.person_of(account)
    permissions = sorted(permission for permission in Permission if principal.may(permission))
    return MeView.model_validate({**account, "id": principal.id, "kind": principal.kind, "permissions": permissions})
