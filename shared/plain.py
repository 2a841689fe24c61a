"""Endpoints that are called without FastAPI's way through a request, which costs more than what they do.

FastAPI still declares every route and describes it. What it finds out anew for each request is found out here once for
each route whose parameters are of the usual kinds: how its endpoint is called. A request that does not fit, because of
its route or because something in it is not valid, is FastAPI's from the beginning, so that one code alone says what is
wrong with a request (decision 0027).
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.params import Form
from fastapi.responses import Response
from fastapi.routing import APIRoute, serialize_response
from pydantic import BaseModel

_JSON = "application/json"
_PLACES = ("path_params", "query_params", "header_params")
"""Where a dependant's parameters come from; a request calls the first two so as well."""
_NO_BODY = {204, 205, 304}


class NotPlain(Exception):
    """This request is FastAPI's to read. Nothing has happened yet."""


@dataclass(frozen=True)
class Plain:
    """How a route's endpoint is called and its answer written."""

    route: APIRoute
    call: "_Call"
    form: tuple[str, type[BaseModel]] | None
    """The parameter that takes the request's body."""

    async def read(self, request: Request) -> "Given":
        """What the request gives to the endpoint, all of it valid.

        Raises:
            NotPlain
        """
        given = self.call.read(request)
        if self.form is None:
            return given
        name, model = self.form
        if request.headers.get("content-type", "").partition(";")[0] != _JSON:
            raise NotPlain
        try:
            form = model.model_validate_json(await request.body())
        except ValueError as error:
            raise NotPlain from error
        return Given({**given.values, name: form}, given.needs)

    async def answer(self, request: Request, given: "Given") -> Response:
        """Call the endpoint; may be done again."""
        said = Response(status_code=self.route.status_code or 200)
        said.raw_headers.clear()
        result = await self.call.made(request, said, given, {})
        if isinstance(result, Response):
            return result
        body = await serialize_response(field=self.route.response_field, response_content=result, dump_json=True)
        response = Response(body, said.status_code, media_type=_JSON)
        response.raw_headers.extend(said.raw_headers)
        return response


def plain(route: APIRoute) -> Plain | None:
    """How to call this route's endpoint, unless only FastAPI knows."""
    call = _call_of(route.dependant)
    is_written_by_rule = (
        isinstance(route.response_class, DefaultPlaceholder)
        and route.response_field is not None
        and route.status_code not in _NO_BODY
        and route.response_model_by_alias
        and not (route.response_model_exclude_unset or route.response_model_exclude_defaults)
        and not (route.response_model_exclude_none or route.response_model_include or route.response_model_exclude)
    )
    if call is None or not is_written_by_rule:
        return None
    if route.body_field is None:
        return Plain(route, call, None)
    form = _form_of(route)
    return Plain(route, call, form) if form is not None else None


@dataclass(frozen=True)
class Given:
    """What a request gives to one function, and to those that make its arguments."""

    values: dict[str, Any]
    needs: "list[Given]"


@dataclass(frozen=True)
class _Call:
    """How an endpoint or a dependency is called."""

    function: Callable[..., Awaitable[Any]]
    dependant: Dependant
    needs: "list[_Call]"
    nothing: Given | None
    """What it is given where it asks the request for nothing, as most dependencies do."""

    def read(self, request: Request) -> Given:
        if self.nothing is not None:
            return self.nothing
        values: dict[str, Any] = {}
        for kind in _PLACES:
            fields: list[Any] = getattr(self.dependant, kind)
            if fields:
                valid, errors = request_params_to_args(fields, _sent(request, kind))
                if errors:
                    raise NotPlain
                values |= valid
        return Given(values, [need.read(request) for need in self.needs])

    async def made(self, request: Request, said: Response, given: Given, known: dict[Any, Any]) -> Any:
        values = dict(given.values)
        for need, its in zip(self.needs, given.needs, strict=True):
            if need.function not in known:
                known[need.function] = await need.made(request, said, its, known)
            if need.dependant.name is not None:
                values[need.dependant.name] = known[need.function]
        if self.dependant.request_param_name is not None:
            values[self.dependant.request_param_name] = request
        if self.dependant.response_param_name is not None:
            values[self.dependant.response_param_name] = said
        return await self.function(**values)


def _call_of(dependant: Dependant) -> _Call | None:
    """None where it asks for something of other than the usual kinds, or is to run in a thread or around the answer."""
    function: Any = dependant.call
    unusual = (
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    is_awaited = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    needs = [_call_of(need) for need in dependant.dependencies if not need.body_params]
    known = [need for need in needs if need is not None]
    if any(unusual) or not is_awaited or len(known) < len(dependant.dependencies):
        return None
    nothings = [need.nothing for need in known if need.nothing is not None]
    asks = any(getattr(dependant, kind) for kind in _PLACES) or len(nothings) < len(known)
    return _Call(function, dependant, known, None if asks else Given({}, nothings))


def _sent(request: Request, kind: str) -> Any:
    return request.headers if kind == "header_params" else getattr(request, kind)


def _form_of(route: APIRoute) -> tuple[str, type[BaseModel]] | None:
    """The parameter that takes the body, where the body is one model and nothing beside it."""
    field, *others = route.dependant.body_params
    kind: Any = field.field_info.annotation
    is_whole = not others and route.body_field is field and not isinstance(field.field_info, Form)
    if not is_whole or not field.field_info.is_required() or field.field_info.metadata:
        return None
    return (field.name, kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
