"""What holds for every request, whatever it is about.

It names only parameters that there are: a misspelt filter would otherwise answer with everything. It says on which
version it insists (`If-Match`), which one its caller has already (`If-None-Match`), that it may come again
(`Idempotency-Key`), and whether it is only to be validated.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from shared import idempotency, preconditions
from shared.access.principal import Principal
from shared.errors import PreconditionRequired
from shared.idempotency import Attempt
from shared.preconditions import IF_MATCH, IF_NONE_MATCH, Expected

VALIDATE_ONLY = "validate_only"
SAYS = "x-says"
"""Where a route leaves for `shared.openapi` what may be said to it."""
_REQUIRED = "idempotency_required"
_UNREMEMBERED = "answer_unremembered"
_SAFE = {"GET", "HEAD"}
_EDITS = {"PUT", "PATCH", "DELETE"}
_OK, _CREATED, _MANY, _NOT_MODIFIED = 200, 201, 207, 304


def needs_idempotency_key(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the request without an Idempotency-Key: for what moves money or creates people."""
    setattr(endpoint, _REQUIRED, True)
    return endpoint


def never_remembered(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Keep no answer for an Idempotency-Key: it would hold in one place what is sealed in many.

    For what only reads. A repeat reads again, and is written in the journal again.
    """
    setattr(endpoint, _UNREMEMBERED, True)
    return endpoint


class Asked(NamedTuple):
    """What a request says beside what it is about."""

    rehearsed: bool
    """It is only to be validated: the same answer or refusal, and nothing happens."""
    expected: Expected | None
    attempt: Attempt | None


class Conventions:
    """What may be said to a route, and what has to be."""

    def __init__(self, route: APIRoute) -> None:
        methods = set(route.methods or ())
        self.writes = bool(methods - _SAFE)
        self._operation = route.path
        self.takes_key = self.writes and not getattr(route.endpoint, _UNREMEMBERED, False)
        self.needs_key: bool = getattr(route.endpoint, _REQUIRED, False)
        self.has_version = preconditions.has_version(route.response_model)
        # Of a record that looks otherwise to each, a version cannot tell all.
        self._tells_all = getattr(route.response_model, "version_tells_all", False)
        own = frozenset(_names_of_parameters(route.dependant))
        # Records, and batches of them. What only reads and writes in the journal is never tried without that.
        self.may_be_rehearsed = (
            self.takes_key and VALIDATE_ONLY not in own and (self.has_version or route.status_code == _MANY)
        )
        self._parameters = own | {VALIDATE_ONLY} if self.may_be_rehearsed else own
        # The last one of the path is the record that the request is about.
        self._record = next(reversed(list(route.param_convertors)), "")
        self.may_insist = self.writes and self.has_version and bool(self._record)
        self.must_insist = self.may_insist and bool(methods & _EDITS)

    @property
    def says(self) -> list[str]:
        """The same in the words of `shared.openapi`."""
        told = {
            "IdempotencyKey": self.takes_key,
            "needs key": self.needs_key,
            "IfMatch": self.may_insist,
            "must insist": self.must_insist,
            "IfNoneMatch": self.has_version and self._tells_all and not self.writes,
            "ValidateOnly": self.may_be_rehearsed,
            "record": self.has_version,
        }
        return [name for name, holds in told.items() if holds]

    async def asked(self, request: Request, principal: Principal) -> Asked:
        """What the request says.

        Raises:
            RequestValidationError, PreconditionRequired, IfMatchUnusable, IdempotencyKeyMissing, IdempotencyKeyUnusable
        """
        self.refuse_unknown(request)
        rehearsed = self._rehearsed(request)
        expected = self._expected(request)
        attempt = None
        if self.takes_key and not rehearsed:
            attempt = await idempotency.attempt_of(
                request, principal=principal.id, operation=self._operation, required=self.needs_key
            )
        return Asked(rehearsed, expected, attempt)

    def refuse_unknown(self, request: Request) -> None:
        """Raises: RequestValidationError: a query parameter is not one of this address."""
        unknown = [name for name in request.query_params if name not in self._parameters]
        if unknown:
            raise RequestValidationError([{"type": "unknown_parameter", "loc": ("query", name)} for name in unknown])

    def _rehearsed(self, request: Request) -> bool:
        said = request.query_params.get(VALIDATE_ONLY, "false") if self.may_be_rehearsed else "false"
        if said not in ("true", "false"):
            raise RequestValidationError([{"type": "bool_parsing", "loc": ("query", VALIDATE_ONLY)}])
        return said == "true"

    def _expected(self, request: Request) -> Expected | None:
        if not self.may_insist:
            return None
        header = request.headers.get(IF_MATCH)
        if header is None and self.must_insist:
            raise PreconditionRequired
        try:
            record = UUID(request.path_params[self._record])
        except ValueError:
            # The handler says what is wrong with it.
            return None
        return preconditions.expected(header, record)

    def dressed(self, request: Request, response: Response) -> Response:
        """The answer with its headers; without its body where the caller has that already."""
        response.headers.setdefault("Cache-Control", "no-store")
        if not self.has_version or response.status_code not in (_OK, _CREATED):
            return response
        tag = preconditions.tag_of(bytes(response.body))
        response.headers["ETag"] = tag
        known = request.headers.get(IF_NONE_MATCH)
        if self.writes or not self._tells_all or not preconditions.is_known(tag, known):
            return response
        return Response(status_code=_NOT_MODIFIED, headers={"ETag": tag, "Cache-Control": "no-store"})


def _names_of_parameters(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (field.alias or name for name, field in kind.model_fields.items())
        else:
            yield parameter.alias
    for dependency in dependant.dependencies:
        yield from _names_of_parameters(dependency)
