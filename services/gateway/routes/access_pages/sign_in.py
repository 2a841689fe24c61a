"""Coming in and going out: by an invitation's link, by password, and by the button that ends it."""

from typing import Annotated

from fastapi import APIRouter, Cookie, Header, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway import credentials
from services.gateway.commands import accounts, sessions
from services.gateway.domain.access import PASSWORD_LENGTH_MIN, LinkUsedOrOver, NotKnown
from services.gateway.form_pages import Asked, Page, local, router
from services.gateway.limits import address_of
from services.gateway.queries import access as queries
from services.gateway.routes.own import Agent, Asking, Own, set_cookie
from services.gateway.schemas.access import Enrol, SignIn
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.clock import Now
from shared.database import Database
from shared.languages import preferred
from shared.requests import Sealing, Tx

_LINK_COOKIE = "__Host-link"
_FLAGS = "; Path=/; Secure; HttpOnly; SameSite=Lax"
_LINK_KEPT_S = 1800

links = APIRouter(include_in_schema=False, dependencies=[permits(Permission.SIGN_IN)])
router = router()


@links.get("/enrolment/{token}")
async def follow_link(
    token: str, language: Annotated[str | None, Cookie()] = None, accept_language: Annotated[str, Header()] = ""
) -> Response:
    """To the page of enrolment. The secret goes into a cookie: no history, no referrer and no log keeps it."""
    answer = RedirectResponse(f"/{preferred(accept_language, chosen=language)}/enrolment", 303)
    if credentials.is_secret(token):
        answer.headers.append("Set-Cookie", f"{_LINK_COOKIE}={token}; Max-Age={_LINK_KEPT_S}{_FLAGS}")
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.api_route("/enrolment", methods=["GET", "POST"], dependencies=[permits(Permission.SIGN_IN)])
async def enrol(
    page: Page,
    tx: Tx,
    seal: Sealing,
    now: Now,
    agent: Agent = "",
    token: Annotated[str, Cookie(alias=_LINK_COOKIE)] = "",
) -> Response:
    """Accept an invitation: choose how to sign in."""
    link = await queries.usable_link(tx, credentials.kept(token), now=now, seal=seal)
    if link is None:
        raise LinkUsedOrOver
    if page.is_sent:
        form = page.form(
            Enrol,
            token=token,
            login=page.field("login"),
            name=page.field("name"),
            language=page.field("language"),
            password=page.field("password"),
        )
        account = await accounts.enrol(tx, form, seal=seal, now=now)
        _, secret = sessions.begin(tx, account.id, agent=agent, now=now)
        answer = RedirectResponse(f"/{form.language}/account?done=enrolled", 303)
        set_cookie(answer, secret)
        answer.headers.append("Set-Cookie", f"{_LINK_COOKIE}=; Max-Age=0{_FLAGS}")
        return answer
    return page.show("enrolment.html", link=link, length_min=PASSWORD_LENGTH_MIN)


@router.api_route("/sign-in", methods=["GET", "POST"], dependencies=[permits(Permission.SIGN_IN)])
async def sign_in(page: Page, request: Request, asking: Asking, seal: Sealing, now: Now, agent: Agent = "") -> Response:
    """Begin a session with a login and its password."""
    if page.is_sent:
        form = page.form(SignIn, login=page.field("login"), password=page.field("password"))
        database: Database = request.app.state.database
        _, secret = await sessions.sign_in(
            database, form, address=address_of(request.scope), agent=agent, before=asking.session_id, seal=seal, now=now
        )
        answer = _back(page)
        set_cookie(answer, secret)
        return answer
    if asking.account_id is not None:
        return _back(page)
    return page.show("sign_in.html", issuer=request.app.state.issuer)


@router.api_route("/sign-out", methods=["GET", "POST"], dependencies=[permits(Permission.OWN_ACCOUNT)])
async def sign_out(page: Page, own: Own, asking: Asking, tx: Tx, now: Now) -> Response:
    """Sign out of this browser."""
    if asking.session_id is None:
        raise NotKnown
    if page.is_sent:
        await sessions.end(tx, own, asking.session_id, now=now)
        answer = page.leave("sign-in", done="signed_out")
        answer.headers.append("Set-Cookie", credentials.NO_COOKIE)
        return answer
    return page.ask("sign_out", back=page.to("account"))


def _next(page: Asked) -> str | None:
    return local(page.request.query_params.get("next", ""))


def _back(page: Asked) -> Response:
    """To where somebody was on their way, if that is on this site."""
    return RedirectResponse(_next(page) or page.to("account"), 303)
