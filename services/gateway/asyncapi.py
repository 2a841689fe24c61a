"""The AsyncAPI 3 document of every message, made from the contracts."""

from functools import cache
from typing import Any

from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent, Message
from shared.messaging.subjects import PUBLISHERS

_MODULES = {"volunteers": volunteers, "events": events, "charity": charity}


def contracts(service: str) -> list[type[DomainEvent]]:
    """The message types of a service, in the order of their file."""
    return [
        known
        for known in vars(_MODULES[service]).values()
        if isinstance(known, type) and issubclass(known, DomainEvent) and "type" in vars(known)
    ]


@cache
def document() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for service in PUBLISHERS:
        for contract in contracts(service):
            name = contract.type
            shape = Message[contract].model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= shape.pop("$defs", {})
            schemas[name] = {**shape, "title": name}
            messages[name] = {
                "name": name,
                "title": contract.__name__,
                "summary": (contract.__doc__ or "").strip().splitlines()[0],
                "contentType": "application/cloudevents+json",
                "payload": {"$ref": f"#/components/schemas/{name}"},
            }
            _, noun, fact, _ = name.split(".")
            channels[name] = {
                "address": f"asar.{service}.{noun}.{fact}.{{region}}.{{centre}}",
                "messages": {name: {"$ref": f"#/components/messages/{name}"}},
                "parameters": {
                    "region": {"description": "ISO 3166-2 code in lower case, or - where there is none."},
                    "centre": {"description": "Id of the centre, or - where there is none."},
                },
            }
            operations[f"receive.{name}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": messages[name]["summary"],
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Asar messages",
            "version": "1",
            "description": "Every fact, as a CloudEvents 1.0 event. At least once, in order per aggregate (`subject`), "
            "without personal data. Over HTTP: `GET /v1/messages`.",
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "nats": {
                "host": "{host}",
                "protocol": "nats",
                "title": "Core NATS, for subscribers",
                "description": "An operator adds a subscriber (`asar subscribers add`) and hands over its key. It may "
                "subscribe to `asar.>` or to anything below it, hears the facts of the regions, centres and services "
                "that it was granted, each after it is stored, and can publish nothing. What happens while it is away "
                "is read over HTTP.",
                "variables": {"host": {"description": "Host and port, as the operator says.", "default": "127.0.0.1"}},
                "security": [{"$ref": "#/components/securitySchemes/nkey"}],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "nkey": {
                    "type": "asymmetricEncryption",
                    "description": "An Ed25519 key of NATS (nkey). Its seed, which begins with SU, signs what the "
                    "server asks; it is never sent.",
                }
            },
        },
    }
