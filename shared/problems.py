"""Refusals become problem documents (RFC 9457). The only place where a refusal meets a number."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import languages, words
from shared.database import CONNECTION_LOST, DatabaseUnavailable, is_ours
from shared.errors import (
    Conflict,
    Forbidden,
    Gone,
    Internal,
    Malformed,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    PreconditionRequired,
    Refusal,
    RuleBroken,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
    ValueNotStorable,
)
from shared.metrics import PROBLEMS
from shared.telemetry import log

STATUS: dict[type[Refusal], int] = {
    Malformed: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    Gone: 410,
    PreconditionFailed: 412,
    PayloadTooLarge: 413,
    UnsupportedMediaType: 415,
    RuleBroken: 422,
    PreconditionRequired: 428,
    TooMany: 429,
    Internal: 500,
    Unavailable: 503,
}
OF_HTTP: tuple[type[Refusal], ...] = (
    MalformedRequest,
    NotFound,
    MethodNotAllowed,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    PreconditionRequired,
    Internal,
)
"""What any address may answer, whatever it is for."""
MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 100
"""So that a large bad request does not get a larger answer."""
_BESIDE = {STATUS[Unavailable]: {"Retry-After": "1"}, STATUS[Unauthenticated]: {"WWW-Authenticate": "Bearer"}}
"""Headers that go with a status (RFC 9110, sections 10.2.3 and 11.6.1)."""
_TOO_LARGE = 413
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_NOT_JSON = "The body is not JSON that can be read."


class FieldError(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="JSON Pointer into the request, such as `#/phone`.")
    code: str
    message: str


class Problem(BaseModel):
    """Why a request was refused, and what can be done about it. Never repeats what was sent: it may be personal."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: str
    title: str = Field(description="In the language of the request's Accept-Language: kk, ru or en.")
    status: int
    detail: str | None = None
    instance: str | None = None
    code: str
    trace_id: str | None = None
    errors: list[FieldError] | None = None
    violated_policies: list[str] | None = Field(
        default=None, serialization_alias="violated-policies", description="The quotas that are used up."
    )


class RowsRefused(RuleBroken):
    """Some rows are refused, so none of them was done."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__()
        self.errors = list(errors[:ERRORS_MAX])


def status_of(kind: type[Refusal]) -> int:
    return next(number for base, number in STATUS.items() if issubclass(kind, base))


def problem_of(refusal: Refusal) -> Problem:
    """The document for a refusal, in the caller's language; also used for the rows of a batch."""
    language = languages.spoken()
    title = words.title(type(refusal), language)
    errors = refusal.errors if isinstance(refusal, RowsRefused) else None
    if refusal.pointer is not None:
        errors = [FieldError(pointer=f"#{refusal.pointer}", code=refusal.code(), message=title)]
    return Problem(
        type=f"/problems/{refusal.code()}",
        title=title,
        status=status_of(type(refusal)),
        detail=words.detail(refusal, language),
        code=refusal.code(),
        errors=errors,
        violated_policies=list(refusal.policies) or None if isinstance(refusal, TooMany) else None,
    )


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers that go with a refusal's document."""
    again_s: int | None = getattr(refusal, "retry_after_s", None)
    return {} if again_s is None else {"Retry-After": str(again_s)}


def validation_problem(errors: Sequence[Any], *, prefix: str = "") -> Problem:
    """The document for what pydantic found. Its `input`, `ctx`, `url` and words are dropped: they echo the caller."""
    problem = problem_of(ValidationFailed())
    problem.errors = [
        FieldError(
            pointer="#" + prefix + "".join(_step(part) for part in error["loc"] if part != "body"),
            code=error["type"],
            message=words.message(error, languages.spoken()),
        )
        for error in errors[:ERRORS_MAX]
    ]
    return problem


def _step(part: object) -> str:
    """One step of a JSON Pointer (RFC 6901). Names of unknown fields are the caller's own, so they are cut short."""
    return "/" + str(part)[:100].replace("~", "~0").replace("/", "~1")


