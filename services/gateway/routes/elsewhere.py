"""Signing in elsewhere: to the issuer and back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.commands import sessions
from services.gateway.domain.access import CredentialsRefused
from services.gateway.oidc import CALLBACK, COOKIE, NO_COOKIE, Issuer, SignInElsewhereUnset
from services.gateway.routes.own import Agent, Asking, set_cookie
from shared import clock
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING
from shared.database import Database

router = APIRouter(include_in_schema=False, dependencies=[permits(Permission.SIGN_IN)])

_ACTIVE = "SELECT status <> 'revoked' FROM account WHERE id = $1"


@router.get("/sign-in/oidc")
async def depart(request: Request) -> Response:
    """To the issuer."""
    departure = await _issuer(request).depart()
    return RedirectResponse(departure.url, status_code=302, headers={"Set-Cookie": departure.cookie})


@router.get(CALLBACK)
async def arrive(
    request: Request,
    asking: Asking,
    code: Annotated[str, Query(max_length=4000)] = "",
    state: Annotated[str, Query(max_length=200)] = "",
    agent: Agent = "",
) -> Response:
    """Back from the issuer: a session begins, and the page is shown."""
    account_id = await _issuer(request).arrive(code, state, request.cookies.get(COOKIE, ""))
    database: Database = request.app.state.database
    async with database.transaction(EVERYTHING) as tx:
        if not (await tx.sql(_ACTIVE, account_id))[0][0]:
            raise CredentialsRefused
        _, secret = await sessions.begin_instead(tx, account_id, agent=agent, before=asking.session_id, now=clock.now())
    response = RedirectResponse("/", status_code=303, headers={"Set-Cookie": NO_COOKIE})
    set_cookie(response, secret)
    return response


def _issuer(request: Request) -> Issuer:
    issuer: Issuer | None = request.app.state.issuer
    if issuer is None:
        raise SignInElsewhereUnset
    return issuer
