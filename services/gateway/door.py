"""The one door: every request comes in here, learns who it is, and goes to the service that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import current
from services.gateway.addresses import is_from_here
from services.gateway.authentication import ANYBODY, Authentication, CrossSite
from services.gateway.credentials import COOKIE, NO_COOKIE
from services.gateway.domain.access import CredentialsRefused
from services.gateway.headers import for_origins, guards, with_headers
from services.gateway.limits import Limits, TooManyStreams, Visit
from services.gateway.live import Live
from services.gateway.proxy import JOURNAL, LARGER_BODIES, OWNERS, Proxy, owner_of
from shared import languages
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.errors import NotFound, Refusal
from shared.problems import BodyLimit, headers_of, problem_of, respond
from shared.process import BODY_BYTES_MAX
from shared.telemetry import Observed


@dataclass(frozen=True)
class Forwarded:
    """What metrics and traces call a request that goes to a service: its noun, without the ids behind it."""

    path: str


_FOR_PEOPLE = frozenset(
    {"", *languages.LANGUAGES, "plain", "assets", "pages", "favicon.svg", "docs", "enrolment", "sign-in"}
)
"""What the addresses of pages and their files begin with."""
_ROUTES = {noun: Forwarded(f"/v1/{noun}") for noun in (*OWNERS, JOURNAL)}


class Door:
    """Plain ASGI around the gateway's own application."""

    def __init__(
        self,
        app: ASGIApp,
        live: Live,
        current_states: current.Current,
        proxy: Proxy,
        limits: Limits,
        authentication: Authentication,
        *,
        trusted_proxies: str,
        https: bool,
        cors_origins: str,
        end_streams: Callable[[], Awaitable[None]],
    ) -> None:
        """`end_streams` is what the server calls before it waits for requests to finish.

        `trusted_proxies` are those whose word it takes for where a request comes from.
        """
        self.headers = guards(https=https)
        self.trusted_proxies = trusted_proxies
        self.end_streams = end_streams
        self._app = app
        self._live = live
        self._current = current_states
        self._proxy = proxy
        self._limits = limits
        limited = BodyLimit(self._forward, bytes_max=BODY_BYTES_MAX, larger=LARGER_BODIES)
        self._forwarding = Observed(limited, from_outside=True)
        self._authentication = authentication
        self._origins = {origin.strip().encode() for origin in cors_origins.split(",") if origin}
        self._for_origins = for_origins(self._open, [origin.decode() for origin in self._origins])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with languages.listening(scope):
            if self._origins and _header(scope, b"origin") in self._origins:
                await self._for_origins(scope, receive, send)
            else:
                await self._open(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = ANYBODY
        refusal: Refusal | None = None
        try:
            known = await self._authentication.known(scope)
        except (CredentialsRefused, CrossSite) as reason:
            if _is_for_people(scope):
                # A page says by itself that one has to sign in again, and no reader of the public one has to.
                send = _forgetting(send) if isinstance(reason, CredentialsRefused) else send
            else:
                refusal = reason
        except Refusal as reason:
            refusal = reason
        # Who is refused is counted as well, by their address.
        visit = self._limits.visit(known.principal, scope)
        # Nobody outside may say who they are inside.
        scope["state"] = {**scope.get("state", {}), "known": known, "principal": known.principal, "visit": visit}
        try:
            refusal = visit.refusal or refusal
            if refusal is not None:
                await _refuse(refusal, visit, scope, receive, send)
            else:
                await self._answer(visit, scope, receive, send)
        finally:
            visit.end()

    async def _answer(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == current.PATH and scope["method"] == "GET":
            principal: Principal = scope["state"]["principal"]
            if await self._current.answer(principal, scope, send, visit.headers):
                return
        match scope["path"].split("/"):
            case ["", "v1", "live"] if scope["method"] == "GET":
                try:
                    visit.stay()
                except TooManyStreams as refusal:
                    await _refuse(refusal, visit, scope, receive, send)
                else:
                    await self._live(scope, receive, send, more=visit.headers)
            case ["", "metrics"] | ["", "health", "status"] if not _is_operator(scope):
                await respond(problem_of(NotFound()))(scope, receive, with_headers(send, visit.headers))
            # What is resolved on the way might reach another place than the one that was looked at here.
            case ["", "v1", noun, *deeper] if owner_of(noun, deeper) and not {".", ".."} & set(deeper):
                scope["route"] = _ROUTES[noun]
                await self._forwarding(scope, receive, with_headers(send, visit.headers))
            case _:
                await self._app(scope, receive, with_headers(send, visit.headers))

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, _, noun, *deeper = scope["path"].split("/")
        owner = owner_of(noun, deeper)
        assert owner is not None  # noqa: S101  # the door has asked
        await self._proxy.forward(owner, scope["state"]["principal"], scope, receive, send)


def _is_for_people(scope: Scope) -> bool:
    """Whether a browser shows what is answered: a page or a file of one, asked for without a key."""
    first = scope["path"][1:].partition("/")[0]
    return first in _FOR_PEOPLE and not any(name == b"authorization" for name, _ in scope["headers"])


def _forgetting(send: Send) -> Send:
    """A `send` that has the browser forget its session, or it would go on showing it for hours."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            # First: whoever signs in with this very answer keeps what it sets.
            message["headers"] = [(b"set-cookie", NO_COOKIE.encode()), *message.get("headers", ())]
        await send(message)

    return sending


def _is_operator(scope: Scope) -> bool:
    """Whether details of the running are for who asks: on this very machine, or with an operator's key."""
    principal: Principal = scope["state"]["principal"]
    return principal.may(Permission.OPERATE) or is_from_here(scope)


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


async def _refuse(refusal: Refusal, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
    answer = respond(problem_of(refusal), headers_of(refusal))
    if isinstance(refusal, CredentialsRefused):
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
        if any(name == b"cookie" and COOKIE.encode() in value for name, value in scope["headers"]):
            # Or the browser would go on showing it, and be refused, for hours.
            answer.headers.append("Set-Cookie", NO_COOKIE)
    await answer(scope, receive, with_headers(send, visit.headers))
