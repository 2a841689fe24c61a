"""T13: what goes with every answer, whatever it answers; and what is told to nobody outside."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.gateway.headers import CONTENT_SECURITY_POLICY
from services.gateway.routes import pages
from services.gateway.settings import GatewaySettings
from tests.gateway.conftest import make_settings
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import DEADLINE_S, RunningGateway, UpstreamService
from tests.gateway.watching import Watching

GUARDS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
ANSWERS = {
    "the way to the page": ("GET /", 307),
    "the page": ("GET /kk/", 200),
    "the plain page": ("GET /plain/ru/", 200),
    "the manual": ("GET /docs", 200),
    "a file": ("GET /pages/plain.css", 200),
    "figures": ("GET /v1/dashboard", 200),
    "a list of a service": ("GET /v1/centres", 200),
    "a service that is away": ("GET /v1/donations", 503),
    "an address where nothing is": ("GET /v1/nothing", 404),
    "a strange path": ("GET /v1/centres/../x", 404),
    "a method that is not taken": ("DELETE /v1/dashboard", 405),
    "a query that is wrong": ("GET /v1/dashboard?from=soon", 422),
    "a stream that cannot be": ("GET /v1/live?scope=nowhere", 404),
    "health": ("GET /health/live", 200),
    "what is not HTTP": ("\x16\x03\x01", 400),
    "a head without end": ("GET /" + "x" * 40_000, 431),
}


async def answer_to(gateway: RunningGateway, line: str, *more: str) -> tuple[int, dict[str, str]]:
    """Status and headers; each header once, or it is not said clearly."""
    async with gateway.connected() as (reader, writer):
        writer.write("\r\n".join([f"{line} HTTP/1.1", "host: here", "connection: close", *more, "", ""]).encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    first, *lines = head.decode().strip().split("\r\n")
    named = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in named}
    assert len(headers) == len(named), head
    return int(first.split(" ")[1]), headers


@pytest.mark.parametrize("what", ANSWERS)
async def test_t13_every_answer_guards_the_browser(gateway: RunningGateway, what: str) -> None:
    line, status = ANSWERS[what]

    got, headers = await answer_to(gateway, line)

    assert got == status
    assert {name: headers.get(name) for name in GUARDS} == GUARDS
    assert "cache-control" in headers
    assert not {"server", "x-powered-by", "strict-transport-security", "access-control-allow-origin"} & set(headers)


async def test_t13_so_does_the_live_stream_and_the_stream_of_messages(gateway: RunningGateway) -> None:
    async with Watching(gateway) as watching:
        live = dict(line.split(": ", 1) for line in watching.head.strip().split("\r\n")[1:])
    _, messages = await answer_to(gateway, "GET /v1/messages?stream=true")

    for headers in (live, messages):
        assert {name: headers.get(name) for name in GUARDS} == {name: value.lower() for name, value in GUARDS.items()}
        assert headers["cache-control"] == "no-store"


def test_t13_the_policy_is_the_one_that_was_decided() -> None:
    assert GUARDS["content-security-policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("line", ["GET /v1/centres", "GET /v1/volunteers/1", "GET /v1/messages", "GET /v1/nothing"])
async def test_what_may_tell_of_people_is_kept_by_nobody_on_its_way(gateway: RunningGateway, line: str) -> None:
    _, headers = await answer_to(gateway, line)

    assert headers["cache-control"] == "no-store"


async def test_what_never_changes_may_be_kept(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "page-1a2b.js").write_text("export {}")
    monkeypatch.setattr(pages, "STATIC", tmp_path)

    assert "immutable" in (await answer_to(gateway, "GET /assets/page-1a2b.js"))[1]["cache-control"]


async def test_who_comes_by_https_is_told_never_to_come_without(settings: GatewaySettings) -> None:
    async with RunningGateway(settings.model_copy(update={"public_url": "https://asar.example"})) as gateway:
        for line in ("GET /kk/", "GET /v1/nothing", "\x16"):
            assert (await answer_to(gateway, line))[1]["strict-transport-security"] == "max-age=31536000"


# --- other sites ------------------------------------------------------------------------------------------------------

ORIGIN = "origin: https://map.example"
ASKS_FIRST = ["access-control-request-method: POST", "access-control-request-headers: authorization, idempotency-key"]


@pytest.fixture
async def for_a_map(
    shared_settings: GatewaySettings, model: ReadModelUnderTest, upstream: UpstreamService
) -> AsyncIterator[RunningGateway]:
    """A gateway whose operator has named another site."""
    named = {"cors_origins": "https://map.example, https://other.example", "volunteers_url": upstream.url}
    async with RunningGateway(shared_settings.model_copy(update=named)) as running:
        yield running


async def test_no_other_site_s_scripts_are_let_in_unless_the_operator_names_it(gateway: RunningGateway) -> None:
    status, headers = await answer_to(gateway, "OPTIONS /v1/dashboard", ORIGIN, *ASKS_FIRST)
    _, read = await answer_to(gateway, "GET /v1/dashboard", ORIGIN)

    assert status == 405
    assert not [name for name in [*headers, *read] if name.startswith("access-control-")]


async def test_a_named_site_s_scripts_may_call_with_a_key_and_without_cookies(for_a_map: RunningGateway) -> None:
    status, first = await answer_to(for_a_map, "OPTIONS /v1/centres", ORIGIN, *ASKS_FIRST)
    _, read = await answer_to(for_a_map, "GET /v1/centres", ORIGIN)
    _, other = await answer_to(for_a_map, "GET /v1/centres", "origin: https://map.example.evil.example")
    _, none = await answer_to(for_a_map, "GET /v1/centres", "origin: null")

    assert status == 200
    assert first["access-control-allow-origin"] == read["access-control-allow-origin"] == "https://map.example"
    assert "Idempotency-Key" in first["access-control-allow-headers"]
    assert "RateLimit" in read["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in {**first, **read}
    assert "access-control-allow-origin" not in {**other, **none}
    assert "origin" in read["vary"].lower()


@pytest.mark.parametrize("origins", ["*", "https://*", "https://map.example/path", "map.example", "null", "file://x"])
def test_there_is_no_way_to_let_in_all_sites(settings: GatewaySettings, origins: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        make_settings("postgresql://-", "nats://-", settings.keys_dir, cors_origins=origins)


# --- what is for the operator -----------------------------------------------------------------------------------------

DETAILS = ["/metrics", "/health/status"]


@pytest.mark.parametrize("path", [*DETAILS, "/health/live", "/health/ready", "/version"])
async def test_what_an_operator_asks_on_this_machine_is_answered(gateway: RunningGateway, path: str) -> None:
    assert (await gateway.get(path))[0] == 200


@pytest.fixture
async def shut(settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    async with RunningGateway(settings.model_copy(update={"trusted_proxies": ""})) as gateway:
        yield gateway


@pytest.mark.parametrize("path", DETAILS)
@pytest.mark.parametrize("header", ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "Via: 1.1 proxy"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_details_of_the_running_are_not_told_to_whoever_comes_from_outside(
    shut: RunningGateway, path: str, header: str, method: str
) -> None:
    assert (await answer_to(shut, f"{method} {path}"))[0] in {200, 405}
    assert (await answer_to(shut, f"{method} {path}", header))[0] == 404


async def test_where_a_request_comes_from_is_said_by_those_only_who_are_trusted(settings: GatewaySettings) -> None:
    few = settings.model_copy(update={"anonymous_requests_per_minute": 2, "trusted_proxies": ""})
    forged = [f"X-Forwarded-For: 192.0.2.{number}" for number in range(4)]
    async with RunningGateway(few) as gateway:
        believed_nobody = [(await answer_to(gateway, "GET /v1/dashboard", header))[0] for header in forged]
    async with RunningGateway(few.model_copy(update={"trusted_proxies": "127.0.0.0/8"})) as gateway:
        behind_a_proxy = [(await answer_to(gateway, "GET /v1/dashboard", header))[0] for header in forged]
    async with RunningGateway(few.model_copy(update={"trusted_proxies": "127.0.0.1"})) as gateway:
        # What stands before the address that the proxy has seen was written by the caller.
        chained = [(await answer_to(gateway, "GET /v1/dashboard", f"{header}, 192.0.2.9"))[0] for header in forged]

    assert believed_nobody == [200, 200, 429, 429]
    assert behind_a_proxy == [200] * 4
    assert chained == [200, 200, 429, 429]
