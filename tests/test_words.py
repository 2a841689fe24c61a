"""Whatever can be refused, or be wrong with a field, has its words in Kazakh, Russian and English."""

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core._pydantic_core import list_all_errors

from deploy.local.installation import CODE
from deploy.reference.problems import kinds
from shared import words
from shared.errors import Refusal
from shared.problems import OF_HTTP
from tests.test_house_rules import FORMS

REFUSALS = sorted({*kinds(), *OF_HTTP}, key=lambda kind: (kind.__module__, kind.code()))
FILES = sorted([*CODE.glob("shared/**/*.csv"), *CODE.glob("services/*/*.csv")])
PROBLEMS = [file for file in FILES if file.name == "problems.csv"]
FIELDS = [file for file in FILES if file.name == "fields.csv"]
FORBIDDEN_IN_FORMS = {"ValueError", "AssertionError", "PydanticCustomError"}
_CYRILLIC = re.compile("[а-яәғқңөұүһі]", re.IGNORECASE)

# What each part of a pydantic schema can find wrong. Of parts that are not here, see `test_every_part_...`.
FOUND_BY: dict[str, set[str]] = {
    "model": {"model_type", "model_attributes_type"},
    "model-fields": {"missing", "extra_forbidden", "invalid_key"},
    "str": {"string_type", "string_unicode", "string_too_short", "string_too_long", "string_pattern_mismatch"},
    "int": {
        "int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number",
        "greater_than", "greater_than_equal", "less_than", "less_than_equal",
    },
    "float": {"float_type", "float_parsing", "finite_number"},
    "bool": {"bool_type", "bool_parsing"},
    "date": {
        "date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact",
        "greater_than_equal", "less_than_equal",
    },
    "datetime": {
        "datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid", "timezone_aware",
    },
    "uuid": {"uuid_type", "uuid_parsing", "uuid_version"},
    "literal": {"literal_error"},
    "enum": {"enum"},
    "list": {"list_type", "too_short", "too_long"},
    "dict": {"dict_type", "too_short", "too_long", "invalid_key"},
    "none": {"none_required"},
    # These only hold others, or call a function of ours.
    "nullable": set(), "default": set(), "union": set(), "definitions": set(), "definition-ref": set(), "any": set(),
    "function-after": set(), "function-before": set(), "function-plain": set(), "function-wrap": set(), "chain": set(),
}  # fmt: skip


def schema_parts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "type" in node and isinstance(node["type"], str) and node["type"] != "model-field":
            yield node["type"]
        for name, inner in node.items():
            if name not in ("serialization", "metadata", "config", "ref", "default", "function"):
                yield from schema_parts(inner)
    elif isinstance(node, list | tuple):
        for inner in node:
            yield from schema_parts(inner)


PARTS = sorted({part for form in FORMS for part in schema_parts(form.__pydantic_core_schema__)})


def rows(file: Path) -> dict[str, dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return {row.pop("code"): row for row in csv.DictReader(lines)}


def raised(folder: str) -> Iterator[tuple[str, str, ast.Call]]:
    """Everything that is raised by a call: the module that does, the name of what it raises, and the call."""
    for file in sorted((CODE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                module = ".".join(file.relative_to(CODE).with_suffix("").parts)
                yield module, ast.unparse(node.exc.func).rpartition(".")[2], node.exc


def part_of(module: str) -> str:
    """`services.charity` of any module in it, else `shared`."""
    return ".".join(module.split(".")[:2]) if module.startswith("services") else "shared"


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.__module__}.{refusal.code()}")
@pytest.mark.parametrize("language", ["kk", "ru"])
def test_a_refusal_has_its_title_in_every_language(refusal: type[Refusal], language: Any) -> None:
    title = words.title(refusal, language)

    assert title != refusal.title(), f"add {refusal.code()} to the problems.csv beside {refusal.__module__}"
    assert _CYRILLIC.search(title)
    assert title.endswith(".")


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_what_is_said_of_a_single_case_is_said_in_every_language(language: Any) -> None:
    owned = {(part_of(kind.__module__), kind.__name__): kind for kind in REFUSALS}
    silent: list[str] = []
    for module, name, call in [*raised("shared"), *raised("services")]:
        kind = owned.get((part_of(module), name)) or owned.get(("shared", name))
        if kind is not None and call.args and isinstance(call.args[0], ast.Constant):
            facts = {str(word.arg): "1" for word in call.keywords if word.arg != "pointer"}
            if not words.detail(kind("x", **facts), language):
                silent.append(f"{module}: {ast.unparse(call)}")

    assert silent == [], "add <code>/detail to problems.csv"


@pytest.mark.parametrize("file", PROBLEMS, ids=lambda file: file.parent.name)
def test_nothing_is_translated_that_nobody_says(file: Path) -> None:
    module = ".".join(file.parent.relative_to(CODE).parts)
    codes = {kind.code() for kind in REFUSALS if kind.__module__.startswith(module)}

    assert {code.removesuffix("/detail") for code in rows(file)} <= codes


@pytest.mark.parametrize("file", [*PROBLEMS, *FIELDS], ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_words_name_the_same_facts_in_every_language(file: Path) -> None:
    for code, said in rows(file).items():
        assert all(text and text == text.strip() for text in said.values()), code
        facts = {tuple(sorted(re.findall(r"\{(\w+)\}", text))) for text in said.values()}
        assert len(facts) == 1, code


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_our_forms_can_say_what_is_wrong(part: str) -> None:
    assert part in FOUND_BY, "say in FOUND_BY what pydantic finds wrong with it"
    assert all(words.knows_field_error(code) for code in FOUND_BY[part])


def test_the_parts_find_what_pydantic_finds() -> None:
    known = {error["type"] for error in list_all_errors()}

    assert set().union(*FOUND_BY.values()) <= known


@pytest.mark.parametrize("code", sorted({code for part in FOUND_BY.values() for code in part}))
def test_a_message_is_made_of_what_pydantic_tells_of_the_rule(code: str) -> None:
    [context] = [error.get("example_context") or {} for error in list_all_errors() if error["type"] == code]

    for language in ("kk", "ru", "en"):
        assert "{" not in words.message({"type": code, "ctx": context}, language)


def test_forms_say_what_is_wrong_by_a_code_that_has_words() -> None:
    unnamed: list[str] = []
    for module, name, call in [*raised("shared"), *raised("services")]:
        if name == "wrong" and isinstance(call.args[0], ast.Constant):
            facts = {str(word.arg): "1" for word in call.keywords}
            assert words.wrong_in(part_of(module))(str(call.args[0].value), **facts)
    for file in [*CODE.glob("services/*/schemas/*.py"), *CODE.glob("services/*/schemas.py"), CODE / "shared/forms.py"]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = ast.unparse(node.exc.func)
                if name in FORBIDDEN_IN_FORMS:
                    unnamed.append(f"{file.relative_to(CODE)}: {ast.unparse(node.exc)}")

    assert unnamed == [], "raise wrong(code), with words in fields.csv"
