"""What problems are called in Kazakh and Russian, and what is wrong with a field in all three languages.

English is where the code is: a refusal's docstring, a detail where it is raised. The others lie beside it, in the
`problems.csv` of the part that owns the refusal. A field's error belongs to no class, so `fields.csv` has its English.
"""

import csv
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic_core import PydanticCustomError

from shared.errors import Refusal
from shared.languages import Language

SAID = "said"
"""Where an error of ours carries its words: in pydantic's context, which no answer shows."""
_UNKNOWN = "unknown"

Words = Mapping[str, str]


def title(kind: type[Refusal], language: Language) -> str:
    """A refusal's title; in English where nobody has translated it."""
    return _found(kind.__module__, "problems.csv").get(kind.code(), {}).get(language) or kind.title()


def detail(refusal: Refusal, language: Language) -> str | None:
    """What there is to say of this very case; None where it is only said in another language."""
    if refusal.detail is None or language == "en":
        return refusal.detail
    said = _found(type(refusal).__module__, "problems.csv").get(f"{refusal.code()}/detail", {}).get(language)
    return said and said.format(**refusal.facts)


def wrong_in(module: str) -> Callable[..., PydanticCustomError]:
    """Makes errors of fields, in the words of the part that `module` belongs to: `raise wrong("iin")`."""

    def wrong(code: str, **facts: Any) -> PydanticCustomError:
        said = _found(module, "fields.csv")[code]
        # Of a type that only the checker knows: the template must not be put together at run time.
        return PydanticCustomError(cast(Any, code), cast(Any, said["en"]), {**facts, SAID: said})

    return wrong


def message(error: Mapping[str, Any], language: Language) -> str:
    """What is wrong with a field, of one of pydantic's errors. Never its own text, which may quote what was sent."""
    facts: Mapping[str, Any] = error.get("ctx", {})
    known = _found(__name__, "fields.csv")
    said: Words = facts.get(SAID) or known.get(error["type"]) or known[_UNKNOWN]
    return said[language].format(**facts)


def knows_field_error(code: str, module: str = __name__) -> bool:
    return code in _found(module, "fields.csv")


@cache
def _found(module: str, name: str) -> dict[str, Words]:
    """The words beside a module or in the nearest folder above it, by code."""
    here = Path(sys.modules[module].__file__ or "")
    for folder in here.parents[: module.count(".") + 1]:
        if (folder / name).is_file():
            with (folder / name).open(encoding="utf-8", newline="") as lines:
                return {row.pop("code"): row for row in csv.DictReader(lines)}
    return {}
