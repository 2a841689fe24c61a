"""The way from a request's address to the endpoint that is called for it, where that is plain (decision 0027)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.plain import NotPlain

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class _Step:
    """Where addresses go on from here."""

    named: "dict[str, _Step]" = field(default_factory=dict["str", "_Step"])
    any: "_Step | None" = None
    routes: dict[str, tuple[APIRoute, Handler | None, list[str]]] = field(
        default_factory=dict[str, tuple[APIRoute, "Handler | None", list[str]]]
    )
    """Those that end here, by method, with the names of their parameters."""


class Addresses:
    """Where the routes of an application are, and which of them can be called directly."""

    def __init__(self, app: FastAPI) -> None:
        self._root = _Step()
        for context in iter_route_contexts(app.routes):
            route = context.original_route
            if isinstance(route, APIRoute) and context.path == route.path:
                # Those that are not plain as well, or their addresses would be taken for another route's parameters.
                self._add(route, getattr(route, "directly", None))

    def _add(self, route: APIRoute, answer: Handler | None) -> None:
        step, names = self._root, list[str]()
        for part in route.path.split("/"):
            if part.startswith("{"):
                names.append(part.strip("{}"))
                step.any = step = step.any or _Step()
            else:
                step = step.named.setdefault(part, _Step())
        for method in route.methods or ():
            step.routes.setdefault(method, (route, answer, names))

    def find(self, method: str, path: str) -> tuple[APIRoute, Handler, dict[str, str]] | None:
        """The route of an address, and what it says in the places of parameters; None if only FastAPI may know."""
        step, said = self._root, list[str]()
        for part in path.split("/"):
            following = step.named.get(part)
            if following is None:
                following = step.any
                if following is None or not part:
                    return None
                said.append(part)
            step = following
        route, answer, names = step.routes.get(method, (None, None, ()))
        return None if route is None or answer is None else (route, answer, dict(zip(names, said, strict=True)))


class Direct:
    """Plain ASGI middleware, the innermost: calls plain routes, and leaves all else to the application.

    What comes after it in FastAPI's way (errors become answers, files are closed, a route is looked for in every
    router) is done here for plain routes, as far as they need it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._addresses: Addresses | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        if self._addresses is None:
            # Not before the first request: routers are included after middleware is added.
            self._addresses = Addresses(scope["app"])
        found = self._addresses.find(scope["method"], scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["route"], answer, scope["path_params"] = found
        request = Request(scope, receive, send)
        try:
            response = await _answered(request, answer)
        except NotPlain:
            await self._app(scope, _again(request, receive), send)
        else:
            await response(scope, receive, send)


async def _answered(request: Request, answer: Handler) -> Response:
    try:
        return await answer(request)
    except NotPlain:
        raise
    except Exception as error:
        handlers = request.app.exception_handlers
        handle = next(
            (handlers[kind] for kind in type(error).__mro__ if kind in handlers and kind is not Exception), None
        )
        if handle is None:
            raise
        return await handle(request, error)


def _again(request: Request, receive: Receive) -> Receive:
    """The request's body once more, if it has been read."""
    read: bytes | None = getattr(request, "_body", None)

    async def receive_again() -> Message:
        nonlocal read
        if read is None:
            return await receive()
        body, read = read, None
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
