"""One's own: name and language, password, the browsers in which one is signed in, the keys one has made."""

from uuid import UUID

from fastapi import Response

from services.gateway import places
from services.gateway.commands import accounts, sessions
from services.gateway.domain.access import PASSWORD_LENGTH_MIN, SESSION_IDLE, NotKnown
from services.gateway.form_pages import Page, router
from services.gateway.queries import access as queries
from services.gateway.routes.own import Asking, Own
from services.gateway.schemas.access import ChangeMe, ChangePassword
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.clock import Now
from shared.requests import Sealing, Tx

KEYS_MAX = 200
_OWN = [permits(Permission.OWN_ACCOUNT)]

router = router()


@router.api_route("/account", methods=["GET", "POST"], dependencies=_OWN)
async def account(page: Page, own: Own, asking: Asking, tx: Tx, seal: Sealing, now: Now) -> Response:
    """One's account; the form on it changes name and language."""
    if page.is_sent:
        form = page.form(ChangeMe, name=page.field("name"), language=page.field("language"))
        await accounts.change_me(tx, own, form, seal=seal)
        page.language = form.language
        return page.leave("account", done="changed")
    return page.show(
        "account.html",
        sessions=await queries.sessions_of(tx, own, now=now, idle_since=now - SESSION_IDLE),
        current=asking.session_id,
        keys=await queries.keys(tx, account_id=own, after=None, fetch=KEYS_MAX, now=now),
        places=await places.known(page.request.app, page.language),
    )


@router.api_route("/account/password", methods=["GET", "POST"], dependencies=_OWN)
async def change_password(page: Page, own: Own, asking: Asking, tx: Tx, seal: Sealing, now: Now) -> Response:
    """Set a new password; all other sessions end."""
    if page.is_sent:
        form = page.form(ChangePassword, old_password=page.field("old_password"), password=page.field("password"))
        await accounts.change_password(tx, own, form, session_id=asking.session_id, seal=seal, now=now)
        return page.leave("account", done="password")
    return page.show("password.html", length_min=PASSWORD_LENGTH_MIN)


@router.api_route("/account/sessions/{session_id}", methods=["GET", "POST"], dependencies=_OWN)
async def end_session(page: Page, session_id: UUID, own: Own, tx: Tx, now: Now) -> Response:
    """Sign out of another browser."""
    if page.is_sent:
        await sessions.end(tx, own, session_id, now=now)
        return page.leave("account", done="session_ended")
    rows = await queries.sessions_of(tx, own, now=now, idle_since=now - SESSION_IDLE)
    session = next((row for row in rows if row["id"] == session_id), None)
    if session is None:
        raise NotKnown
    return page.ask("end_session", about=session["agent"], back=page.to("account"))
