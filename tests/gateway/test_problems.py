"""Whatever part of the gateway refuses a request, it does so with a problem that repeats nothing of it."""

from io import BytesIO
from typing import Any

import aiohttp
import pytest

from services.gateway.proxy import OWNERS
from shared.languages import LANGUAGES
from tests.gateway.serving import RunningGateway

CANARY = "Qupiyasyrym"
AWAY = next(noun for noun, service in OWNERS.items() if service == "charity")
"""A noun of a service that is not there."""


async def ask(gateway: RunningGateway, method: str, path: str, **sent: Any) -> tuple[aiohttp.ClientResponse, Any]:
    async with gateway.client.request(method, path, allow_redirects=False, **sent) as answer:
        return answer, await answer.json(content_type="application/problem+json")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        # Its own application
        ("GET", f"/v1/{CANARY}", 404),
        ("GET", f"/{CANARY}?x={CANARY}", 404),
        ("GET", f"/v1/dashboard?scope={CANARY}", 404),
        ("GET", f"/v1/dashboard?from={CANARY}", 422),
        ("GET", f"/v1/messages?limit={CANARY}", 422),
        ("GET", f"/v1/messages?after={CANARY}", 404),
        ("PATCH", f"/v1/dashboard?scope={CANARY}", 405),
        ("POST", f"/v1/live?scope={CANARY}", 405),
        # The hub
        ("GET", f"/v1/live?scope={CANARY}", 404),
        ("GET", f"/v1/live?from={CANARY}", 422),
        # The way to the services
        ("GET", f"/v1/{AWAY}/{CANARY}?x={CANARY}", 503),
        ("POST", f"/v1/{AWAY}/{CANARY}", 503),
    ],
)
async def test_every_part_refuses_in_the_caller_s_language_without_repeating_them(
    gateway: RunningGateway, method: str, path: str, status: int, language: str
) -> None:
    headers = {"Accept-Language": language, "X-Canary": CANARY}

    answer, problem = await ask(gateway, method, path, headers=headers)

    assert (answer.status, problem["status"]) == (status, status)
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    assert CANARY not in str(problem) + str(answer.headers)


async def test_a_large_body_is_refused_by_the_gateway_s_own_application(gateway: RunningGateway) -> None:
    answer, problem = await ask(gateway, "POST", "/v1/dashboard", data=BytesIO(CANARY.encode() * 500_000))

    assert (answer.status, problem["code"]) == (413, "payload-too-large")


async def test_a_method_that_is_not_taken_is_told_which_are(gateway: RunningGateway) -> None:
    answer, _ = await ask(gateway, "DELETE", "/v1/live")

    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/v1/dashboard?scop=KZ-75", "/v1/messages?afer=x"])
async def test_a_parameter_that_is_not_known_is_not_overlooked(gateway: RunningGateway, path: str) -> None:
    answer, problem = await ask(gateway, "GET", path)

    assert (answer.status, problem["errors"][0]["code"]) == (422, "unknown_parameter")
