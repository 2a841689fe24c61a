"""The API for people: what the OpenAPI and AsyncAPI documents say, on one page, without a script."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import orjson

from services.gateway.openapi import AT_THE_DOOR
from shared.openapi import COMMON

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_PAGE = _TEMPLATES.get_template("reference.html")
_DEPTH_MAX = 4
_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSED_FROM = 400
_COMMON = COMMON | {kind.code() for kind in AT_THE_DOOR}
"""What any operation may refuse is told once for all."""
_UNTOLD = {"Accept-Language"}

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One field of a body or of an answer, or one parameter."""

    name: str
    kind: str
    required: bool
    words: str
    depth: int = 0
    place: str = ""
    """Of a parameter: `path`, `query` or `header`."""


@dataclass(frozen=True)
class Refused:
    """One way to be refused."""

    status: int
    code: str
    title: str


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    anchor: str
    title: str
    words: str
    permission: str | None
    parameters: list[Row]
    body: list[Row]
    answers: list[tuple[str, list[Row]]]
    """Status, and the fields of what is answered."""
    refusals: list[Refused]


@dataclass
class Noun:
    """What there is to be done with one kind of thing."""

    name: str
    operations: list[Operation] = field(default_factory=list[Operation])

    @property
    def title(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True)
class Fact:
    """One type of message."""

    type: str
    anchor: str
    words: str
    rows: list[Row]


def page(openapi: Schema, asyncapi: Schema, *, organisation: str) -> str:
    """The HTML of both documents."""
    return _PAGE.render(
        organisation=organisation, about=openapi["info"]["description"], nouns=nouns(openapi), facts=facts(asyncapi)
    )


def nouns(document: Schema) -> list[Noun]:
    """Every operation by its noun, the first segment behind `/v1`."""
    found: dict[str, Noun] = {}
    for path, methods in document["paths"].items():
        name = path.split("/")[2]
        noun = found.setdefault(name, Noun(name))
        known = [method for method in _METHODS if method in methods]
        noun.operations += [_operation(document, path, method, methods[method]) for method in known]
    return list(found.values())


def facts(document: Schema) -> list[Fact]:
    """Every type of message with what it says."""
    found: list[Fact] = []
    for name, message in document["components"]["messages"].items():
        envelope = _resolved(document, message["payload"])
        rows = list(_rows(document, envelope["properties"]["data"]))
        found.append(Fact(name, _anchor("message", name), message["summary"], rows))
    return found


def _operation(document: Schema, path: str, method: str, operation: Schema) -> Operation:
    parameters = [
        Row(
            parameter["name"],
            _kind(document, parameter.get("schema", {})),
            bool(parameter.get("required")),
            parameter.get("description", "") or parameter.get("schema", {}).get("description", ""),
            place=parameter["in"],
        )
        for parameter in (_resolved(document, parameter) for parameter in operation.get("parameters", []))
        if parameter["name"] not in _UNTOLD
    ]
    bodies: list[Schema] = list(operation.get("requestBody", {}).get("content", {}).values())
    permissions = [name for needed in operation.get("security", []) for names in needed.values() for name in names]
    title, _, words = str(operation.get("description", "")).partition("\n")
    return Operation(
        method=method.upper(),
        path=path,
        anchor=_anchor(method, path),
        title=title.rstrip(".") or operation.get("summary", ""),
        words=re.sub(r"\s*Raises:.*", "", words, flags=re.DOTALL).strip(),
        permission=next(iter(permissions), None),
        parameters=parameters,
        body=[row for body in bodies[:1] for row in _rows(document, body["schema"])],
        answers=_answers(document, operation.get("responses", {})),
        refusals=_refusals(document, operation.get("responses", {})),
    )


def _answers(document: Schema, responses: Schema) -> list[tuple[str, list[Row]]]:
    answers: list[tuple[str, list[Row]]] = []
    for status, response in responses.items():
        if int(status) < _REFUSED_FROM:
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            answers.append((f"{status}", list(_rows(document, schema))))
    return answers


def _refusals(document: Schema, responses: Schema) -> list[Refused]:
    return [
        Refused(int(status), code, _resolved(document, example)["value"]["title"])
        for status, response in responses.items()
        for media in response.get("content", {}).values()
        for code, example in media.get("examples", {}).items()
        if code not in _COMMON
    ]


def _rows(document: Schema, schema: Schema, *, depth: int = 0) -> Iterable[Row]:
    """The fields of an object, of the objects in a list, and of those within them, in their order."""
    inner = _object(document, schema)
    for name, one in inner.get("properties", {}).items():
        required = name in inner.get("required", [])
        yield Row(name, _kind(document, one), required, _words(document, one), depth)
        if depth < _DEPTH_MAX:
            yield from _rows(document, one, depth=depth + 1)


def _object(document: Schema, schema: Schema) -> Schema:
    """The object that a schema is, holds in a list, or is unless it is null."""
    schema = _resolved(document, schema)
    if "items" in schema:
        return _object(document, schema["items"])
    choices = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return _object(document, choices[0]) if choices else schema


def _resolved(document: Schema, schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    _, _, kind, name = str(reference).split("/")
    return document["components"][kind][name]


def _words(document: Schema, schema: Schema) -> str:
    """What is said of a field; of the object behind it only where nothing is said here."""
    said = schema.get("description") or _resolved(document, schema).get("description", "")
    default = schema.get("default")
    return str(said) if default in (None, [], {}) else f"{said} Default: `{orjson.dumps(default).decode()}`.".strip()


def _kind(document: Schema, schema: Schema) -> str:
    """The type in a word or two."""
    schema = _resolved(document, schema)
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [_kind(document, one) for one in schema.get("anyOf") or schema["oneOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "object")


def _anchor(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
