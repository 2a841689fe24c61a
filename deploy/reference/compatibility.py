"""What would break who built on the last release: what a newer OpenAPI document takes away from an older one for those
who call, and a newer AsyncAPI document for those who listen.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSED_FROM = "400"


def breaks(released: Node, now: Node) -> list[str]:
    """A line for each thing that callers rely on and would not find any more."""
    return sorted(set(_of_paths(released, now)) | set(_of_schemas(released, now)))


def breaks_for_listeners(released: Node, now: Node) -> list[str]:
    """A line for each thing that listeners rely on and would not find any more, or would not understand."""
    return sorted({*_of_channels(released, now), *_of_payloads(released, now)})


def _of_channels(released: Node, now: Node) -> Iterator[str]:
    for name, was in released["channels"].items():
        there = now["channels"].get(name)
        if there is None:
            yield f"{name}: is gone"
        elif was["address"] != there["address"]:
            yield f"{name}: has another subject"


def _of_payloads(released: Node, now: Node) -> Iterator[str]:
    for name, was in released["components"]["schemas"].items():
        there = now["components"]["schemas"].get(name)
        if there is None:
            yield f"{name}: is gone"
            continue
        fields, known = was.get("properties", {}), there.get("properties", {})
        yield from (f"{name}.{field}: is gone" for field in fields.keys() - known.keys())
        no_more = set(was.get("required", ())) - set(there.get("required", ()))
        yield from (f"{name}.{field}: is not always told any more" for field in no_more & known.keys())
        for field in fields.keys() & known.keys():
            # What it may be less than before, nobody minds who reads.
            more = _kinds(known[field]) - _kinds(fields[field])
            if more:
                yield f"{name}.{field}: may be {' or '.join(sorted(more))} now"


def _of_paths(released: Node, now: Node) -> Iterator[str]:
    for path, methods in released["paths"].items():
        for method in (known for known in _METHODS if known in methods):
            where = f"{method.upper()} {path}"
            there = now["paths"].get(path, {}).get(method)
            if there is None:
                yield f"{where}: is gone"
            else:
                yield from (f"{where}: {said}" for said in _of_operation(released, methods[method], now, there))


def _of_operation(released: Node, was: Node, now: Node, there: Node) -> Iterator[str]:
    if was["operationId"] != there["operationId"]:
        yield "has another operationId"
    before, after = _parameters(released, was), _parameters(now, there)
    yield from (f"does not take {name} any more" for name in before.keys() - after.keys())
    for name, parameter in after.items():
        if parameter.get("required") and not before.get(name, {}).get("required"):
            yield f"needs {name}"
    gone = {status for status in was["responses"] if status < _REFUSED_FROM} - there["responses"].keys()
    yield from (f"never answers {status} any more" for status in gone)


def _of_schemas(released: Node, now: Node) -> Iterator[str]:
    sent = _sent(now)
    for name, was in released["components"]["schemas"].items():
        there = now["components"]["schemas"].get(name)
        if there is None:
            yield f"{name}: is gone"
            continue
        fields, known = was.get("properties", {}), there.get("properties", {})
        yield from (f"{name}.{field}: is gone" for field in fields.keys() - known.keys())
        if name in sent:
            newly = set(there.get("required", ())) - set(was.get("required", ()))
            yield from (f"{name}.{field}: is needed" for field in newly)
        for field in fields.keys() & known.keys():
            yield from (f"{name}.{field}: {said}" for said in _of_types(fields[field], known[field]))


def _of_types(was: Node, there: Node) -> Iterator[str]:
    lost = _kinds(was) - _kinds(there)
    if lost:
        yield f"is not {' or '.join(sorted(lost))} any more"
    if "enum" in was and "enum" in there:
        yield from (f"is never {value} any more" for value in set(was["enum"]) - set(there["enum"]))


def _kinds(schema: Node) -> set[str]:
    """The types that a value may have."""
    if "$ref" in schema:
        return {str(schema["$ref"]).rsplit("/", 1)[-1]}
    choices: list[Node] = schema.get("anyOf") or schema.get("oneOf") or []
    return set[str]().union(*map(_kinds, choices)) if choices else {str(schema.get("type", "anything"))}


def _parameters(document: Node, operation: Node) -> dict[str, Node]:
    shared = document["components"].get("parameters", {})
    told = (shared.get(str(one.get("$ref", "")).rsplit("/", 1)[-1], one) for one in operation.get("parameters", []))
    return {parameter["name"]: parameter for parameter in told}


def _sent(document: Node) -> set[str]:
    """The schemas that callers send, and those within them: to need more of them breaks who sends less."""
    found: set[str] = set()
    waiting: list[Any] = [
        operation.get("requestBody", {}) for methods in document["paths"].values() for operation in methods.values()
    ]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            name = str(node.get("$ref", "")).rsplit("/", 1)[-1]  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            if name and name not in found:
                found.add(name)
                waiting.append(document["components"]["schemas"].get(name, {}))
            waiting += list(node.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        elif isinstance(node, list):
            waiting += node
    return found
