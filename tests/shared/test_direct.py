"""Requests that are answered without FastAPI's way through them are answered as FastAPI would have them answered."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match

from services.charity.app import Charity
from services.events.app import Events
from services.volunteers.app import Volunteers
from shared.access import keys
from shared.direct import Addresses
from shared.ids import new_id
from tests.gateway.serving import unused_settings
from tests.systems import ServiceUnderTest

HOT = {
    ("POST", "/v1/volunteers"), ("GET", "/v1/volunteers/{volunteer_id}"), ("POST", "/v1/volunteers/searches"),
    ("POST", "/v1/donations"), ("GET", "/v1/donations/{donation_id}"), ("POST", "/v1/sign-ups"),
    ("GET", "/v1/centres/{centre_id}"), ("POST", "/v1/deliveries"), ("GET", "/v1/volunteers"),
}  # fmt: skip


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> list[FastAPI]:
    keys_dir = tmp_path_factory.mktemp("keys")
    keys.make_missing(keys_dir)
    settings = unused_settings(keys_dir=keys_dir)
    return [service(settings).application() for service in (Volunteers, Events, Charity)]


def addresses(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Each operation: its method, what its address looks like, and one address."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            pattern = context.original_route.path
            parts = [str(new_id()) if part.startswith("{") else part for part in pattern.split("/")]
            for method in context.original_route.methods or ():
                yield method, pattern, "/".join(parts)


def test_an_address_leads_to_the_route_that_fastapi_would_choose(apps: list[FastAPI]) -> None:
    direct: set[tuple[str, str]] = set()
    for app in apps:
        known = Addresses(app)
        for method, pattern, path in addresses(app):
            found = known.find(method, path)
            if found is None:
                continue
            scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}
            contexts = list(iter_route_contexts(app.routes))
            [chosen, *_] = [c.original_route for c in contexts if c.matches(scope)[0] is Match.FULL]
            assert found[0] is chosen, (method, path)
            assert callable(found[1])
            assert found[0].path.format(**found[2]) == path
            direct.add((method, pattern))

    assert direct >= HOT


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/centres/", "/v1//centres", "/v1/centres/a/b", "/v1/nothing"])
def test_an_address_of_no_route_is_left_to_fastapi(apps: list[FastAPI], path: str) -> None:
    assert Addresses(apps[0]).find("GET", path) is None


JSON = "application/json"
BODIES: dict[str, tuple[str | None, bytes]] = {
    "good": (JSON, b'{"name": "a kite"}'),
    "good, with a charset": (f"{JSON}; charset=utf-8", b'{"name": "a kite"}'),
    "of another subtype": ("application/merge-patch+json", b'{"name": "a kite"}'),
    "written in capitals": ("Application/JSON", b'{"name": "a kite"}'),
    "in UTF-16": (JSON, '{"name": "a kite"}'.encode("utf-16")),
    "twice the same": (JSON, b'{"name": "one kite", "name": "a kite"}'),
    "no JSON": (JSON, b'{"name": '),
    "no JSON, and cut in a letter": (JSON, b'{"name": "\xd0'),
    "half a letter": (JSON, b'{"name": "\\ud800"}'),
    "not a number": (JSON, b'{"name": "a kite", "length_cm": NaN}'),
    "true for a number": (JSON, b'{"name": "a kite", "length_cm": true}'),
    "a number as a text": (JSON, b'{"name": "a kite", "length_cm": "7"}'),
    "7.0": (JSON, b'{"name": "a kite", "length_cm": 7.0}'),
    "a great number": (JSON, b'{"name": "a kite", "length_cm": 1e400}'),
    "unknown field": (JSON, b'{"name": "a kite", "tail": 1}'),
    "nothing in it": (JSON, b"{}"),
    "a list": (JSON, b"[]"),
    "null": (JSON, b"null"),
    "empty": (JSON, b""),
    "a form": ("application/x-www-form-urlencoded", b"name=a+kite"),
    "of no kind": (None, b'{"name": "a kite"}'),
    "a NUL": (JSON, b'{"name": "a\\u0000kite"}'),
    "an id of another kind": (JSON, b'{"name": "a kite", "id": 7}'),
}


@pytest.mark.parametrize("body", BODIES)
async def test_a_request_is_answered_as_fastapi_would_answer_it(
    kites: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    media_type, content = BODIES[body]
    # Else the second kite would be refused for the name of the first.
    headers = {"Content-Type": media_type} if media_type else {}
    both: list[Any] = []
    for is_direct in (True, False):
        if not is_direct:
            monkeypatch.setattr(Addresses, "find", lambda *_: None)
        answer = await kites.client.post(
            "/v1/kites?validate_only=true",
            content=content,
            headers={**headers, "Idempotency-Key": str(new_id())},
        )
        said = answer.json()
        differ = {"id", "trace_id", "instance"}
        both.append(
            (answer.status_code, answer.headers.get("content-type"), {k: v for k, v in said.items() if k not in differ})
        )

    assert both[0] == both[1]
    assert both[0][0] == (200 if body.startswith("good") or body == "twice the same" else both[0][0])
