"""What goes through to the services, and what does not."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from starlette.types import Receive, Scope, Send

from services.charity.routes import ROUTERS as CHARITY
from services.events.routes import ROUTERS as EVENTS
from services.gateway.proxy import JOURNAL, LARGER_BODIES, OWNERS, Proxy, owner_of
from services.gateway.settings import GatewaySettings
from services.volunteers.routes import ROUTERS as VOLUNTEERS
from shared import telemetry
from shared.access.principal import ANYONE
from shared.access.token import Signer, TokenRefused, Verifier
from tests.gateway.serving import RunningGateway, UpstreamService, reply, until


async def ask(gateway: RunningGateway, method: str, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, Any]:
    async with gateway.client.request(method, path, allow_redirects=False, **options) as answer:
        body = await answer.read()
        return answer, orjson.loads(body) if body else None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_request_goes_through_as_it_is(gateway: RunningGateway, method: str) -> None:
    path = "/v1/volunteers/%D2%9B%20%2B?status=active&name=%D2%9B&x&x=1"

    answer, told = await ask(gateway, method, path, data=b'{"a": 1}', headers={"Content-Type": "application/json"})

    assert (answer.status, answer.headers["x-told"]) == (200, "yes")
    assert told["method"] == method
    assert f"{told['path']}?{told['query']}" == path
    assert told["body"] == '{"a": 1}'
    assert told["headers"]["content-type"] == "application/json"


async def test_a_request_without_a_body_has_none(gateway: RunningGateway, upstream: UpstreamService) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        await ask(gateway, method, "/v1/centres")

    assert [asked["body"] for asked in upstream.asked] == [""] * 4
    assert "content-length" not in upstream.asked[0]["headers"]
    assert all("transfer-encoding" not in asked["headers"] for asked in upstream.asked)


async def test_a_service_hears_from_the_gateway_alone_who_asks(
    gateway: RunningGateway, upstream: UpstreamService, shared_settings: GatewaySettings
) -> None:
    forged = {
        "Cookie": "session=1",
        "X-Internal-Principal": "person:somebody",
        "X-Forwarded-For": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "Connection": "keep-alive, X-Private",
        "X-Private": "for the next hop",
        "Idempotency-Key": "one",
        "X-Request-Id": "two",
    }
    answer, _ = await ask(gateway, "GET", "/v1/centres", headers=forged)

    assert answer.status == 200
    heard = upstream.asked[0]["headers"]
    assert (heard["idempotency-key"], heard["x-request-id"]) == ("one", "two")
    assert not {"cookie", "x-internal-principal", "x-forwarded-for", "forwarded", "x-private"} & set(heard)
    token = heard["authorization"].removeprefix("Bearer ")
    assert Verifier(shared_settings.keys_dir, "volunteers").verify(token).kind == "machine"
    with pytest.raises(TokenRefused):
        Verifier(shared_settings.keys_dir, "charity").verify(token)


async def test_who_does_not_say_who_they_are_is_anyone(
    gateway: RunningGateway, upstream: UpstreamService, shared_settings: GatewaySettings
) -> None:
    async with gateway.calling() as client:
        await client.get("/v1/centres")
        messages, figures = await client.get("/v1/messages"), await client.get("/v1/dashboard")
        problem = await messages.json(content_type=None)

    token = upstream.asked[0]["headers"]["authorization"].removeprefix("Bearer ")
    assert Verifier(shared_settings.keys_dir, "volunteers").verify(token) == ANYONE
    assert (messages.status, problem["code"], figures.status) == (401, "sign-in-required", 200)


async def test_a_trace_begins_at_the_gateway_and_goes_on_behind_it(
    gateway: RunningGateway, upstream: UpstreamService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody outside decides what is traced: who sends a context that is sampled gets one of ours, which is not."""
    monkeypatch.setattr(telemetry, "tracer", TracerProvider(sampler=ParentBased(ALWAYS_OFF)).get_tracer("asar"))
    theirs = "0af7651916cd43dd8448eb211c80319c"

    await ask(gateway, "GET", "/v1/centres", headers={"traceparent": f"00-{theirs}-b7ad6b7169203331-01"})

    _, trace, _, flags = upstream.asked[0]["headers"]["traceparent"].split("-")
    assert trace not in {theirs, "0" * 32}
    assert not int(flags, 16) & 1


async def test_an_answer_comes_back_as_it_is_but_for_what_is_the_gateway_s_to_say(
    gateway: RunningGateway, upstream: UpstreamService
) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        own = [(b"location", b"/v1/centres/1"), (b"etag", b'"7"'), (b"set-cookie", b"session=stolen")]
        await reply(send, 201, b'{"id": 1}', *own)

    upstream.answer = answer
    got, told = await ask(gateway, "POST", "/v1/centres", data=b"{}")

    assert (got.status, told) == (201, {"id": 1})
    assert (got.headers["location"], got.headers["etag"]) == ("/v1/centres/1", '"7"')
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert "set-cookie" not in got.headers