def refusals(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it may refuse, by status."""
    by_status: dict[int | str, list[type[Refusal]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(kind)
    return {
        status: {
            "model": Problem,
            "description": " ".join(kind.title() for kind in some),
            "content": {MEDIA_TYPE: {"examples": {k.code(): {"value": problem_of(k()).model_dump(exclude_none=True)}
                                                  for k in some}}},
        }
        for status, some in by_status.items()
    }  # fmt: skip


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    PROBLEMS.labels(problem.code).inc()
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        trace_id = f"{context.trace_id:032x}"
        # Names this occurrence; like `type`, it is no address.
        problem = problem.model_copy(update={"trace_id": trace_id, "instance": f"/traces/{trace_id}"})
    extra = _BESIDE.get(problem.status, {})
    return Response(
        orjson.dumps(problem.model_dump(exclude_none=True)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **in_a_language(), **extra, **(headers or {})},
    )


def in_a_language() -> dict[str, str]:
    """The headers of an answer that holds words."""
    return {"Content-Language": languages.spoken(), "Vary": "Accept-Language"}


def install(app: FastAPI) -> None:
    """Make every error of this application a problem document."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return respond(problem_of(refusal), headers_of(refusal))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        if any(e["type"] == "json_invalid" for e in errors):
            return respond(problem_of(MalformedRequest(_NOT_JSON)))
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = media_type == "application/json" or media_type.endswith("+json")
        if any(error["loc"][0] == "body" for error in errors) and not is_json:
            return respond(problem_of(UnsupportedMediaType()))
        return respond(validation_problem(errors))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == STATUS[MethodNotAllowed]:
            headers["Allow"] = ", ".join(_methods_at(app, request.scope))
        return respond(_of_status(error.status_code), headers)

    for lost in CONNECTION_LOST:

        @app.exception_handler(lost)
        async def unavailable(_: Request, error: Exception) -> Response:
            if not is_ours(error):
                raise error
            log.warning("database does not answer", error=type(error).__name__)
            return respond(problem_of(DatabaseUnavailable()))

    @app.exception_handler(asyncpg.DataError)
    async def unstorable(_: Request, error: Exception) -> Response:
        log.warning("database refused a value", error=type(error).__name__)
        return respond(problem_of(ValueNotStorable()))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # This handler runs outside of every middleware.
        with trace.use_span(getattr(request.state, "span", trace.INVALID_SPAN)), languages.listening(request.scope):
            log.error("request failed", error=type(error).__name__, where=_place_of(error))
            return respond(problem_of(Internal()))


def _place_of(error: Exception) -> str:
    """Where in the code an exception was raised. Unlike its message, that never quotes what was sent."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_code.co_qualname}:{last.tb_lineno}" if last else "?"


def _of_status(status: int) -> Problem:
    """The document for an error of the framework, whose own words may quote the request."""
    for kind in OF_HTTP:
        if status_of(kind) == status:
            return problem_of(kind())
    return Problem(type="about:blank", title=f"{HTTPStatus(status).phrase}.", status=status, code=f"http-{status}")


def _methods_at(app: FastAPI, scope: Scope) -> list[str]:
    """All methods that an address takes; Starlette tells those of the first route only."""
    return [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] == Match.FULL for route in app.router.routes)
    ]


class BodyLimit:
    """Plain ASGI middleware that refuses a body which is too large. FastAPI's own answers in plain text.

    An application that is not FastAPI lets the HTTPException of `receive` pass, unless it has begun to answer.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int, larger: Mapping[str, int] | None = None) -> None:
        """`larger`: the paths that take more, and how much."""
        self._app = app
        self._bytes_max = bytes_max
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._larger.get(scope["path"], self._bytes_max)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if announced.isdigit() and int(announced) > bytes_max:
            await respond(problem_of(PayloadTooLarge()))(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise HTTPException(_TOO_LARGE)
            return message

        try:
            await self._app(scope, counted, send)
        except HTTPException as error:
            await respond(_of_status(error.status_code))(scope, receive, send)
