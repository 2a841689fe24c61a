"""Hours earned."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.volunteers import queries
from services.volunteers.schemas import HoursEntryView, HoursView
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.forms import Day
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/hours", tags=["hours"])


@router.get("", dependencies=[permits(Permission.READ_HOURS)])
async def read_hours(
    tx: Tx,
    volunteer_id: UUID | None = None,
    centre_id: UUID | None = None,
    start: Annotated[Day | None, Query(alias="from")] = None,
    end: Annotated[Day | None, Query(alias="to")] = None,
) -> HoursView:
    """Time earned by a volunteer or at a centre, between two civil days, both included."""
    minutes, rows = await queries.hours(tx, volunteer_id=volunteer_id, centre_id=centre_id, start=start, end=end)
    return HoursView(minutes=minutes, entries=[HoursEntryView.model_validate(dict(row)) for row in rows])
