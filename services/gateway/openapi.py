"""One OpenAPI document of all services."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import aiohttp
import orjson
from fastapi import FastAPI

from services.gateway.authentication import CredentialsRefused
from services.gateway.credentials import COOKIE
from services.gateway.limits import QuotaExceeded, TooManyAtOnce
from services.gateway.proxy import Proxy, ServiceUnavailable
from shared.access.permissions import MAY, Permission, Role
from shared.openapi import add_refusals
from shared.problems import MEDIA_TYPE

_KEPT_S = 60.0


SECURITY: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the configured issuer."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Of who has signed in by a page."},
}
"""How a caller says who they are. Each operation names the permission that it asks for."""

AT_THE_DOOR = (CredentialsRefused, QuotaExceeded, TooManyAtOnce, ServiceUnavailable)
"""What the gateway may refuse, whatever is asked."""


def merge(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The union of OpenAPI documents. Schemas of one name are the same schema or get their service's name."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Asar",
            "version": "1",
            "description": "Runs the volunteer and charity work of a national network. Errors are problem documents "
            "(RFC 9457); lists go by cursor; money is a decimal string of tenge; civil days are Almaty's.",
        },
        "paths": {},
        "components": {"schemas": {}, "examples": {}, "parameters": {}, "headers": {}, "securitySchemes": {}},
    }
    schemas: dict[str, Any] = merged["components"]["schemas"]
    for document in documents:
        prefix = str(document["info"]["title"]).removeprefix("Asar ").capitalize()
        components = document.get("components", {})
        own: dict[str, Any] = components.get("schemas", {})
        renamed = _renamed(own, schemas, prefix)
        for name, schema in own.items():
            schemas[renamed.get(name, name)] = _with_names(schema, renamed)
        for path, operations in document["paths"].items():
            merged["paths"][path] = _with_names(operations, renamed)
        for shared in ("parameters", "headers"):
            merged["components"][shared] |= components.get(shared, {})
        merged["components"]["securitySchemes"] |= components.get("securitySchemes", {})
    return merged


def public(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The same as callers find it: with what the door adds to every operation."""
    document = merge(documents)
    told = [operation for operations in document["paths"].values() for operation in operations.values()]
    for operation in told:
        _tell_of_the_door(operation)
    _share_examples(told, document["components"]["examples"])
    document["components"]["securitySchemes"] = SECURITY
    document["servers"] = [{"url": "/", "description": "The one door."}]
    document["tags"] = [{"name": tag} for tag in sorted({tag for operation in told for tag in operation["tags"]})]
    return document


def _share_examples(operations: Iterable[Mapping[str, Any]], known: dict[str, Any]) -> None:
    """Tell each problem once: nearly all operations may refuse in the same ten ways."""
    for operation in operations:
        for answer in operation["responses"].values():
            told: dict[str, Any] = answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
            for code, example in told.items():
                # Of two services that say the same thing otherwise, the second speaks for itself.
                if known.setdefault(code, example) == example:
                    told[code] = {"$ref": f"#/components/examples/{code}"}


def _tell_of_the_door(operation: dict[str, Any]) -> None:
    """What the gateway adds to every operation: who may come in and how they say so, and its limits."""
    [permission] = {name for needed in operation["security"] for names in needed.values() for name in names}
    operation["security"] = [{scheme: [permission]} for scheme in SECURITY]
    if Permission(permission) in MAY[Role.ANYONE]:
        operation["security"].append({})
    add_refusals(operation, *AT_THE_DOOR)


def _renamed(own: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """New names for the schemas that are not what is known by their name, and for those that refer to one of them."""
    renamed = {name: f"{prefix}{name}" for name, schema in own.items() if known.get(name, schema) != schema}
    while True:
        behind = {
            name: f"{prefix}{name}"
            for name, schema in own.items()
            if name not in renamed and name in known and _with_names(schema, renamed) != schema
        }
        if not behind:
            return renamed
        renamed |= behind


def _with_names(node: Any, renamed: Mapping[str, str]) -> Any:
    """A copy in which references follow the new names."""
    if isinstance(node, dict):
        copy = {key: _with_names(value, renamed) for key, value in cast("dict[str, Any]", node).items()}
        name = str(copy.get("$ref", "")).removeprefix("#/components/schemas/")
        return copy | {"$ref": f"#/components/schemas/{renamed[name]}"} if name in renamed else copy
    if isinstance(node, list):
        return [_with_names(value, renamed) for value in cast("list[Any]", node)]
    return node


async def collected(app: FastAPI) -> dict[str, Any]:
    """The document of all services that answer at the moment, and the gateway's own; kept for a minute."""
    kept: tuple[float, dict[str, Any]] | None = getattr(app.state, "openapi_document", None)
    if kept is not None and time.monotonic() - kept[0] < _KEPT_S:
        return kept[1]
    proxy: Proxy = app.state.proxy
    answers = await asyncio.gather(*(_ask(proxy, url) for url in app.state.service_urls.values()))
    document = public([*(answer for answer in answers if answer is not None), app.openapi()])
    if None not in answers:
        app.state.openapi_document = (time.monotonic(), document)
    return document


async def _ask(proxy: Proxy, url: str) -> dict[str, Any] | None:
    """A service's own document; None where it does not answer with one."""
    try:
        async with proxy.session.get(f"{url}/openapi.json", raise_for_status=True) as answer:
            document: Any = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
        return None
    is_one = isinstance(document, dict) and {"info", "paths"} <= cast("dict[str, Any]", document).keys()
    return cast("dict[str, Any]", document) if is_one else None
