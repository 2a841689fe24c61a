"""The files by which Prometheus and Grafana watch a system, and all that they speak of."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from deploy.local.installation import CODE

PROMETHEUS = CODE / "deploy" / "prometheus"
GRAFANA = CODE / "deploy" / "grafana"
RUNBOOKS = CODE / "docs" / "runbooks"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
OF_TARGETS = frozenset({"job", "instance", "service", "part", "namespace"})
"""The labels that Prometheus gives to all that it hears from a target; `namespace` where it watches several systems."""


def rules() -> Iterator[dict[str, Any]]:
    """All rules, of whichever file and group."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """The names that rules record something under."""
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboard() -> Any:
    return json.loads((GRAFANA / "asar.json").read_bytes())


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression of rules, dashboard and runbooks, with where it stands."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]
    for page in sorted(RUNBOOKS.glob("*.md")):
        for quoted in re.findall(r"`([^`\n]*\basar[_:][^`\n]*|process_[^`\n]*)`", page.read_text(encoding="utf-8")):
            yield page.name, quoted
