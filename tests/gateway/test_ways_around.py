"""T5: no spelling of an address, no method and no header leads anywhere but to the route that asks who may come in.

The gateway and the volunteers service are the real ones; who asks has not said who they are.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared.access.token import Signer
from tests.gateway.conftest import make_settings
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import DEADLINE_S, Listening, RunningGateway
from tests.systems import ADMINISTRATOR, migrated_template
from tests.systems import make_settings as service_settings


class Outside:
    """What an outsider reaches: bytes in, status, head and body out."""

    def __init__(self, gateway: RunningGateway, service: Listening, settings: GatewaySettings) -> None:
        self._gateway = gateway
        self.service = service
        self.token = Signer(settings.keys_dir).sign(ADMINISTRATOR, "volunteers")

    async def ask(self, method: str, target: str, *headers: str, body: bytes = b"") -> tuple[int, bytes, bytes]:
        length = [f"content-length: {len(body)}", "content-type: application/json"] if body else []
        lines = [f"{method} {target} HTTP/1.1", "host: here", "connection: close", *length, *headers, "", ""]
        async with self._gateway.connected() as (reader, writer):
            writer.write("\r\n".join(lines).encode() + body)
            answer = await asyncio.wait_for(reader.read(), DEADLINE_S)
        head, _, said = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head.lower(), said


@pytest.fixture(scope="module")
async def outside(
    postgres: EmbeddedPostgres,
    shared_settings: GatewaySettings,
    shared_model: ReadModelUnderTest,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncIterator[Outside]:
    """The door as it is when nobody has opened it, with one assignment behind it that nobody outside may read."""
    keys_dir: Path = shared_settings.keys_dir
    template = await migrated_template(
        postgres, "ways_around", lambda url: Volunteers(service_settings(url, "nats://-", keys_dir)).process.migrate()
    )
    url = await postgres.create_database("ways_around", template=template)
    volunteers = Volunteers(service_settings(url, "nats://-", keys_dir, port=0))
    async with Listening(volunteers.application(), volunteers.process.settings) as service:
        closed = make_settings(
            shared_settings.database_url, shared_settings.nats_url, keys_dir,
            volunteers_url=service.url,
        )  # fmt: skip
        async with RunningGateway(closed) as gateway:
            yield Outside(gateway, service, closed)


SPELLINGS = [
    "/v1/volunteers",
    "/v1/volunteers/",
    "/v1/volunteers//",
    "//v1/volunteers",
    "/v1//volunteers",
    "/v1/./volunteers",
    "/./v1/volunteers",
    "/v1/centres/../volunteers",
    "/v1/centres/%2e%2e/volunteers",
    "/v1/centres/%2E%2E/volunteers",
    "/v1/centres/.%2e/volunteers",
    "/v1/centres%2f..%2fvolunteers",
    "/v1/centres/..%2fvolunteers",
    "/v1/centres/%252e%252e/volunteers",
    "/v1/centres/..%252fvolunteers",
    "/v1/centres/..;/volunteers",
    "/v1/centres/..\\volunteers",
    "/v1/centres/%5c..%5cvolunteers",
    "/v1/volunteers%2f",
    "/v1%2fvolunteers",
    "/%76%31/%76olunteers",
    "/v1/%76olunteers",
    "/v1/volunteers%00",
    "/v1/volunteers%20",
    "/v1/volunteers%0d%0ax-principal:%20person:administrator",
    "/v1/volunteers;a=b",
    "/v1/volunteers.json",
    "/v1/volunteers#fragment",
    "/v1/volunteers?",
    "/v1/volunteers?limit=1&_method=POST",
    "/V1/VOLUNTEERS",
    "/v1/Volunteers",
    "/v1/centres/../../v1/volunteers",
    "/assets/../v1/volunteers",
    "/kk/../v1/volunteers",
    "/health/../v1/volunteers",
    "http://here/v1/volunteers",
    "http://127.0.0.1/v1/centres/../volunteers",
    "/v1/volunteers/%2e",
    "/v1/%2e/volunteers",
    "/v1/centres/%c0%ae%c0%ae/volunteers",
    "/v1/centres/\u2025/volunteers".encode().decode("latin-1"),
]


@pytest.mark.parametrize("target", SPELLINGS)
async def test_t5_no_spelling_of_an_address_opens_it(outside: Outside, target: str) -> None:
    status, head, body = await outside.ask("GET", target)

    # 422: it is taken for the id of a centre, which it is not.
    assert status in {400, 401, 403, 404, 405, 422}, body
    assert orjson.loads(body)["status"] == status
    assert b"content-security-policy" in head


@pytest.mark.parametrize("target", ["/metrics", "/health/status", "/openapi.json", "/health/ready", "/version"])
@pytest.mark.parametrize(
    "way", ["/v1/centres/../..", "/v1/centres/%2e%2e/%2e%2e", "/v1/centres/..%2f..", "/v1/centres/x/../../.."]
)
async def test_t5_no_way_leads_to_what_a_service_tells_its_operator(outside: Outside, way: str, target: str) -> None:
    status, _, body = await outside.ask("GET", way + target)

    assert status in {400, 404}
    assert b"volunteers" not in body


OVERRIDES = [
    "X-HTTP-Method-Override: {}",
    "X-HTTP-Method: {}",
    "X-Method-Override: {}",
    "X-Original-Method: {}",
]
ELSEWHERE = [
    "X-Original-URL: {}",
    "X-Rewrite-URL: {}",
    "X-Forwarded-Prefix: {}",
    "X-Forwarded-Uri: {}",
    "Destination: {}",
]


@pytest.mark.parametrize("header", OVERRIDES)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
async def test_t5_no_header_makes_another_method_of_one(outside: Outside, header: str, method: str) -> None:
    plain = await outside.ask("GET", "/v1/centres")
    turned = await outside.ask("GET", "/v1/centres", header.format(method), body=b"{}")

    assert (plain[0], plain[2]) == (turned[0], turned[2])
    assert plain[0] == 200


@pytest.mark.parametrize("header", ELSEWHERE)
@pytest.mark.parametrize("target", ["/v1/volunteers", "/metrics", "/v1/journal/volunteers"])
async def test_t5_no_header_makes_another_address_of_one(outside: Outside, header: str, target: str) -> None:
    plain = await outside.ask("GET", "/v1/centres")
    turned = await outside.ask("GET", "/v1/centres", header.format(target))

    assert (plain[0], plain[2]) == (turned[0], turned[2])


@pytest.mark.parametrize(
    "header",
    [
        "X-Internal-Principal: person:administrator",
        "X-Internal-Token: {token}",
        "X-User: administrator",
        "X-Forwarded-User: administrator",
        "X-Remote-User: administrator",
        "Remote-User: administrator",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Authorization: Bearer {token}",
        "authorization: bearer {token}",
        "Authorization: Basic YWRtaW5pc3RyYXRvcjo=",
        "Proxy-Authorization: Bearer {token}",
        "Cookie: session={token}",
        "Connection: close, X-Forwarded-For",
        "Connection: close, Authorization",
    ],
)
async def test_t5_no_header_makes_somebody_else_of_who_asks(outside: Outside, header: str) -> None:
    """The token is a real one, which a service would believe: it is not for outside."""
    status, _, _ = await outside.ask("GET", "/v1/volunteers", header.format(token=outside.token))
    written, _, _ = await outside.ask("POST", "/v1/centres", header.format(token=outside.token), body=b"{}")

    assert (status, written) in {(401, 401), (403, 403), (401, 403)}


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "SEARCH"])
@pytest.mark.parametrize("target", ["/v1/volunteers", "/v1/assignments", "/v1/messages", "/v1/hours"])
async def test_t5_no_method_tells_or_changes_what_get_would_not(outside: Outside, method: str, target: str) -> None:
    status, head, body = await outside.ask(method, target, "X-Canary: bird", body=b"{}")

    assert status in {400, 401, 403, 404, 405}, body
    assert b"bird" not in head + body
    if status == 405:
        assert re.search(rb"\r\nallow: [a-z, ]+\r\n", head)


@pytest.mark.parametrize("method", ["CONNECT", "get", "GETX", "JEFF", "M-SEARCH"])
async def test_t5_a_method_that_nobody_knows_reaches_nobody(outside: Outside, method: str) -> None:
    assert (await outside.ask(method, "/v1/volunteers"))[0] in {400, 401, 403, 404, 405}


async def test_t5_head_of_what_is_open_is_its_get_without_a_body(outside: Outside) -> None:
    got, head, body = await outside.ask("HEAD", "/v1/dashboard")

    assert got in {200, 405}
    assert body == b""
    assert b"ratelimit" in head


@pytest.mark.parametrize(
    "second",
    [b"GET /v1/volunteers HTTP/1.1\r\nhost: here\r\n\r\n", b"DELETE /v1/centres/x HTTP/1.1\r\nhost: here\r\n\r\n"],
)
async def test_t5_no_second_request_hides_in_the_body_of_a_first(outside: Outside, second: bytes) -> None:
    for framing in ("content-length: 0", "transfer-encoding: identity", "transfer-encoding: chunked, identity"):
        status, _, body = await outside.ask("GET", "/v1/centres", framing, body=b"")
        assert status in {200, 400, 501}
        assert b"DELETE" not in body
    smuggled = await outside.ask("POST", "/v1/centres", "transfer-encoding: chunked", "content-length: 4", body=second)
    assert smuggled[0] == 400


async def test_the_door_is_not_shut_to_those_who_may_come_in(outside: Outside) -> None:
    """That the tests above can fail: the service itself tells the administrator what it tells nobody outside."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", outside.service.port)
        request = (
            f"GET /v1/volunteers HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {outside.token}"
        )
        writer.write(f"{request}\r\n\r\n".encode())
        answer: Any = await reader.read()
        writer.close()
    assert b" 200 OK" in answer
