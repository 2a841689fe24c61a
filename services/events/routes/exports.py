"""This service's part of a person's export. The gateway asks for it and puts the parts together; nobody else can."""

from typing import Any
from uuid import UUID

from services.events import queries
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.personal import Export, PurposeMissing
from shared.problems import refusals
from shared.requests import Tx, never_remembered
from shared.requests import router as _router

router = _router("/v1/export-parts", tags=["exports"])


@router.post(
    "/volunteers/{volunteer_id}",
    responses=refusals(PurposeMissing),
    dependencies=[permits(Permission.EXPORT_PERSON)],
    include_in_schema=False,
)
@never_remembered
async def export_volunteer(volunteer_id: UUID, form: Export, tx: Tx, caller: Caller) -> dict[str, Any]:
    """Where a volunteer had a place and whether they came. That it was given out stands in volunteers' journal."""
    form.require_purpose(own=caller.volunteer_id == volunteer_id)
    return {"sign_ups": [dict(row) for row in await queries.sign_ups_to_export(tx, volunteer_id)]}
