"""A volunteer as each audience sees them. Every field is named: nothing new is ever shown by itself."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from services.volunteers.schemas import (
    OwnVolunteerView,
    StatusReasonView,
    VolunteerDisclosure,
    VolunteerOutline,
    VolunteerView,
)
from services.volunteers.tables import StatusChange, Volunteer
from shared.people import masked_email, masked_iin, masked_phone
from shared.sealed import Seal

_ALSO_SEALED = ("affiliation", "emergency_contact")


def outline(volunteer: Volunteer) -> VolunteerOutline:
    """For who may not know the person."""
    return VolunteerOutline(**_common(volunteer))


def masked(volunteer: Volunteer, seal: Seal) -> VolunteerView:
    """For staff."""
    iin, phone, email = (seal.text(volunteer, name) for name in ("iin", "phone", "email"))
    return VolunteerView(
        **_common(volunteer),
        full_name=volunteer.full_name,
        language=volunteer.language,
        born_in=volunteer.born_in,
        iin=iin and masked_iin(iin),
        phone=phone and masked_phone(phone),
        email=email and masked_email(email),
        skills=volunteer.skills,
        languages_spoken=volunteer.languages_spoken,
        sealed=[name for name in _ALSO_SEALED if getattr(volunteer, name) is not None],
    )


def own(volunteer: Volunteer, seal: Seal) -> OwnVolunteerView:
    """For the person themselves."""
    return OwnVolunteerView(
        **_common(volunteer),
        language=volunteer.language,
        skills=volunteer.skills,
        languages_spoken=volunteer.languages_spoken,
        **_in_clear(volunteer, seal),
    )


def disclosed(volunteer: Volunteer, reasons: Iterable[StatusChange], seal: Seal) -> VolunteerDisclosure:
    """For staff with a purpose."""
    return VolunteerDisclosure(
        id=volunteer.id,
        reasons=[
            StatusReasonView(on=change.on, status=change.status, reason=seal.text(change, "reason") or "")
            for change in reasons
        ],
        **_in_clear(volunteer, seal),
    )


def _common(volunteer: Volunteer) -> dict[str, Any]:
    return {
        "id": volunteer.id,
        "version": volunteer.version,
        "number": volunteer.number,
        "status": volunteer.status,
        "centre_id": volunteer.centre_id,
        "region": volunteer.region,
        "directions": volunteer.directions,
        "applied_on": volunteer.applied_on,
        "status_on": volunteer.status_on,
        "registered_at": volunteer.registered_at,
    }


def _in_clear(volunteer: Volunteer, seal: Seal) -> dict[str, Any]:
    return {
        "full_name": volunteer.full_name,
        "born_on": date.fromisoformat(seal.text(volunteer, "born_on") or ""),
        **{name: seal.text(volunteer, name) for name in ("iin", "phone", "email", *_ALSO_SEALED)},
    }
