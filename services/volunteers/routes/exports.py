"""This service's part of a person's export. The gateway asks for it and puts the parts together; nobody else can."""

from typing import Any
from uuid import UUID

from services.volunteers import commands, queries
from services.volunteers.domain import VolunteerIsErased, VolunteerNotFound
from services.volunteers.routes import views
from services.volunteers.tables import Consent, HoursEntry, StatusChange
from shared import journal
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING
from shared.clock import Now
from shared.personal import Export, PurposeMissing
from shared.problems import refusals
from shared.requests import Sealing, Tx, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/export-parts", tags=["exports"])


@router.post(
    "/volunteers/{volunteer_id}",
    responses=refusals(VolunteerNotFound, VolunteerIsErased, PurposeMissing),
    dependencies=[permits(Permission.EXPORT_PERSON)],
    include_in_schema=False,
)
@never_remembered
async def export_volunteer(
    volunteer_id: UUID, form: Export, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> dict[str, Any]:
    """All that this service knows of a volunteer, and who has read it."""
    volunteer = await commands.export_volunteer(tx, volunteer_id, form, by=caller, now=now)
    # At whichever centre they gave their time.
    async with tx.reaching(EVERYTHING):
        hours = await queries.all_hours_of_volunteer(tx, volunteer_id)
    return {
        "profile": views.own(volunteer, seal),
        "consents": [_consent(row, seal) for row in await queries.consents_of_volunteer(tx, volunteer_id)],
        "statuses": [_status(row, seal) for row in await queries.changes_of_volunteer(tx, volunteer_id)],
        "hours": [_hours(row) for row in hours],
        "journal": await journal.entries_of(tx, [f"volunteer/{volunteer_id}"]),
    }


def _consent(consent: Consent, seal: Seal) -> dict[str, Any]:
    return {
        "text_version": consent.text_version,
        "given_on": consent.given_on,
        "how": consent.how,
        "by": consent.by,
        "by_name": seal.text(consent, "by_name"),
        "recorded_at": consent.recorded_at,
    }


def _status(change: StatusChange, seal: Seal) -> dict[str, Any]:
    return {"on": change.on, "was": change.was, "status": change.status, "reason": seal.text(change, "reason")}


def _hours(entry: HoursEntry) -> dict[str, Any]:
    return {
        "earned_on": entry.earned_on,
        "minutes": entry.minutes,
        "centre_id": entry.centre_id,
        "direction": entry.direction,
        "signup_id": entry.signup_id,
    }
