"""Forwards a request to the service that owns its path: plain ASGI on one aiohttp session, bodies streamed.

httpx in this place reaches 0.06 of the direct rate, aiohttp 0.76 (decision 0007).

A service may close a connection just as a request goes out on it. aiohttp sends a request without a body again by
itself, where its method allows that; any other is answered with 503, and its caller knows whether it may be repeated.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import aiohttp
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from yarl import URL

from shared import failpoints, languages
from shared.access.principal import ANYONE, Principal
from shared.access.token import Signer
from shared.errors import Unavailable
from shared.problems import problem_of, respond
from shared.sheets.limits import FILE_BYTES_MAX
from shared.telemetry import log

_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te"}
    | {b"trailer", b"transfer-encoding", b"upgrade"}
)
_OURS_TO_SAY = frozenset({b"host", b"authorization", b"cookie", b"expect", b"forwarded", b"traceparent", b"tracestate"})
"""Headers of a request that end here: who asks, and from where, a service hears from the gateway alone."""
_NOT_A_SERVICES = frozenset({b"set-cookie", b"server"})
_CONNECTIONS_MAX = 200
_DEADLINE_S = 30.0
_propagator = TraceContextTextMapPropagator()

OWNERS: Mapping[str, str] = {
    "volunteers": "volunteers",
    "centres": "volunteers",
    "assignments": "volunteers",
    "declarations": "volunteers",
    "hours": "volunteers",
    "directions": "volunteers",
    "regions": "volunteers",
    "events": "events",
    "shifts": "events",
    "sign-ups": "events",
    "headcounts": "events",
    "formats": "events",
    "campaigns": "charity",
    "donations": "charity",
    "disbursements": "charity",
    "families": "charity",
    "deliveries": "charity",
    "tallies": "charity",
    "categories": "charity",
    "funds": "charity",
    "ledger": "charity",
}
"""Which service answers `/v1/<noun>…`."""
LARGER_BODIES: Mapping[str, int] = {"/v1/volunteers/imports": FILE_BYTES_MAX}
"""The addresses of services that take more bytes than others, and how many."""
JOURNAL = "journal"
"""The noun that every service answers, each for itself: `/v1/journal/<service>`."""

Headers = Iterable[tuple[bytes, bytes]]


def owner_of(noun: str, deeper: Sequence[str]) -> str | None:
    """Which service answers `/v1/<noun>/<deeper…>`; None where the gateway does so itself."""
    if noun == JOURNAL and deeper:
        return deeper[0] if deeper[0] in OWNERS.values() else None
    if (noun, deeper[1:]) == ("volunteers", ["exports"]):
        # Put together of what several services know.
        return None
    return OWNERS.get(noun)


class ServiceUnavailable(Unavailable):
    """The part of Asar that answers this does not answer at the moment; the others do. Try again."""


class CallerGone(Exception):
    """The caller has left before the end of the body; nobody is there to be answered."""


class Proxy:
    """The way to the services. Opened and closed with the application."""

    def __init__(self, urls: Mapping[str, str], signer: Signer, *, deadline_s: float = _DEADLINE_S) -> None:
        self._urls = urls
        self._signer = signer
        self._deadline_s = deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            # Less than the services' own 75 s: who closes first is us.
            # So many to each: one that hangs takes none of the others'.
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS_MAX, keepalive_timeout=60),
            # How long a body takes to come is the server's to judge.
            timeout=aiohttp.ClientTimeout(total=None, connect=3, sock_read=self._deadline_s),
            # What one caller is given must never be sent along for another.
            cookie_jar=aiohttp.DummyCookieJar(),
            # Bodies go through as they are.
            auto_decompress=False,
            skip_auto_headers=["User-Agent", "Accept-Encoding", "Accept", "Content-Type"],
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ServiceUnavailable
        return self._session

    async def read(self, service: str, path: str) -> bytes:
        """What a service answers to anyone.

        Raises:
            ServiceUnavailable
        """
        token = self._signer.sign(ANYONE, service)
        try:
            async with self.session.get(
                self._urls[service] + path, headers={"Authorization": f"Bearer {token}"}, raise_for_status=True
            ) as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnavailable from error

    async def ask(self, service: str, principal: Principal, path: str, body: bytes) -> tuple[int, bytes]:
        """What a service answers to a request that the gateway makes for somebody: its status and body.

        Raises:
            ServiceUnavailable
        """
        headers = {
            "authorization": f"Bearer {self._signer.sign(principal, service)}",
            "content-type": "application/json",
            "accept-language": languages.spoken(),
        }
        try:
            async with self.session.post(self._urls[service] + path, data=body, headers=headers) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnavailable from error

    async def forward(self, service: str, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the service answers; with 503 if it does not."""
        headers = [(n, v) for n, v in _passing(scope["headers"]) if n not in _OURS_TO_SAY and not _is_about_us(n)]
        has_body = any(n == b"transfer-encoding" or (n == b"content-length" and v != b"0") for n, v in scope["headers"])
        if not has_body:
            headers = [(n, v) for n, v in headers if n != b"content-length"]
        trace: dict[str, str] = {}
        _propagator.inject(trace)
        own = {"authorization": f"Bearer {self._signer.sign(principal, service)}", **trace}
        query: bytes = scope["query_string"]
        path: bytes = scope["raw_path"] + (b"?" + query if query else b"")
        started = False
        failpoints.reach("gateway.before_forwarding")
        try:
            async with self.session.request(
                scope["method"],
                URL(self._urls[service] + path.decode("latin-1"), encoded=True),
                headers=[*((n.decode("latin-1"), v.decode("latin-1")) for n, v in headers), *own.items()],
                data=_body(receive) if has_body else None,
                allow_redirects=False,
            ) as answer:
                failpoints.reach("gateway.after_answer_before_passing_on")
                raw = [(n, v) for n, v in _passing(answer.raw_headers) if n not in _NOT_A_SERVICES]
                await send({"type": "http.response.start", "status": answer.status, "headers": raw})
                started = True
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        except (aiohttp.ClientError, TimeoutError, ServiceUnavailable) as error:
            if isinstance(error.__cause__, CallerGone):
                return
            if isinstance(error.__cause__, HTTPException) and not started:
                # The body became too large on its way.
                raise error.__cause__ from None
            log.warning("service does not answer", owner=service, error=type(error).__name__)
            if started:
                # Cut off, so that nobody takes half an answer for a whole one.
                raise
            await respond(problem_of(ServiceUnavailable()))(scope, receive, send)


def _passing(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers that are meant for the other end, not for the next hop (RFC 9110, section 7.6.1)."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {name.strip().lower() for n, v in lower if n == b"connection" for name in v.split(b",")}
    return [(name, value) for name, value in lower if name not in _HOP_BY_HOP and name not in named]


def _is_about_us(name: bytes) -> bool:
    return name.startswith((b"x-internal-", b"x-forwarded-"))


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            # To end here would leave the service waiting for the rest, and whatever comes next would be taken for it.
            raise CallerGone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return
