"""The dashboard's figures."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.gateway.domain import Period, PeriodBackwards, Scope, ScopeUnknown
from services.gateway.schemas import DashboardState
from services.gateway.states import States, Topic
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.problems import refusals

router = APIRouter(prefix="/v1", tags=["figures"])

AskedScope = Annotated[str, Query(description="`kz`, a region such as `KZ-75`, `centre:<id>` or `campaign:<id>`.")]
AskedDay = Annotated[date | None, Query(alias="from", description="First civil day; open when absent.")]


@router.get(
    "/dashboard",
    response_model=DashboardState,
    responses=refusals(ScopeUnknown, PeriodBackwards),
    dependencies=[permits(Permission.READ_FIGURES)],
)
async def read_dashboard(
    request: Request,
    scope: AskedScope = "kz",
    start: AskedDay = None,
    end: Annotated[date | None, Query(alias="to", description="Last civil day; open when absent.")] = None,
) -> Response:
    """All figures of a scope in a period, with the daily series: the same document that `/v1/live` pushes."""
    states: States = request.app.state.states
    state = await states.get(Topic(Scope.parse(scope), Period(start, end)))
    headers = {"ETag": state.etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == state.etag:
        return Response(status_code=304, headers=headers)
    return Response(state.body, media_type="application/json", headers=headers)
