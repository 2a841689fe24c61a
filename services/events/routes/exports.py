"""This service's part of a person's export. The gateway asks for it and puts the parts together; nobody else can."""

from typing import Any
from uuid import UUID

from services.events import queries
from services.events.tables import KnownVolunteer
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING
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
    own = caller.volunteer_id == volunteer_id
    form.require_purpose(own=own)
    volunteer = await tx.get(KnownVolunteer, volunteer_id)
    reached = caller.reach(Permission.EXPORT_PERSON).parts
    if volunteer is None or not (own or reached & {(None, None), (volunteer.centre_id, None)}):
        return {}
    # At whichever centre they had a place.
    async with tx.reaching(EVERYTHING):
        return {"sign_ups": [dict(row) for row in await queries.sign_ups_to_export(tx, volunteer_id)]}
