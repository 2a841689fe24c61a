"""Which metrics and labels an expression of PromQL speaks of. Enough of the language for our own rules and panels."""

import re
from dataclasses import dataclass, field

_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "end", "start"})
_VARIABLE = re.compile(r"\$__\w+")
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(\s*\()?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_LABEL_VALUES = re.compile(r"label_values\((\w+), (\w+)\)")


@dataclass
class Spoken:
    """What an expression speaks of."""

    metrics: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Each metric's name, and the labels by which it is selected."""
    labels: set[str] = field(default_factory=set[str])
    """The labels by which results are grouped or matched."""


def spoken(expression: str) -> Spoken:
    found = Spoken()
    values = _LABEL_VALUES.fullmatch(expression)
    if values:
        found.metrics[values[1]] = {values[2]}
        return found
    text = _RANGE.sub("", _VARIABLE.sub("", expression))
    for names in _GROUPED.findall(text):
        found.labels |= {name.strip() for name in names.split(",") if name.strip()}
    for name, matchers, call in _SELECTOR.findall(_GROUPED.sub(" ", text)):
        if not call and name not in _WORDS:
            found.metrics.setdefault(name, set()).update(_MATCHER.findall(matchers))
    return found