@pytest.mark.parametrize("status", [204, 304, 404, 422, 500])
async def test_any_status_comes_back(gateway: RunningGateway, upstream: UpstreamService, status: int) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    upstream.answer = answer
    for _ in range(2):
        got, body = await ask(gateway, "GET", "/v1/centres/1")
        assert (got.status, body) == (status, None)


async def test_redirects_are_the_caller_s_to_follow(gateway: RunningGateway, upstream: UpstreamService) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await reply(send, 307, b"", (b"location", b"/v1/centres"))

    upstream.answer = answer
    got, _ = await ask(gateway, "GET", "/v1/centres/")

    assert (got.status, got.headers["location"]) == (307, "/v1/centres")


async def test_bodies_flow_both_ways_as_they_come(gateway: RunningGateway, upstream: UpstreamService) -> None:
    """Neither waits for the whole: each side answers a piece before the next is sent."""
    heard: list[bytes] = []

    async def echo(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            heard.append(message.get("body", b""))
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})

    upstream.answer = echo
    async with gateway.connected() as (reader, writer), asyncio.timeout(10):
        writer.write(b"POST /v1/centres HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"one", b"three"):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if piece == b"one":
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len(piece) + 5) == b"%x\r\n%s\r\n" % (len(piece), piece)
        writer.write(b"0\r\n\r\n")
        assert await reader.readexactly(5) == b"0\r\n\r\n"
    assert b"".join(heard) == b"onethree"


# --- bodies that would be taken for something else --------------------------------------------------------------------


async def test_the_body_of_a_get_is_not_taken_for_the_next_request(
    gateway: RunningGateway, upstream: UpstreamService
) -> None:
    hidden = b"DELETE /v1/centres/1 HTTP/1.1\r\nhost: here\r\n\r\n"
    request = b"GET /v1/centres HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"

    status, told = await gateway.ask(request % (len(hidden), hidden))
    for _ in range(3):
        await ask(gateway, "GET", "/v1/centres")

    assert (status, orjson.loads(told)["body"]) == (200, hidden.decode())
    assert [asked["method"] for asked in upstream.asked] == ["GET"] * 4


@pytest.mark.parametrize(
    "head", [b"content-length: 1000", b"transfer-encoding: chunked"], ids=["of known length", "chunked"]
)
async def test_a_caller_who_leaves_in_the_middle_leaves_no_half_request(
    gateway: RunningGateway, upstream: UpstreamService, head: bytes
) -> None:
    async with gateway.connected() as (_, writer):
        writer.write(b"POST /v1/centres HTTP/1.1\r\nhost: here\r\n%s\r\n\r\n" % head)
        writer.write(b'a\r\n{"half": 1\r\n' if b"chunked" in head else b'{"half": 1')
        await writer.drain()
        await until(lambda: gateway.process.proxy.busy("volunteers"))
    await until(lambda: upstream.asked)

    assert upstream.asked[0]["complete"] is False
    for _ in range(3):
        answer, told = await ask(gateway, "POST", "/v1/centres", data=b"whole")
        assert (answer.status, told["body"]) == (200, "whole")


async def test_t12_a_body_of_twenty_megabytes_reaches_no_service(
    gateway: RunningGateway, upstream: UpstreamService
) -> None:
    for data in (io.BytesIO(b"x" * 20_000_000), _pieces()):
        answer, problem = await ask(gateway, "POST", "/v1/centres", data=data)
        assert (answer.status, problem["code"]) == (413, "payload-too-large")
    assert not any(asked["complete"] for asked in upstream.asked)

    answer, _ = await ask(gateway, "POST", "/v1/centres", data=b"small")
    assert answer.status == 200


@pytest.mark.parametrize(("address", "most"), LARGER_BODIES.items())
async def test_what_may_be_larger_arrives_whole_up_to_its_own_limit(
    gateway: RunningGateway, upstream: UpstreamService, address: str, most: int
) -> None:
    answer, told = await ask(gateway, "POST", address, data=io.BytesIO(b"x" * most))
    assert (answer.status, len(told["body"])) == (200, most)

    answer, problem = await ask(gateway, "POST", address, data=io.BytesIO(b"x" * (most + 1)))
    assert (answer.status, problem["code"]) == (413, "payload-too-large")


async def test_a_refusal_arrives_though_the_body_is_still_on_its_way(
    gateway: RunningGateway, upstream: UpstreamService
) -> None:
    async def refuse(_: Scope, __: Receive, send: Send) -> None:
        await reply(send, 422, b'{"code": "no"}')

    upstream.answer = refuse
    answer, problem = await ask(gateway, "POST", "/v1/centres", data=io.BytesIO(b"x" * 3_000_000))

    assert (answer.status, problem["code"]) == (422, "no")


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(200):
        yield b"x" * 100_000


# --- services that do not answer --------------------------------------------------------------------------------------


async def test_a_dead_service_is_unavailable_and_the_others_are_not(gateway: RunningGateway) -> None:
    dead, problem = await ask(gateway, "GET", "/v1/donations")
    alive, _ = await ask(gateway, "GET", "/v1/centres")
    own, _, _ = await gateway.get("/v1/dashboard")

    assert (dead.status, dead.content_type, problem["code"]) == (503, "application/problem+json", "service-unavailable")
    assert "retry-after" in dead.headers
    assert "default-src 'none'" in dead.headers["content-security-policy"]
    assert (alive.status, own) == (200, 200)


