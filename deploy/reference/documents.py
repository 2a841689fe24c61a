"""The machine-readable part: OpenAPI of all services in one document, AsyncAPI of all messages."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from services.charity.app import Charity
from services.events.app import Events
from services.gateway import asyncapi as messages
from services.gateway import openapi as requests
from services.gateway.app import Gateway
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared.access import keys


def openapi() -> bytes:
    """What a running gateway answers at `/openapi.json`, without running anything."""
    with TemporaryDirectory() as folder:
        keys_dir = Path(folder) / "keys"
        keys.make_missing(keys_dir)
        settings = GatewaySettings(  # pyright: ignore[reportCallIssue]  # the others have defaults
            database_url="postgresql://",
            nats_url="nats://",
            keys_dir=keys_dir,
            volunteers_url="http://volunteers",
            events_url="http://events",
            charity_url="http://charity",
        )
        services = (Volunteers(settings), Events(settings), Charity(settings))
        own = Gateway(settings).own_application()
        return _json(requests.public([*(service.application().openapi() for service in services), own.openapi()]))


def asyncapi() -> bytes:
    """What a running gateway answers at `/asyncapi.json`."""
    return _json(messages.document())


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
