"""What every operation says of itself in OpenAPI: its name, what may be said to it, and every way it may answer.

FastAPI knows the forms and views, and each route the refusals of its own. What holds for all of them is added here,
from the same `Conventions` that see to it.
"""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared import examples
from shared.access.doors import NotPermitted, SignInRequired
from shared.access.permissions import EVERYWHERE
from shared.conventions import SAYS, VALIDATE_ONLY
from shared.database import DatabaseUnavailable
from shared.errors import (
    Internal,
    MalformedRequest,
    OutOfReach,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    Refusal,
    TooMany,
    UnsupportedMediaType,
    ValidationFailed,
)
from shared.idempotency import (
    IdempotencyInProgress,
    IdempotencyKeyMismatch,
    IdempotencyKeyMissing,
    IdempotencyKeyUnusable,
)
from shared.paging import InvalidCursor
from shared.preconditions import IfMatchUnusable
from shared.problems import MEDIA_TYPE, Problem, RowsRefused, problem_of, status_of

Node = dict[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSED_FROM = 400
_DONE = {
    "200": "As it is now.",
    "201": "It is made.",
    "202": "It is begun.",
    "204": "It is done; there is nothing to say.",
    "207": "Each row has its own answer.",
    "304": "It is as the caller knows it.",
}
_OF_FASTAPI = {"HTTPValidationError", "ValidationError"}


PARAMETERS: Mapping[str, Node] = {
    "AcceptLanguage": {
        "name": "Accept-Language",
        "in": "header",
        "description": "The language of problems: `kk`, `ru` or `en`, with q-values. English without it.",
        "schema": {"type": "string"},
        "example": "kk-KZ, ru;q=0.8",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 visible ASCII characters that name this request. Sent again with it, within three "
        "days, the request is not done again: the first answer is repeated.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` of what this is based on. If the record has changed since, nothing happens (412); "
        "`*` is any version.",
        "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]*"(, *"[!#-~]*")*)$'},
        "example": '"3"',
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` that you have: 304 if the record is still so.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
    "ValidateOnly": {
        "name": VALIDATE_ONLY,
        "in": "query",
        "description": "Answer as if it were done, and do nothing: the same permissions and the same refusals.",
        "schema": {"type": "boolean", "default": False},
    },
}
HEADERS: Mapping[str, Node] = {
    "ETag": {"description": "The record's version in quotes, for If-Match.", "schema": {"type": "string"}},
    "Location": {"description": "The address of what was made.", "schema": {"type": "string"}},
    "RetryAfter": {"description": "Seconds after which to try again.", "schema": {"type": "string"}},
    "IdempotencyReplayed": {
        "description": "`true` where this is the first answer, repeated.",
        "schema": {"type": "string"},
    },
}


def name_of(route: APIRoute) -> str:
    """An operation's id: the name of the command or question, stable whatever its address."""
    return route.name


def describe(app: FastAPI) -> None:
    """Have an application tell all that there is to know of its operations."""
    told_by_fastapi = app.openapi

    def told() -> Node:
        if app.openapi_schema is None or not app.openapi_schema.get("x-complete"):
            app.openapi_schema = completed(told_by_fastapi())
        return app.openapi_schema

    app.openapi = told


def completed(document: Node) -> Node:
    """A document of FastAPI's, with what holds for every operation."""
    components = document.setdefault("components", {})
    schemas: Node = components.setdefault("schemas", {})
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    schemas.setdefault("Problem", Problem.model_json_schema(ref_template="#/components/schemas/{model}"))
    schemas |= schemas["Problem"].pop("$defs", {})
    components["parameters"], components["headers"] = dict(PARAMETERS), dict(HEADERS)
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                _complete(methods[method], path, document)
    document["x-complete"] = True
    return document


def _complete(operation: Node, path: str, document: Node) -> None:
    says: set[str] = set(operation.pop(SAYS, ()))
    operation["summary"] = _summary(operation)
    parameters: list[Node] = operation.setdefault("parameters", [])
    parameters += [_ref("parameters", name) for name in PARAMETERS if name in says]
    required = [("IdempotencyKey", "needs key"), ("IfMatch", "must insist")]
    for name, need in required:
        if need in says:
            parameters[parameters.index(_ref("parameters", name))] = {**PARAMETERS[name], "required": True}
    parameters.append(_ref("parameters", "AcceptLanguage"))
    _complete_answers(operation, says, document)
    add_refusals(operation, *_refusals_of(operation, says, asks="{" in path or len(parameters) > 1))
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if "example" not in media and "examples" not in media:
            media["example"] = examples.of(media["schema"], document, sparing=True)


def _summary(operation: Node) -> str:
    """The first sentence of what is said of it."""
    said = str(operation.get("description") or operation.get("summary", ""))
    first = re.split(r"(?<=[.;:])\s", said.split("\n", 1)[0], maxsplit=1)[0]
    return first.rstrip(".;:")


def _complete_answers(operation: Node, says: set[str], document: Node) -> None:
    answers: Node = operation["responses"]
    if "201" in answers and "record" in says:
        # What is there already, under its id, is answered as it is.
        answers.setdefault("200", {**answers["201"], "description": "It was made before, or is only validated."})
    if "IfNoneMatch" in says:
        answers["304"] = {"description": _DONE["304"], "headers": {"ETag": _ref("headers", "ETag")}}
    for status, answer in answers.items():
        if int(status) >= _REFUSED_FROM:
            continue
        if answer.get("description") in (None, "", "Successful Response"):
            answer["description"] = _DONE.get(status, "Done.")
        headers: Node = answer.setdefault("headers", {})
        if "record" in says and status in ("200", "201"):
            headers["ETag"] = _ref("headers", "ETag")
        if status == "201":
            headers["Location"] = _ref("headers", "Location")
        if "IdempotencyKey" in says:
            headers["Idempotency-Replayed"] = _ref("headers", "IdempotencyReplayed")
        if not headers:
            del answer["headers"]
        media: Node | None = answer.get("content", {}).get("application/json")
        if media and media.get("schema") and "example" not in media:
            media["example"] = examples.of(media["schema"], document)


COMMON: frozenset[str] = frozenset(
    kind.code()
    for kind in (
        SignInRequired, NotPermitted, MalformedRequest, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        IdempotencyKeyMissing, IdempotencyKeyUnusable, IdempotencyKeyMismatch, IdempotencyInProgress,
        IfMatchUnusable, PreconditionFailed, PreconditionRequired, OutOfReach, RowsRefused,
        Internal, DatabaseUnavailable,
    )
)  # fmt: skip
"""What is told of every operation that may refuse so, and no news of any."""


def _refusals_of(operation: Node, says: set[str], *, asks: bool) -> list[type[Refusal]]:
    """What every operation of this kind may refuse, whatever it does."""
    has_body, takes_key, insists = "requestBody" in operation, "IdempotencyKey" in says, "IfMatch" in says
    # A row of a batch says it of itself.
    reaches = takes_key and "207" not in operation["responses"] and not _holds_everywhere(operation)
    may: list[tuple[bool, tuple[type[Refusal], ...]]] = [
        ("security" in operation, (SignInRequired, NotPermitted)),
        (any(parameter.get("name") == "cursor" for parameter in operation["parameters"]), (InvalidCursor,)),
        (has_body, (MalformedRequest, PayloadTooLarge, UnsupportedMediaType)),
        (has_body or asks, (ValidationFailed,)),
        ("needs key" in says, (IdempotencyKeyMissing,)),
        (takes_key, (IdempotencyKeyUnusable, IdempotencyKeyMismatch, IdempotencyInProgress)),
        (reaches, (OutOfReach,)),
        (insists, (IfMatchUnusable, PreconditionFailed)),
        ("must insist" in says, (PreconditionRequired,)),
        ("207" in operation["responses"], (RowsRefused,)),
        (True, (Internal, DatabaseUnavailable)),
    ]
    return [kind for applies, kinds in may if applies for kind in kinds]


def _holds_everywhere(operation: Node) -> bool:
    """Whether who may do this may do it to whatever there is."""
    named = {name for needed in operation.get("security", ()) for names in needed.values() for name in names}
    return named <= EVERYWHERE


def add_refusals(operation: Node, *kinds: type[Refusal]) -> None:
    """Say of an operation that it may refuse so."""
    answers: Node = operation["responses"]
    for kind in kinds:
        _add_refusal(answers, kind)
    for status, answer in answers.items():
        if int(status) >= _REFUSED_FROM:
            _complete_refusal(int(status), answer)
    operation["responses"] = dict(sorted(answers.items()))


def _add_refusal(answers: Node, kind: type[Refusal]) -> None:
    answer: Node = answers.setdefault(str(status_of(kind)), {"description": ""})
    told: Node = answer.setdefault("content", {}).setdefault(MEDIA_TYPE, {}).setdefault("examples", {})
    if kind.code() not in told:
        refusal = kind([]) if kind is RowsRefused else kind()
        told[kind.code()] = {"value": problem_of(refusal).model_dump(exclude_none=True)}
        answer["description"] = f"{answer['description']} {kind.title()}".strip()


def _complete_refusal(status: int, answer: Node) -> None:
    """A problem document, and nothing else that FastAPI thinks of."""
    told: Node = answer.setdefault("content", {}).get(MEDIA_TYPE, {})
    answer["content"] = {MEDIA_TYPE: {"schema": _ref("schemas", "Problem"), **told}}
    if status in (status_of(TooMany), status_of(DatabaseUnavailable)):
        answer["headers"] = {"Retry-After": _ref("headers", "RetryAfter")}


def _ref(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}
