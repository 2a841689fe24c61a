"""`docker-compose.yml` as the tests ask about it, with what the environment fills in."""

import re
from functools import cache
from typing import Any

import yaml

from deploy.local.installation import CODE

FILE = CODE / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?(?P<demand>[^}]+))\}")


@cache
def raw() -> dict[str, Any]:
    """The file, anchors resolved and nothing filled in."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def services() -> dict[str, Any]:
    """All that runs, those of profiles too."""
    return raw()["services"]


def of_profile(profile: str) -> set[str]:
    return {name for name, said in services().items() if profile in said.get("profiles", [])}


def demanded() -> set[str]:
    """The variables without which Compose refuses to start."""
    return {match["name"] for match in _VARIABLE.finditer(FILE.read_text(encoding="utf-8")) if match["demand"]}


def filled(text: str, environment: dict[str, str]) -> str:
    """A value as a container gets it."""

    def value(match: re.Match[str]) -> str:
        if match["demand"]:
            return environment[match["name"]]
        return environment.get(match["name"]) or match["default"]

    return _VARIABLE.sub(value, text)


def environment(service: str, given: dict[str, str]) -> dict[str, str]:
    """The variables of a container."""
    return {name: filled(value, given) for name, value in services()[service].get("environment", {}).items()}
