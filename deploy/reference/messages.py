"""The page of the messages: what each announces, field by field, with an example."""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from deploy.local.installation import CODE
from deploy.reference import markdown
from services.charity.consumers import consumer as charity_consumer
from services.events.consumers import consumer as events_consumer
from services.gateway.asyncapi import contracts
from services.gateway.consumers import consumer as gateway_consumer
from services.volunteers.consumers import consumer as volunteers_consumer
from shared.contracts.envelope import DomainEvent
from shared.messaging.subjects import PUBLISHERS, stream_name

GOLDEN = CODE / "tests" / "contracts" / "golden"
_LISTENERS = (volunteers_consumer, events_consumer, charity_consumer, gateway_consumer)
_ALWAYS = {
    "centre_id": "The centre it belongs to; null where it concerns the whole network.",
    "region": "ISO 3166-2 code of that centre's region, such as `KZ-75`.",
}


def page() -> str:
    parts: list[list[str] | str] = []
    for service in PUBLISHERS:
        parts += [f"## {service}: stream `{stream_name(service)}`"]
        for contract in contracts(service):
            parts += _message(contract)
    return markdown.page(
        "Messages",
        "Every fact that a service announces, as a CloudEvents 1.0 event in structured JSON. Delivery is at least "
        "once, in order per aggregate: the CloudEvents `subject` names it, `aggregateversion` counts from 1 "
        "without a gap. No message holds personal data. Fields are added, never renamed or removed; be ready for new "
        "ones, and for new words in open lists. How to follow them: [follow the facts](../how-to/follow-the-facts.md). "
        "The same for a machine: [asyncapi.json](asyncapi.json).",
        "Amounts are integers of tiyn (1 tenge = 100 tiyn). `on` is the civil day in Almaty for which a fact counts; "
        "the envelope's `time` is the instant at which it was recorded.",
        *parts,
    )


def _message(contract: type[DomainEvent]) -> list[list[str] | str]:
    _, noun, fact, _ = contract.type.split(".")
    service = contract.service()
    hear = [
        listener.name
        for listener in _LISTENERS
        if (nouns := listener.nouns.get(service)) is not None and (not nouns or noun in nouns)
    ]
    schema = contract.model_json_schema()
    meanings = _meanings(contract)
    rows = [(f"`{name}`", _shape(field), meanings.get(name, "")) for name, field in schema["properties"].items()]
    golden = GOLDEN / f"{contract.type}.json"
    example = (
        ["```json", *golden.read_text(encoding="utf-8").strip().splitlines(), "```", ""] if golden.exists() else []
    )
    return [
        f"### `{contract.type}`",
        " ".join((inspect.getdoc(contract) or "").split()),
        f"Subject `asar.{service}.{noun}.{fact}.<region>.<centre>`, aggregate `{service}.{noun}/<{contract.about}>`, "
        f"heard by {', '.join(hear)}.",
        markdown.table(("field of `data`", "type", "meaning"), rows),
        example,
    ]


def _shape(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_shape(one) for one in schema["anyOf"])
    match schema.get("type"):
        case "array":
            return f"list of {_shape(schema['items'])}"
        case "object":
            return f"object of {_shape(schema['additionalProperties'])}"
        case kind:
            return str(schema.get("format", kind)).replace("date-time", "instant")


def _meanings(contract: type[DomainEvent]) -> dict[str, str]:
    """What stands below each field in the code, of the nearest class that says something."""
    found = dict(_ALWAYS)
    for known in reversed(contract.__mro__):
        if issubclass(known, DomainEvent) and known is not DomainEvent:
            found |= _below_fields(known)
    return found


def _below_fields(known: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(known))).body
    lines = definition.body if isinstance(definition, ast.ClassDef) else []
    found: dict[str, str] = {}
    for line, after in pairwise(lines):
        match line, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
            case _:
                pass
    return found
