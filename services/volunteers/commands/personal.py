"""What is done with a volunteer's personal data beyond the daily work: read in clear, erased."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.volunteers import domain, queries
from services.volunteers.tables import StatusChange, Volunteer
from shared import idempotency, journal
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.volunteers import VolunteerErased
from shared.database import Transaction
from shared.jobs.job import KEEP_DAYS
from shared.personal import COUNTED, Disclose, Erase, ErasureView, Export, kept
from shared.sealed import Seal

_EMPTIED: dict[str, Any] = {
    "full_name": "", "sort_key": "", "name_folded": "", "language": "", "born_in": "", "born_on": None,
    "iin": None, "iin_index": None, "phone": None, "phone_index": None, "email": None, "email_index": None,
    "directions": [], "skills": [], "languages_spoken": [], "affiliation": None, "emergency_contact": None,
}  # fmt: skip
_ERASED = (*(name for name in _EMPTIED if not name.endswith(("_index", "_key", "_folded"))), "reasons", "guardian")
_FORGET = ("UPDATE statuschange SET reason = NULL WHERE volunteer_id = $1",
           "UPDATE consent SET by_name = NULL WHERE volunteer_id = $1")  # fmt: skip


async def require_volunteer(tx: Transaction, volunteer_id: UUID, *, lock: bool = False) -> Volunteer:
    """A person who is known.

    Raises:
        VolunteerNotFound, VolunteerIsErased
    """
    volunteer = await tx.get(Volunteer, volunteer_id, lock=lock)
    if volunteer is None:
        raise domain.VolunteerNotFound
    if volunteer.status == domain.ERASED:
        raise domain.VolunteerIsErased
    return volunteer


async def disclose_volunteer(
    tx: Transaction, volunteer_id: UUID, form: Disclose, *, by: Principal, now: datetime
) -> tuple[Volunteer, list[StatusChange]]:
    """Read a volunteer, and the reasons of their statuses, to be opened: in the transaction that writes it down.

    Raises:
        VolunteerNotFound, VolunteerIsErased
    """
    volunteer = await require_volunteer(tx, volunteer_id)
    journal.write(tx, by=by, what="disclosed", record=f"volunteer/{volunteer_id}", purpose=form.purpose, now=now)
    return volunteer, await queries.reasons_of_volunteer(tx, volunteer_id)


async def export_volunteer(
    tx: Transaction, volunteer_id: UUID, form: Export, *, by: Principal, now: datetime
) -> Volunteer:
    """Give out a volunteer, in the transaction that writes it down.

    Raises:
        VolunteerNotFound, VolunteerIsErased
        PurposeMissing: it is somebody else's data.
    """
    form.require_purpose(own=by.volunteer_id == volunteer_id)
    volunteer = await require_volunteer(tx, volunteer_id)
    journal.write(tx, by=by, what="exported", record=f"volunteer/{volunteer_id}", purpose=form.purpose, now=now)
    # Who reads the export sees that it was made.
    await tx.flush()
    return volunteer


async def erase_volunteer(
    tx: Transaction, volunteer_id: UUID, form: Erase, *, by: Principal, seal: Seal, now: datetime
) -> ErasureView:
    """Erase who a volunteer is; what they did stays under their id. Unconfirmed, only tell what would go and stay.

    A repeat is the same erasure: it changes nothing and tells the same.

    Raises:
        VolunteerNotFound
        ErasureNotConfirmed: the number is not this volunteer's.
    """
    volunteer = await tx.get(Volunteer, volunteer_id, lock=True)
    if volunteer is None:
        raise domain.VolunteerNotFound
    done = volunteer.status == domain.ERASED
    if form.is_confirmed(volunteer.number) and not done:
        was, volunteer.status = volunteer.status, domain.ERASED
        # Not before the status so far, which may be a day ahead of our clock.
        volunteer.status_on = max(civil_day(now), volunteer.status_on)
        for name, nothing in _EMPTIED.items():
            setattr(volunteer, name, nothing)
        tx.update(volunteer)
        for statement in _FORGET:
            await tx.sql(statement, volunteer_id)
        tx.insert(
            StatusChange(
                volunteer_id=volunteer_id,
                centre_id=volunteer.centre_id,
                was=was,
                status=domain.ERASED,
                on=volunteer.status_on,
                changed_by=by.id,
                changed_at=now,
            )
        )
        await idempotency.forget_answers(tx, seal, naming=[volunteer_id])
        journal.write(tx, by=by, what="erased", record=f"volunteer/{volunteer_id}", purpose=form.purpose, now=now)
        fact = VolunteerErased(
            volunteer_id=volunteer_id,
            centre_id=volunteer.centre_id,
            region=volunteer.region,
            was=was,
            status=volunteer.status,
            on=volunteer.status_on,
        )
        tx.announce(fact, at=now, version=volunteer.version)
        await tx.flush()
        done = True
    stays = await queries.kept_of_volunteer(tx, volunteer_id)
    return ErasureView(
        id=volunteer_id,
        done=done,
        erased=list(_ERASED),
        kept=kept(
            (
                "consents",
                stays["consents"],
                "That the data was kept lawfully must stay provable: which text, when, how.",
            ),
            ("status_changes", stays["status_changes"], COUNTED),
            ("hours", stays["hours"], COUNTED),
            ("sign_ups_and_attendance", None, COUNTED),
            ("imported_sheets", None, f"They are deleted with their job, {KEEP_DAYS} days after it, and are sealed."),
        ),
    )
