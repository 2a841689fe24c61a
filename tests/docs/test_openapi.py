"""Every operation says all of itself: who may, what to send, with an example that is taken, and every answer."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema
import orjson
import pytest
from pydantic import BaseModel

from deploy.reference.documents import openapi
from shared.access.permissions import Permission
from shared.batches import Batch
from tests.test_house_rules import FORMS

DOCUMENT: dict[str, Any] = orjson.loads(openapi())
FORM_OF: dict[str, type[BaseModel]] = {form.__name__: form for form in FORMS}
ALWAYS = {"401", "403", "429", "500", "503"}
WITH_A_BODY = {"400", "413", "415", "422"}


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    told: dict[str, Any]

    @property
    def answers(self) -> dict[str, Any]:
        return self.told["responses"]

    @property
    def parameters(self) -> dict[str, Any]:
        return {parameter["name"]: parameter for parameter in map(resolved, self.told["parameters"])}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
        found = found[step]
    return found if "$ref" in node else node


OPERATIONS = [
    Operation(method, path, told) for path, methods in DOCUMENT["paths"].items() for method, told in methods.items()
]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example of a body with its schema."""
    for operation in OPERATIONS:
        bodies = [operation.told.get("requestBody", {}), *operation.answers.values()]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            told = [media["example"]] if "example" in media else []
            told += [resolved(example)["value"] for example in media.get("examples", {}).values()]
            for example in told:
                yield f"{operation.method} {operation.path}", media["schema"], example


@each_operation
def test_an_operation_says_who_may(operation: Operation) -> None:
    schemes = [needed for needed in operation.told["security"] if needed]

    assert {name for needed in schemes for name in needed} == set(DOCUMENT["components"]["securitySchemes"])
    [permission] = {permission for needed in schemes for names in needed.values() for permission in names}
    assert Permission(permission)


def test_no_two_operations_have_one_name() -> None:
    names = [operation.told["operationId"] for operation in OPERATIONS]

    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


@each_operation
def test_an_operation_says_what_it_does(operation: Operation) -> None:
    assert 5 < len(operation.told["summary"]) < 130
    assert not operation.told["summary"].endswith(".")
    assert all(answer["description"] not in ("", "Successful Response") for answer in operation.answers.values())


@each_operation
def test_an_operation_tells_every_way_to_be_refused(operation: Operation) -> None:
    told = set(operation.answers)

    assert told >= ALWAYS
    if "requestBody" in operation.told:
        assert told >= WITH_A_BODY
    if operation.parameters.get("If-Match", {}).get("required"):
        assert told >= {"412", "428"}
    if operation.method == "put" and "me" not in operation.path.split("/"):
        assert operation.parameters["If-Match"]["required"]
    for status, answer in operation.answers.items():
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["examples"]


@each_operation
def test_a_problem_s_example_is_of_its_status(operation: Operation) -> None:
    for status, answer in operation.answers.items():
        for media in answer.get("content", {}).values():
            for code, example in media.get("examples", {}).items():
                value = resolved(example)["value"]
                assert (str(value["status"]), value["code"]) == (status, code)


def test_every_example_is_one_of_its_schema() -> None:
    wrong: list[str] = []
    for where, schema, example in examples():
        validator = jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        wrong += [f"{where}: {error.json_path} {error.message}" for error in validator.iter_errors(example)]

    assert wrong == []


def test_every_example_of_a_form_is_taken_by_it() -> None:
    taken = 0
    for _, schema, example in examples():
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        if name in FORM_OF:
            FORM_OF[name].model_validate(example)
        elif name.startswith("Batch_"):
            form: Any = FORM_OF[name.removeprefix("Batch_").removesuffix("_")]
            Batch[form].model_validate(example)
            form.model_validate(example["items"][0])
        else:
            continue
        taken += 1

    assert taken > 60


def test_nothing_of_the_framework_s_own_errors_is_left() -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(DOCUMENT["components"]["schemas"])
