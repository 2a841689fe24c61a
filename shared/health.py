"""Whether a process lives, whether it can serve, and what an operator wants to know of it."""

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.metrics import BUILD

Check = Callable[[], Awaitable[None]]
Report = Callable[[], Awaitable[dict[str, Any]]]


def router(service: str, *, ready: dict[str, Check], report: Report) -> APIRouter:
    """`ready` names what must answer before requests are welcome; its order is kept in the answer."""
    routes = APIRouter(include_in_schema=False)
    BUILD.info({"version": _version()})

    @routes.get("/health/live")
    async def live() -> Response:
        # Looks at nothing: a dead database must not get every process restarted.
        return JSONResponse({"status": "live"})

    @routes.get("/health/ready")
    async def readiness() -> Response:
        answers: dict[str, str] = {}
        for name, check in ready.items():
            try:
                await check()
                answers[name] = "ok"
            except Exception as error:  # noqa: BLE001  # whatever it is, this part is not ready
                answers[name] = type(error).__name__
        ok = all(answer == "ok" for answer in answers.values())
        return JSONResponse({"status": "ready" if ok else "not ready", "parts": answers}, 200 if ok else 503)

    @routes.get("/health/status")
    async def status() -> Response:
        return JSONResponse({"service": service, **await report()})

    @routes.get("/version")
    async def which() -> Response:
        return JSONResponse({"service": service, "version": _version()})

    @routes.get("/metrics")
    async def metrics() -> Response:
        await report()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes


@cache
def _version() -> str:
    try:
        return version("asar")
    except PackageNotFoundError:
        return "not installed"
