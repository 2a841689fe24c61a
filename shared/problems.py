"""Refusals become problem documents (RFC 9457). The only place where a refusal meets a number."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.database import CONNECTION_LOST, DatabaseUnavailable, is_ours
from shared.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    Refusal,
    RuleBroken,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from shared.telemetry import log

STATUS: dict[type[Refusal], int] = {
    Malformed: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    RuleBroken: 422,
    TooMany: 429,
    Unavailable: 503,
}
MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 100
"""So that a large bad request does not get a larger answer."""
_TOO_LARGE, _SERVER_ERROR = 413, 500
_BESIDE = {STATUS[Unavailable]: {"Retry-After": "1"}, STATUS[Unauthenticated]: {"WWW-Authenticate": "Bearer"}}
"""Headers that go with a status (RFC 9110, sections 10.2.3 and 11.6.1)."""
_OF_STATUS = {
    400: ("malformed-request", "The request cannot be read."),
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This address does not take that method."),
    413: ("payload-too-large", "The request is larger than is accepted; send it in parts."),
    415: ("unsupported-media-type", "Send JSON, with content-type application/json."),
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    pointer: str = Field(description="JSON Pointer into the request, such as `#/phone`.")
    code: str
    message: str


class Problem(BaseModel):
    """Why a request was refused, and what can be done about it. Never repeats what was sent: it may be personal."""

    model_config = ConfigDict(serialize_by_alias=True)

    type: str
    title: str
    status: int
    detail: str | None = None
    code: str
    trace_id: str | None = None
    errors: list[FieldError] | None = None
    violated_policies: list[str] | None = Field(
        default=None, serialization_alias="violated-policies", description="The quotas that are used up."
    )


def problem_of(refusal: Refusal) -> Problem:
    """The document for a refusal; also used for the rows of a batch."""
    status = next(number for kind, number in STATUS.items() if isinstance(refusal, kind))
    errors = None
    if refusal.pointer is not None:
        errors = [FieldError(pointer=f"#{refusal.pointer}", code=refusal.code(), message=refusal.title())]
    return Problem(
        type=f"/problems/{refusal.code()}",
        title=refusal.title(),
        status=status,
        detail=refusal.detail,
        code=refusal.code(),
        errors=errors,
        violated_policies=list(refusal.policies) or None if isinstance(refusal, TooMany) else None,
    )


def headers_of(refusal: Refusal) -> dict[str, str]:
    """The headers that go with a refusal's document."""
    return {"Retry-After": str(refusal.retry_after_s)} if isinstance(refusal, TooMany) else {}


def validation_problem(errors: Sequence[Any], *, prefix: str = "") -> Problem:
    """The document for what pydantic found. Its `input`, `ctx` and `url` are dropped: they echo the caller."""
    return Problem(
        type="/problems/validation-failed",
        title="Some fields are not as they must be.",
        status=422,
        code="validation-failed",
        errors=[
            FieldError(
                pointer="#" + prefix + "".join(_step(part) for part in error["loc"] if part != "body"),
                code=error["type"],
                message=error["msg"].removeprefix("Value error, "),
            )
            for error in errors[:ERRORS_MAX]
        ],
    )


def _step(part: object) -> str:
    """One step of a JSON Pointer (RFC 6901). Names of unknown fields are the caller's own, so they are cut short."""
    return "/" + str(part)[:100].replace("~", "~0").replace("/", "~1")


def refusals(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: what it may refuse, by status."""
    by_status: dict[int | str, list[type[Refusal]]] = {}
    for kind in kinds:
        status = next(number for base, number in STATUS.items() if issubclass(kind, base))
        by_status.setdefault(status, []).append(kind)
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
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        problem = problem.model_copy(update={"trace_id": f"{context.trace_id:032x}"})
    extra = _BESIDE.get(problem.status, {})
    return Response(
        orjson.dumps(problem.model_dump(exclude_none=True)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **extra, **(headers or {})},
    )


def install(app: FastAPI) -> None:
    """Make every error of this application a problem document."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return respond(problem_of(refusal), headers_of(refusal))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = error.errors()
        if any(e["type"] == "json_invalid" for e in errors):
            return respond(_plain(400, "The body is not JSON that can be read."))
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = media_type == "application/json" or media_type.endswith("+json")
        if request.method in ("POST", "PUT", "PATCH") and not is_json:
            return respond(_plain(415))
        return respond(validation_problem(errors))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        return respond(
            _plain(error.status_code, None if error.status_code in _OF_STATUS else str(error.detail)), headers
        )

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
        return respond(_plain(422, "A value is outside of what can be stored."))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The message of an exception may quote what was sent; its place in the code does not.
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = f"{last.tb_frame.f_code.co_qualname}:{last.tb_lineno}" if last else "?"
        with trace.use_span(getattr(request.state, "span", trace.INVALID_SPAN)):
            log.error("request failed", error=type(error).__name__, where=where)
            return respond(_plain(_SERVER_ERROR, "Something went wrong on our side; nothing was changed."))


class BodyLimit:
    """Plain ASGI middleware that refuses a body which is too large. FastAPI's own answers in plain text.

    An application that is not FastAPI lets the HTTPException of `receive` pass, unless it has begun to answer.
    """

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if announced.isdigit() and int(announced) > self._bytes_max:
            await respond(_plain(_TOO_LARGE))(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise HTTPException(_TOO_LARGE)
            return message

        try:
            await self._app(scope, counted, send)
        except HTTPException as error:
            await respond(_plain(error.status_code))(scope, receive, send)


def _plain(status: int, title: str | None = None) -> Problem:
    unnamed = "internal" if status >= _SERVER_ERROR else f"http-{status}"
    code, standard = _OF_STATUS.get(status, (unnamed, "The request failed."))
    return Problem(type=f"/problems/{code}", title=title or standard, status=status, code=code)
