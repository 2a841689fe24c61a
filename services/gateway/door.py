"""The one door: every request comes in here, learns who it is, and goes to the service that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.live import Live
from services.gateway.proxy import JOURNAL, OWNERS, Proxy, owner_of
from shared.access.permissions import Role
from shared.access.principal import ANYONE, person
from shared.telemetry import Observed

ADMINISTRATOR = person("person:administrator", Role.ADMINISTRATOR)

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
]


@dataclass(frozen=True)
class Forwarded:
    """What metrics and traces call a request that goes to a service: its noun, without the ids behind it."""

    path: str


_ROUTES = {noun: Forwarded(f"/v1/{noun}") for noun in (*OWNERS, JOURNAL)}


class Door:
    """Plain ASGI around the gateway's own application."""

    def __init__(
        self, app: ASGIApp, live: Live, proxy: Proxy, *, open_doors: bool, end_streams: Callable[[], Awaitable[None]]
    ) -> None:
        """`end_streams` is what the server calls before it waits for requests to finish."""
        self.end_streams = end_streams
        self._app = app
        self._live = live
        self._proxy = proxy
        self._forwarding = Observed(self._forward)
        # Until people can sign in, either everybody is the administrator (one's own machine) or nobody is anyone.
        self._principal = ADMINISTRATOR if open_doors else ANYONE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Nobody outside may say who they are inside.
        scope["state"] = {**scope.get("state", {}), "principal": self._principal}
        match scope["path"].split("/"):
            case ["", "v1", "live"] if scope["method"] == "GET":
                # The hub steps `send` by hand, so it must be the server's own.
                await self._live(scope, receive, send)
            # What is resolved on the way might reach another place than the one that was looked at here.
            case ["", "v1", noun, *deeper] if owner_of(noun, deeper) and not {".", ".."} & set(deeper):
                scope["route"] = _ROUTES[noun]
                await self._forwarding(scope, receive, _with_headers(send))
            case _:
                await self._app(scope, receive, _with_headers(send))

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, _, noun, *deeper = scope["path"].split("/")
        owner = owner_of(noun, deeper)
        assert owner is not None  # noqa: S101  # the door has asked
        await self._proxy.forward(owner, self._principal, scope, receive, send)


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return sending
