"""The dashboard's figures: asked for, or pushed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.domain import DayUnreadable, PeriodBackwards, ScopeUnknown
from services.gateway.live import TooManyWatchers
from services.gateway.schemas import AskedStream, AskedTopic, DashboardState
from services.gateway.states import States, Topic
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.errors import NotFound
from shared.preconditions import IF_NONE_MATCH, is_known
from shared.problems import refusals
from shared.requests import StrictRoute

router = APIRouter(prefix="/v1", tags=["figures"], route_class=StrictRoute)

_REFUSED = (ScopeUnknown, DayUnreadable, PeriodBackwards)


@router.get(
    "/dashboard",
    response_model=DashboardState,
    responses=refusals(*_REFUSED),
    dependencies=[permits(Permission.READ_FIGURES)],
)
async def read_dashboard(request: Request, asked: Annotated[AskedTopic, Query()]) -> Response:
    """All figures of a scope in a period, with the daily series: the same document that `/v1/live` pushes."""
    topic = Topic.parse(asked.scope, asked.start, asked.end)
    states: States = request.app.state.states
    mark = await states.mark()
    if is_known(f'"{mark}"', request.headers.get(IF_NONE_MATCH)):
        return Response(status_code=304, headers=_caching(f'"{mark}"'))
    state = await states.get(topic, at=mark)
    return Response(state.body, media_type="application/json", headers=_caching(f'"{state.mark}"'))


@router.get(
    "/live",
    response_class=Response,
    responses={
        200: {"description": "Endless events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **refusals(*_REFUSED, TooManyWatchers),
    },
    dependencies=[permits(Permission.READ_FIGURES)],
)
async def watch_dashboard(asked: Annotated[AskedStream, Query()]) -> Response:  # noqa: ARG001  # see below
    """The same, as server-sent events: the whole state now and, at most ten times a second, whenever it changes.

    `event: state` carries the document of `/v1/dashboard`, `event: hb` only says that the line is open.
    """
    # Described here, answered by `live.py` before FastAPI is asked: its watchers must cost next to nothing.
    raise NotFound


def _caching(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": "no-cache"}
