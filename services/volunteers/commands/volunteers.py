"""Volunteers: registered with their consent, accepted or not, pausing, returning, leaving."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.volunteers import domain
from services.volunteers.commands.centres import working_centre
from services.volunteers.commands.repeats import made_before
from services.volunteers.reference import DIRECTIONS
from services.volunteers.schemas import Decide, RegisterVolunteer
from services.volunteers.tables import Consent, StatusChange, Volunteer, volunteer_numbers
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.volunteers import (
    VolunteerActivated,
    VolunteerApproved,
    VolunteerFact,
    VolunteerLeft,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerRejected,
    VolunteerResumed,
)
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.ids import new_id
from shared.people import folded, sort_key
from shared.sealed import Seal

FACTS: dict[str, type[VolunteerFact]] = {
    "approve": VolunteerApproved,
    "reject": VolunteerRejected,
    "activate": VolunteerActivated,
    "pause": VolunteerPaused,
    "resume": VolunteerResumed,
    "leave": VolunteerLeft,
}
"""What is announced of each action in `domain.TRANSITIONS`."""


async def register_volunteer(
    tx: Transaction, form: RegisterVolunteer, *, by: Principal, seal: Seal, now: datetime
) -> tuple[Volunteer, bool]:
    """Register a person with their consent; answers them, and whether they are new: a repeat registers nobody.

    Raises:
        BornInTheFuture, GuardianConsentMissing, ConsentInTheFuture, DirectionUnknown, CentreUnknown, CentreIsClosed
        AlreadyRegistered (at commit): someone has this IIN, phone or email.
        AlreadyExists: another volunteer has this id.
    """
    said = {"full_name": form.full_name, "centre_id": form.centre_id}
    if known := await made_before(tx, Volunteer, form.id, **said):
        if seal.text(known, "born_on") != form.born_on.isoformat():
            raise AlreadyExists
        return known, False
    applied_on = form.applied_on or civil_day(now)
    domain.require_plausible_birth_day(form.born_on, day=applied_on)
    domain.require_consent(born_on=form.born_on, given_on=form.consent.given_on, by=form.consent.by, day=applied_on)
    if not set(form.directions) <= DIRECTIONS.keys():
        raise domain.DirectionUnknown(pointer="/directions")
    centre = await working_centre(tx, form.centre_id, on=applied_on)

    volunteer_id = form.id or new_id()
    found_again = {
        f"{name}_index": seal.index(value, place=f"volunteer.{name}")
        for name, value in (("iin", form.iin), ("phone", form.phone), ("email", form.email))
        if value is not None
    }
    volunteer = Volunteer(
        id=volunteer_id,
        number=await tx.number(volunteer_numbers),
        full_name=form.full_name,
        sort_key=sort_key(form.full_name),
        name_folded=folded(form.full_name),
        language=form.language,
        born_in=f"{form.born_on:%Y-%m}",
        centre_id=centre.id,
        region=centre.region,
        directions=form.directions,
        skills=form.skills,
        languages_spoken=form.languages_spoken,
        applied_on=applied_on,
        status_on=applied_on,
        registered_at=now,
        **found_again,
        **seal.fields(
            Volunteer,
            volunteer_id,
            born_on=form.born_on.isoformat(),
            iin=form.iin,
            phone=form.phone,
            email=form.email,
            affiliation=form.affiliation,
            emergency_contact=form.emergency_contact,
        ),
    )
    consent_id = new_id()
    consent = Consent(
        id=consent_id,
        volunteer_id=volunteer_id,
        centre_id=centre.id,
        text_version=form.consent.version,
        given_on=form.consent.given_on,
        how=form.consent.how,
        by=form.consent.by,
        recorded_by=by.id,
        recorded_at=now,
        **seal.fields(Consent, consent_id, by_name=form.consent.by_name),
    )
    tx.insert(volunteer)
    tx.insert(consent)
    tx.insert(_change(volunteer, None, None, by, now, seal))
    tx.announce(VolunteerRegistered(**_fact(volunteer, None)), at=now, version=volunteer.version)
    return volunteer, True


async def change_status(
    tx: Transaction, volunteer_id: UUID, action: str, form: Decide, *, by: Principal, seal: Seal, now: datetime
) -> Volunteer:
    """Approve, reject, activate, pause, resume or see off a volunteer (`domain.TRANSITIONS`), and announce it.

    Raises:
        VolunteerNotFound, StatusDoesNotAllow
        DecidedBeforeApplied: the day lies before that of the status so far.
    """
    volunteer = await tx.get(Volunteer, volunteer_id, lock=True)
    if volunteer is None:
        raise domain.VolunteerNotFound
    decided_on = form.decided_on or civil_day(now)
    after = domain.next_status(action, now=volunteer.status)
    domain.require_in_order(decided_on, after=volunteer.status_on)
    was, volunteer.status, volunteer.status_on = volunteer.status, after, decided_on
    tx.update(volunteer)
    tx.insert(_change(volunteer, was, form.reason, by, now, seal))
    tx.announce(FACTS[action](**_fact(volunteer, was)), at=now, version=volunteer.version)
    return volunteer


def _change(
    volunteer: Volunteer, was: str | None, reason: str | None, by: Principal, now: datetime, seal: Seal
) -> StatusChange:
    change_id = new_id()
    return StatusChange(
        id=change_id,
        volunteer_id=volunteer.id,
        centre_id=volunteer.centre_id,
        was=was,
        status=volunteer.status,
        on=volunteer.status_on,
        changed_by=by.id,
        changed_at=now,
        **seal.fields(StatusChange, change_id, reason=reason),
    )


def _fact(volunteer: Volunteer, was: str | None) -> dict[str, Any]:
    return {
        "volunteer_id": volunteer.id,
        "centre_id": volunteer.centre_id,
        "region": volunteer.region,
        "was": was,
        "status": volunteer.status,
        "directions": volunteer.directions,
        "born_in": volunteer.born_in,
        "consent": True,
        "on": volunteer.status_on,
    }