async def test_a_service_that_does_not_answer_in_time_is_unavailable(
    settings: GatewaySettings, upstream: UpstreamService
) -> None:
    async def sleep(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    upstream.answer = sleep
    async with RunningGateway(settings.model_copy(update={"events_url": upstream.url})) as gateway:
        gateway.process.proxy._deadline_s = 0.2  # noqa: SLF001
        await gateway.process.proxy.close()
        await gateway.process.proxy.open()

        answer, problem = await ask(gateway, "GET", "/v1/events")

    assert (answer.status, problem["code"]) == (503, "service-unavailable")


async def test_half_an_answer_is_not_taken_for_a_whole_one(gateway: RunningGateway, upstream: UpstreamService) -> None:
    async def break_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"items": [1,', "more_body": True})
        raise ConnectionAbortedError

    upstream.answer = break_off
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(gateway, "GET", "/v1/centres")


async def test_a_service_that_starts_again_fails_no_request(gateway: RunningGateway, upstream: UpstreamService) -> None:
    """Connections kept from before are closed by then: nothing may be sent on one of those."""
    for _ in range(5):
        answers = await asyncio.gather(*(ask(gateway, "POST", "/v1/centres", data=b"{}") for _ in range(8)))
        assert [answer.status for answer, _ in answers] == [200] * 8
        await upstream.stop()
        dead, _ = await ask(gateway, "GET", "/v1/centres")
        assert dead.status == 503
        await upstream.start()
    assert len(upstream.asked) == 40


async def test_a_connection_that_closes_just_then_costs_a_read_nothing_and_a_write_never_happens_twice(
    settings: GatewaySettings,
) -> None:
    """A server that closes each connection after its first answer, without having said so."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            for answer in (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b""):
                head = await reader.readuntil(b"\r\n\r\n")
                requests.append(head.split(b" ", 1)[0])
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, RunningGateway(settings.model_copy(update={"volunteers_url": url})) as gateway:
        statuses = [(await ask(gateway, method, "/v1/centres"))[0].status for method in ("GET", "GET", "POST", "POST")]

    # The second read was sent again by itself; the first write went out once, on a connection that was just closing.
    assert statuses == [200, 200, 503, 200]
    assert requests == [b"GET", b"GET", b"GET", b"POST", b"POST"]


# --- where a path leads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1/centres/../metrics",
        "/v1/centres/%2e%2e/%2e%2e/metrics",
        "/v1/centres/%2E%2E/donations",
        "/v1/centres/./x",
        "/v1/centres/x%2f..%2f..%2fmetrics",
        "//v1/centres",
        "/v1//centres",
        "/v1/./centres",
        "/V1/centres",
        "/v1/Centres",
        "/v1/centresx",
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/nothing",
        "/metrics/../v1/centres",
    ],
)
async def test_a_strange_path_reaches_no_service(gateway: RunningGateway, upstream: UpstreamService, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode()

    status, body = await gateway.ask(request)

    assert (status, orjson.loads(body)["status"]) == (404, 404)
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("path", "heard"),
    [
        ("/v1/%63entres", "/v1/%63entres"),
        ("/v1/centres/%252e%252e/x", "/v1/centres/%252e%252e/x"),
        ("/v1/centres//x", "/v1/centres//x"),
        ("/v1/centres/;x=1", "/v1/centres/;x=1"),
        ("/v1/centres/?a=/../b", "/v1/centres/"),
    ],
)
async def test_a_path_is_passed_on_letter_by_letter(
    gateway: RunningGateway, upstream: UpstreamService, path: str, heard: str
) -> None:
    status, _ = await gateway.ask(f"GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n".encode())

    assert (status, upstream.asked[0]["path"]) == (200, heard)


async def test_a_request_for_nothing_at_all_is_answered(gateway: RunningGateway) -> None:
    status, _ = await gateway.ask(b"OPTIONS * HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")

    assert status in (400, 404, 405)


@pytest.mark.parametrize(("service", "routers"), [("volunteers", VOLUNTEERS), ("events", EVENTS), ("charity", CHARITY)])
def test_every_noun_of_a_service_is_forwarded_to_it(service: str, routers: list[Any]) -> None:
    nouns = {route.path.split("/")[2] for router in routers for route in router.routes}

    assert nouns - {"export-parts"} == {noun for noun, owner in OWNERS.items() if owner == service} | {JOURNAL}
    assert owner_of(JOURNAL, [service]) == service


async def test_before_it_is_open_the_proxy_is_unavailable(settings: GatewaySettings) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope: Any = {
        "type": "http", "method": "GET", "headers": [], "query_string": b"", "path": "/v1/x", "raw_path": b"/v1/x",
    }  # fmt: skip
    await Proxy({"events": "http://127.0.0.1:1"}, Signer(settings.keys_dir)).forward(
        "events", ANYONE, scope, receive, send
    )

    assert sent[0]["status"] == 503
