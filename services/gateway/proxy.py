"""Forwards a request to the service that owns its path: plain ASGI on connections of our own, bodies streamed.

httpx in this place reaches 0.06 of the direct rate, aiohttp 0.76 (decision 0007); why not aiohttp either: 0031.

A service may close a connection just as a request goes out on it. A request without a body is then sent again, where
its method allows that; any other is answered with 503, and its caller knows whether it may be repeated.
"""

from asyncio import Task, create_task
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import aiohttp
from opentelemetry.trace import get_current_span
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from services.gateway.upstream import Broken, Connection, Upstream
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
_OURS_TO_SAY_WITHOUT_BODY = _OURS_TO_SAY | {b"content-length"}
_ABOUT_US = (b"x-internal-", b"x-forwarded-")
_NOT_A_SERVICES = frozenset({b"set-cookie", b"server"})
_DEADLINE_S = 30.0

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

Headers = Sequence[tuple[bytes, bytes]]


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
        self._upstreams: dict[str, Upstream] = {}

    async def open(self) -> None:
        self._upstreams = {name: Upstream(url, deadline_s=self._deadline_s) for name, url in self._urls.items()}
        self._session = aiohttp.ClientSession(
            # For what the gateway asks by itself, which is little.
            timeout=aiohttp.ClientTimeout(total=None, connect=3, sock_read=self._deadline_s),
            # What one caller is given must never be sent along for another.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        for upstream in self._upstreams.values():
            upstream.close()
        if self._session is not None:
            await self._session.close()

    def busy(self, service: str) -> int:
        """How many requests a service is being asked."""
        return self._upstream(service).busy

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
        has_body = any(n == b"transfer-encoding" or (n == b"content-length" and v != b"0") for n, v in scope["headers"])
        first = await receive() if has_body else None
        if first is not None and first["type"] != "http.request":
            return
        started = False
        failpoints.reach("gateway.before_forwarding")
        try:
            upstream = self._upstream(service)
            method = scope["method"].encode()
            head = self._head(method, upstream, service, principal, scope, has_body=has_body)
            answer = await upstream.ask(method, head, has_body=has_body)
            sending = None
            try:
                if first is not None:
                    sending = await _send_body(answer, first, receive, is_chunked=_is_chunked(scope))
                    await answer.answered()
                failpoints.reach("gateway.after_answer_before_passing_on")
                headers = _passing(answer.headers, _NOT_A_SERVICES)
                started = True
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                more = True
                while more:
                    body = await answer.read()
                    more = not answer.is_complete
                    await send({"type": "http.response.body", "body": body, "more_body": more})
            finally:
                if sending is not None:
                    sending.cancel()
                upstream.done(answer)
        except (Broken, ServiceUnavailable) as error:
            if isinstance(error.__cause__, CallerGone):
                return
            if isinstance(error.__cause__, HTTPException) and not started:
                # The body became too large on its way.
                raise error.__cause__ from None
            log.warning("service does not answer", owner=service, error=type(error.__cause__ or error).__name__)
            if started:
                # Cut off, so that nobody takes half an answer for a whole one.
                raise
            await respond(problem_of(ServiceUnavailable()))(scope, receive, send)

    def _upstream(self, service: str) -> Upstream:
        if service not in self._upstreams:
            raise ServiceUnavailable
        return self._upstreams[service]

    def _head(
        self, method: bytes, upstream: Upstream, service: str, principal: Principal, scope: Scope, *, has_body: bool
    ) -> bytes:
        """Request line and headers as the service gets them."""
        path: bytes = upstream.prefix + scope["raw_path"]
        query: bytes = scope["query_string"]
        token = self._signer.sign(principal, service).encode()
        lines = [
            b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, path + b"?" + query if query else path, upstream.authority),
            b"authorization: Bearer %b\r\n" % token,
        ]
        trace = get_current_span().get_span_context()
        if trace.is_valid:
            told = (trace.trace_id, trace.span_id, trace.trace_flags)
            lines.append(b"traceparent: 00-%032x-%016x-%02x\r\n" % told)
        ours = _OURS_TO_SAY if has_body else _OURS_TO_SAY_WITHOUT_BODY
        for name, value in _passing(scope["headers"], ours):
            if not name.startswith(_ABOUT_US):
                lines.append(b"%b: %b\r\n" % (name, value))
        if has_body and _is_chunked(scope):
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)


def _passing(headers: Headers, but: AbstractSet[bytes]) -> list[tuple[bytes, bytes]]:
    """Headers that are meant for the other end, not for the next hop (RFC 9110, section 7.6.1), but for these."""
    named = {name.strip().lower() for n, v in headers if n == b"connection" for name in v.split(b",")}
    return [(n, v) for n, v in headers if n not in _HOP_BY_HOP and n not in but and n not in named]


def _is_chunked(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


async def _send_body(answer: Connection, first: Message, receive: Receive, *, is_chunked: bool) -> Task[None] | None:
    """Send the body on; a task does so with what has not come yet, since the service may answer before its end."""
    await answer.send(_piece(first, is_chunked=is_chunked), more=first.get("more_body", False))
    if not first.get("more_body"):
        return None

    async def send_rest() -> None:
        more = True
        try:
            while more and (message := await receive())["type"] == "http.request":
                more = message.get("more_body", False)
                await answer.send(_piece(message, is_chunked=is_chunked), more=more)
        except HTTPException as error:
            answer.fail(error)
        else:
            if more:
                # To end here would leave the service waiting, and take whatever comes next for the rest.
                answer.fail(CallerGone())

    return create_task(send_rest())


def _piece(message: Message, *, is_chunked: bool) -> bytes:
    body: bytes = message.get("body", b"")
    if not is_chunked:
        return body
    return (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if message.get("more_body") else b"0\r\n\r\n")
