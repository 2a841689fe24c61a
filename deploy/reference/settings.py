"""The page of the settings, from the classes that read them."""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deploy.reference import markdown
from services.gateway.settings import GatewaySettings
from shared.settings import Settings


def page() -> str:
    own = {name: field for name, field in GatewaySettings.model_fields.items() if name not in Settings.model_fields}
    return markdown.page(
        "Settings",
        "Environment variables that each service reads at its start. `asar up`, `asar demo`, "
        "[Docker Compose](../how-to/run-with-compose.md) and [Kubernetes](../how-to/run-on-kubernetes.md) set those "
        "without a default by themselves. What the `asar` command reads is in [commands](commands.md).",
        "## Every service",
        _table(Settings.model_fields.items()),
        "## The gateway, beside these",
        _table(own.items()),
    )


def variable(settings: type[BaseSettings], name: str) -> str:
    """The environment variable of a setting."""
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def _table(fields: Iterable[tuple[str, FieldInfo]]) -> list[str]:
    rows = [(f"`{variable(Settings, name)}`", field.description or "", _default(field)) for name, field in fields]
    return markdown.table(("variable", "meaning", "default"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    default: Any = field.default
    choices = [choice for choice in get_args(field.annotation) if choice != default]
    shown = "empty" if default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return f"{shown} (or {', '.join(f'`{choice}`' for choice in choices)})" if choices else shown
