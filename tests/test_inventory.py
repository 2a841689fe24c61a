"""T15: what is reachable is written down, and what is written down is reachable: OpenAPI and the routes are one set."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match

from services.charity.app import Charity
from services.events.app import Events
from services.gateway import openapi
from services.gateway.app import Gateway
from services.gateway.proxy import owner_of
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared.access import keys
from tests.gateway.serving import unused_settings

Operation = tuple[str, str]
METHODS = ("get", "post", "put", "patch", "delete")
OF_EVERY_PROCESS = {"/health/live", "/health/ready", "/health/status", "/version", "/metrics", "/openapi.json"}
PAGES = {
    "/", "/{language}/", "/plain/{language}/", "/assets/{name}", "/pages/{name}", "/favicon.svg", "/docs",
    "/asyncapi.json", "/enrolment/{token}", "/sign-in/oidc", "/sign-in/oidc/callback",
}  # fmt: skip
"""What the gateway answers beside the API: for eyes, or describing it."""
FORM_PAGES = {
    f"/{{language}}/{place}"
    for place in (
        "sign-in", "sign-out", "enrolment", "account", "account/password", "account/sessions/{session_id}",
        "account/keys/new", "keys/{key_id}/rotate", "keys/{key_id}/end", "people", "people/invite",
        "people/invitations/{invitation_id}", "people/{account_id}", "people/{account_id}/password",
        "people/{account_id}/give", "people/{account_id}/grants/{grant_id}", "people/{account_id}/revoke",
    )
}  # fmt: skip
"""What people fill in: each goes to its own address, and does what the API does."""


FOR_THE_GATEWAY = {"/v1/export-parts/volunteers/{volunteer_id}"}
"""What a service answers the gateway itself, and nobody reaches through it."""


def routes_below(routes: Iterable[BaseRoute]) -> Iterator[APIRoute | BaseRoute]:
    """Every route, out of the routers that FastAPI keeps as they were included."""
    for route in routes:
        included: Any = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from routes_below(included.routes)


def reachable(app: FastAPI) -> set[Operation]:
    return {
        (method, str(getattr(route, "path", route)))
        for route in routes_below(app.router.routes)
        for method in getattr(route, "methods", None) or {"?"}
        # Starlette answers HEAD where there is a GET.
        if method != "HEAD"
    }


def written_down(document: dict[str, Any]) -> set[Operation]:
    return {(method.upper(), path) for path, item in document["paths"].items() for method in METHODS if method in item}


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FastAPI]:
    keys_dir = tmp_path_factory.mktemp("keys")
    keys.make_missing(keys_dir)
    settings = unused_settings(keys_dir=keys_dir)
    nowhere = {f"{name}_url": "http://127.0.0.1:1" for name in ("volunteers", "events", "charity")}
    gateway = Gateway(GatewaySettings.model_validate(settings.model_dump() | nowhere))
    return {
        "volunteers": Volunteers(settings).application(),
        "events": Events(settings).application(),
        "charity": Charity(settings).application(),
        "gateway": gateway.own_application(),
    }


@pytest.fixture(scope="module")
def merged(apps: dict[str, FastAPI]) -> dict[str, Any]:
    return openapi.merge(app.openapi() for app in apps.values())


@pytest.mark.parametrize("service", ["volunteers", "events", "charity", "gateway"])
def test_t15_no_route_of_a_service_is_absent_from_the_document(
    apps: dict[str, FastAPI], merged: dict[str, Any], service: str
) -> None:
    beside = OF_EVERY_PROCESS | (PAGES | FORM_PAGES if service == "gateway" else FOR_THE_GATEWAY)
    routes = reachable(apps[service])

    assert {path for _, path in routes} >= OF_EVERY_PROCESS
    assert {(method, path) for method, path in routes if path not in beside} <= written_down(merged)
    assert all(method in ("GET", "POST") for method, path in routes if path in FORM_PAGES)
    assert all(method == "GET" for method, path in routes if path in beside - FORM_PAGES - FOR_THE_GATEWAY)


def test_t15_no_operation_of_the_document_is_without_a_route(apps: dict[str, FastAPI], merged: dict[str, Any]) -> None:
    assert written_down(merged) <= set().union(*map(reachable, apps.values()))


def test_t15_every_operation_reaches_its_route_through_the_gateway(
    apps: dict[str, FastAPI], merged: dict[str, Any]
) -> None:
    for method, path in written_down(merged):
        _, _, noun, *deeper = path.split("/")
        app = apps[owner_of(noun, deeper) or "gateway"]
        scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}
        assert any(route.matches(scope)[0] is Match.FULL for route in app.router.routes), (method, path)


def test_t15_what_the_gateway_forwards_is_never_what_is_for_the_operator_or_for_itself() -> None:
    for path in OF_EVERY_PROCESS:
        assert owner_of(path.split("/")[1], path.split("/")[2:]) is None
    for path in FOR_THE_GATEWAY:
        assert owner_of(path.split("/")[2], path.split("/")[3:]) is None


def test_the_rules_above_would_notice_a_route_that_nobody_wrote_down(apps: dict[str, FastAPI]) -> None:
    app = FastAPI()
    app.include_router(apps["volunteers"].router)
    app.add_api_route("/v1/volunteers/secret", lambda: None, include_in_schema=False)

    assert reachable(app) - written_down(app.openapi()) >= {("GET", "/v1/volunteers/secret")}
