"""What people and machines read: one OpenAPI document of all services, one AsyncAPI document of all messages."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from services.charity.app import Charity
from services.events.app import Events
from services.gateway import asyncapi, manual, openapi
from services.gateway.routes import ROUTERS
from services.volunteers.app import Volunteers
from shared.access import keys
from shared.access.permissions import Permission
from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent
from shared.messaging.subjects import PUBLISHERS
from tests.gateway.serving import RunningGateway, UpstreamService, reply, unused_settings

OWN = {
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
}
"""What the gateway answers by itself."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The OpenAPI documents of the services."""
    keys_dir: Path = tmp_path_factory.mktemp("keys")
    keys.make_missing(keys_dir)
    settings = unused_settings(keys_dir=keys_dir)
    return [service(settings).application().openapi() for service in (Volunteers, Events, Charity)]


@pytest.fixture(scope="module")
def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return openapi.merge(documents)


def references(node: Any) -> Iterable[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


# --- OpenAPI ----------------------------------------------------------------------------------------------------------


def test_the_union_has_every_operation_and_each_reference_leads_somewhere(
    merged: dict[str, Any], documents: list[dict[str, Any]]
) -> None:
    assert set(merged["paths"]) == {path for document in documents for path in document["paths"]}
    for reference in references(merged):
        assert resolve(merged, reference), reference


def test_every_operation_of_the_union_says_the_same_as_its_service(
    merged: dict[str, Any], documents: list[dict[str, Any]]
) -> None:
    """Whatever a schema is called: with every reference written out, nothing has changed."""
    for document in documents:
        for path, operations in document["paths"].items():
            assert written_out(merged, merged["paths"][path]) == written_out(document, operations), path


def written_out(document: dict[str, Any], node: Any, within: tuple[str, ...] = ()) -> Any:
    """A node with every reference replaced by what it refers to."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            return (
                "…"
                if reference in within
                else written_out(document, resolve(document, reference), (*within, reference))
            )
        return {key: written_out(document, value, within) for key, value in node.items()}
    if isinstance(node, list):
        return [written_out(document, value, within) for value in node]
    return node


def test_every_operation_says_which_permission_it_asks_for(merged: dict[str, Any]) -> None:
    for path, operations in merged["paths"].items():
        for method, operation in operations.items():
            [needed] = operation["security"]
            [[permission]] = needed.values()
            assert permission in set(Permission), f"{method} {path}"
    assert merged["components"]["securitySchemes"].keys() == {"principal"}


def test_schemas_that_differ_keep_apart_and_so_do_those_that_refer_to_them() -> None:
    def document(service: str, **fields: str) -> dict[str, Any]:
        item = {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}
        page = {"type": "object", "properties": {"items": {"items": {"$ref": "#/components/schemas/Item"}}}}
        book = {"type": "object", "properties": {"page": {"$ref": "#/components/schemas/Page"}}}
        answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Book"}}}}
        return {
            "info": {"title": f"Asar {service}"},
            "paths": {f"/v1/{service}": {"get": {"responses": {"200": answer}}}},
            "components": {"schemas": {"Book": book, "Page": page, "Item": item, "Same": {"type": "string"}}},
        }

    originals = [
        document("birds", wings="integer"),
        document("fish", fins="integer"),
        document("birds2", wings="integer"),
    ]
    merged = openapi.merge(originals)

    assert set(merged["components"]["schemas"]) == {"Book", "Page", "Item", "Same", "FishBook", "FishPage", "FishItem"}
    for original in originals:
        for path, operations in original["paths"].items():
            assert written_out(merged, merged["paths"][path]) == written_out(original, operations)


async def test_the_gateway_collects_what_its_services_say(
    gateway: RunningGateway, upstream: UpstreamService, documents: list[dict[str, Any]]
) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await reply(send, 200, orjson.dumps(documents[0]))

    upstream.answer = answer
    status, _, document = await gateway.get("/openapi.json")

    assert (status, document["openapi"], document["info"]["title"]) == (200, "3.1.0", "Asar")
    # The other services do not answer; that is no reason to say nothing.
    assert set(document["paths"]) == {*documents[0]["paths"], *OWN}
    parameters = document["paths"]["/v1/live"]["get"]["parameters"]
    names = [parameter["name"] for parameter in parameters if "name" in parameter]
    assert names == ["scope", "from", "to", "last"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"<html>", b'{"code": "internal"}'])
async def test_a_service_that_answers_nonsense_is_left_out(
    gateway: RunningGateway, upstream: UpstreamService, body: bytes
) -> None:
    async def answer(_: Scope, __: Receive, send: Send) -> None:
        await reply(send, 500 if b"code" in body else 200, body)

    upstream.answer = answer
    status, _, document = await gateway.get("/openapi.json")

    assert (status, set(document["paths"])) == (200, OWN)


# --- AsyncAPI ---------------------------------------------------------------------------------------------------------


def test_every_contract_is_in_the_document_of_messages() -> None:
    contracts = {
        known.type: known
        for module in (volunteers, events, charity)
        for known in vars(module).values()
        if isinstance(known, type) and issubclass(known, DomainEvent) and "type" in vars(known)
    }
    document = asyncapi.document()

    assert len(contracts) == 42
    assert set(document["components"]["messages"]) == set(contracts) == set(document["channels"])
    assert {operation.removeprefix("receive.") for operation in document["operations"]} == set(contracts)
    for name, contract in contracts.items():
        message = document["components"]["messages"][name]
        assert (message["title"], message["contentType"]) == (contract.__name__, "application/cloudevents+json")
        assert message["summary"]


def test_the_document_of_messages_is_of_the_right_shape() -> None:
    """AsyncAPI 3.0: what refers to what, and where; and each payload is a JSON Schema."""
    document = asyncapi.document()

    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    key = re.compile(r"[\w.-]+")
    for kind in ("channels", "operations"):
        assert all(key.fullmatch(name) for name in document[kind])
    for name, channel in document["channels"].items():
        service, noun, fact, _ = name.split(".")
        assert service in PUBLISHERS
        assert channel["address"] == f"asar.{service}.{noun}.{fact}.{{region}}.{{centre}}"
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
        assert list(channel["messages"].values()) == [{"$ref": f"#/components/messages/{name}"}]
    for operation in document["operations"].values():
        assert operation["action"] == "receive"
        assert operation["channel"]["$ref"].startswith("#/channels/")
    for reference in references(document):
        assert resolve(document, reference), reference
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("example", sorted((Path(__file__).parent.parent / "contracts" / "golden").glob("*.json")))
def test_a_message_is_as_the_document_says(example: Path) -> None:
    document = asyncapi.document()
    message = orjson.loads(example.read_bytes())
    payload = document["components"]["messages"][message["type"]]["payload"]

    jsonschema.Draft202012Validator({**document, **payload}).validate(message)


async def test_the_document_of_messages_is_served(gateway: RunningGateway) -> None:
    status, _, document = await gateway.get("/asyncapi.json")

    assert (status, document) == (200, orjson.loads(orjson.dumps(asyncapi.document())))


# --- for people -------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page says and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "a script in an attribute"
            assert name != "style", "a style in an attribute"
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(merged: dict[str, Any]) -> Page:
    return Page(manual.page(merged, asyncapi.document(), organisation="Достық & <Жолдастар>"))


def test_the_manual_is_whole_and_needs_no_script(page: Page, merged: dict[str, Any]) -> None:
    assert page.open == []
    assert not {"script", "style", "iframe", "object", "form"} & set(page.tags)
    assert len(page.ids) == len(set(page.ids))
    here = [link for link in page.links if link.startswith("#")]
    assert {link.removeprefix("#") for link in here} <= set(page.ids)
    assert {link for link in page.links if link not in here} == {
        "/", "/favicon.svg", "/pages/reference.css", "/openapi.json", "/asyncapi.json",
    }  # fmt: skip
    operations = sum(len(operations) for operations in merged["paths"].values())
    assert page.tags.count("details") == operations + 42
    assert "API of Достық & <Жолдастар>" in page.text


def test_the_manual_says_what_an_operation_takes_gives_and_refuses(merged: dict[str, Any]) -> None:
    operations = {
        (operation.method, operation.path): operation for noun in manual.nouns(merged) for operation in noun.operations
    }
    register = operations["POST", "/v1/volunteers"]
    search = operations["GET", "/v1/volunteers"]

    assert (register.permission, register.title) == ("volunteers:write", "Register as a volunteer")
    body = {row.name: row for row in register.body if row.depth == 0}
    assert (body["born_on"].kind, body["born_on"].required, body["iin"].required) == ("date", True, False)
    assert body["language"].kind == "kk | ru | en"
    assert [row.name for row in register.body if row.depth == 1][:3] == ["version", "given_on", "how"]
    assert {refused.code for refused in register.refusals} >= {"already-registered", "guardian-consent-missing"}
    assert {refused.status for refused in register.refusals} == {409, 422}
    assert [status for status, _ in register.answers] == ["200", "201"]
    assert {row.name for row in register.parameters} == {"Idempotency-Key", "validate_only"}
    assert {row.name for row in search.parameters} >= {"limit", "cursor", "status"}
    batch = operations["POST", "/v1/volunteers/batches"]
    assert [(row.name, row.kind) for row in batch.body if row.depth == 0] == [
        ("items", "list of object"),
        ("mode", "each | atomic"),
    ]
    assert {"client_ref", "born_on"} <= {row.name for row in batch.body if row.depth == 1}


def test_the_manual_tells_each_fact() -> None:
    facts = {fact.type: fact for fact in manual.facts(asyncapi.document())}

    received = {row.name: row.kind for row in facts["charity.donation.received.v1"].rows}
    assert received["amount_minor"] == "integer"
    assert "donor" not in received
    assert len(facts) == 42


async def test_the_manual_is_served_with_its_stylesheet_and_nothing_may_run_in_it(gateway: RunningGateway) -> None:
    status, headers, html = await gateway.get("/docs")
    style = await gateway.get("/pages/reference.css")

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert b"/v1/dashboard" in html
    assert (style[0], style[1]["content-type"]) == (200, "text/css; charset=utf-8")
