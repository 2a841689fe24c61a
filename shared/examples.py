"""Examples of what is sent and answered, made of the schemas: whoever reads the reference sees what a body looks like.

A schema's own example comes first, so the types in `shared.forms` say what they look like once for all; a text that
could be anything is known by its field's name.
"""

from collections.abc import Mapping
from typing import Any, cast

_OF_FORMAT = {
    "uuid": "01940000-0000-7000-8000-000000000001",
    "date": "2026-11-22",
    "date-time": "2026-11-22T05:42:00Z",
    "email": "aigerim@example.org",
    "binary": "",
}
_OF_NAME = {
    "amount": "12500.00",
    "born_in": "2000-05",
    "client_ref": "row 2",
    "code": "shift-full",
    "counted_by": "Айгерім Үлгіқызы",
    "currency": "KZT",
    "direction": "ecology",
    "en": "Care",
    "format": "clean_up",
    "full_name": "Айгерім Үлгіқызы",
    "instance": "/traces/0af7651916cd43dd8448eb211c80319c",
    "kk": "Қамқорлық",
    "lives_in": "KZ-75",
    "message": "is required",
    "method": "bank",
    "name": "Айгерім Үлгіқызы",
    "next": "/v1/centres?cursor=…",
    "old_password": "eski qupiya soz kerek emes",
    "password": "bes tuye zhuldyz kitap aua",
    "phone": "+7 700 000 00 00",
    "pointer": "#/phone",
    "reason": "Қайта енгізілді",
    "receipt_number": "2026-000017",
    "region": "KZ-75",
    "role": "көмекші",
    "ru": "Забота",
    "status": "published",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "type": "/problems/shift-full",
    "unit": "kg",
    "venue": "Орталық саябақ",
}
_NAMED = {"kk": "Қамқорлық", "ru": "Забота", "en": "Care"}
_DEPTH_MAX = 8

Node = Mapping[str, Any]


def of(schema: Node, document: Node, *, name: str = "", sparing: bool = False, depth: int = 0) -> Any:
    """A value of a schema. `sparing` leaves out what a caller need not send."""
    if "$ref" in schema:
        return of(_resolved(schema["$ref"], document), document, name=name, sparing=sparing, depth=depth)
    for told in ("examples", "enum"):
        if schema.get(told):
            return schema[told][0]
    for told in ("example", "const"):
        if told in schema:
            return schema[told]
    choices: list[Node] = schema.get("anyOf") or schema.get("oneOf") or []
    chosen = next((choice for choice in choices if choice.get("type") != "null"), None)
    if chosen is not None:
        return of(chosen, document, name=name, sparing=sparing, depth=depth)
    return _of_type(schema, document, name=name, sparing=sparing, depth=depth)


def _of_type(schema: Node, document: Node, *, name: str, sparing: bool, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            return _of_object(schema, document, sparing=sparing, depth=depth)
        case "array":
            count = max(1, int(schema.get("minItems", 0)))
            return [of(schema.get("items", {}), document, name=name, sparing=sparing, depth=depth + 1)] * count
        case "string":
            return _OF_FORMAT.get(str(schema.get("format"))) or _OF_NAME.get(name, "…")
        case "integer" | "number":
            return schema.get("default") or max(1, cast(int, schema.get("minimum", 1)))
        case "boolean":
            return schema.get("default", False)
        case _:
            return None


def _of_object(schema: Node, document: Node, *, sparing: bool, depth: int) -> Any:
    if "properties" not in schema:
        return dict(_NAMED) if schema.get("additionalProperties") == {"type": "string"} else {}
    required = schema.get("required", ())
    return {
        field: of(inner, document, name=field, sparing=sparing, depth=depth + 1)
        for field, inner in schema["properties"].items()
        if field in required or (not sparing and depth < _DEPTH_MAX)
    }


def _resolved(reference: str, document: Node) -> Node:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
