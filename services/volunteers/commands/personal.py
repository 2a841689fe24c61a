"""What is done with a volunteer's personal data beyond the daily work: read in clear."""

from datetime import datetime
from uuid import UUID

from services.volunteers import domain, queries
from services.volunteers.schemas import Disclose
from services.volunteers.tables import StatusChange, Volunteer
from shared import journal
from shared.access.principal import Principal
from shared.database import Transaction


async def disclose_volunteer(
    tx: Transaction, volunteer_id: UUID, form: Disclose, *, by: Principal, now: datetime
) -> tuple[Volunteer, list[StatusChange]]:
    """Read a volunteer, and the reasons of their statuses, to be opened: in the transaction that writes it down.

    Raises:
        VolunteerNotFound
    """
    volunteer = await tx.get(Volunteer, volunteer_id)
    if volunteer is None:
        raise domain.VolunteerNotFound
    journal.write(tx, by=by, what="disclosed", record=f"volunteer/{volunteer_id}", purpose=form.purpose, now=now)
    return volunteer, await queries.reasons_of_volunteer(tx, volunteer_id)
