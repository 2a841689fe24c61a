"""Published by the volunteers service: centres, who coordinates, who offers time, and the hours they gave."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.envelope import DomainEvent


class CentreFact(DomainEvent):
    """Something about a centre. Its names are public."""

    about: ClassVar[str] = "centre_id"

    kind: str
    """`volunteer_centre`, `friendship_house`, … : an open list."""
    name: dict[str, str]
    """In `kk`, `ru`, `en`."""
    parent_id: UUID | None = None
    opened_on: date


class CentreOpened(CentreFact):
    """A centre has begun to work."""

    type: ClassVar[str] = "volunteers.centre.opened.v1"


class CentreChanged(CentreFact):
    """A centre's names, kind or parent are other ones now."""

    type: ClassVar[str] = "volunteers.centre.changed.v1"

    was_kind: str


class CentreClosed(CentreFact):
    """A centre has ended its work."""

    type: ClassVar[str] = "volunteers.centre.closed.v1"

    closed_on: date


class AssignmentFact(DomainEvent):
    """Something about a person's duty in a direction of a centre's work."""

    about: ClassVar[str] = "assignment_id"

    assignment_id: UUID
    person_id: UUID
    direction: str
    role: str
    """`leader` or `coordinator`."""


class AssignmentMade(AssignmentFact):
    """A person leads or coordinates a direction of a centre's work."""

    type: ClassVar[str] = "volunteers.assignment.made.v1"

    from_on: date


class AssignmentEnded(AssignmentFact):
    """An assignment is over."""

    type: ClassVar[str] = "volunteers.assignment.ended.v1"

    until_on: date


class VolunteerFact(DomainEvent):
    """Something about a volunteer, without a word on who it is."""

    about: ClassVar[str] = "volunteer_id"

    volunteer_id: UUID
    was: str | None = None
    status: str
    """`applied`, `approved`, `active`, `paused`, `left` or `rejected`; registered are the approved and the active."""
    directions: list[str] = Field(default_factory=list)
    born_in: str
    """Year and month of birth, `YYYY-MM`: the coarsest that decides an age rule to within a month."""
    consent: bool
    on: date
    """The civil day from which it counts."""


class VolunteerRegistered(VolunteerFact):
    """A person has offered their time."""

    type: ClassVar[str] = "volunteers.volunteer.registered.v1"


class VolunteerApproved(VolunteerFact):
    """A coordinator has accepted a volunteer: from now on officially registered."""

    type: ClassVar[str] = "volunteers.volunteer.approved.v1"


class VolunteerRejected(VolunteerFact):
    """A coordinator has not accepted an application."""

    type: ClassVar[str] = "volunteers.volunteer.rejected.v1"


class VolunteerActivated(VolunteerFact):
    """An approved volunteer has begun to help."""

    type: ClassVar[str] = "volunteers.volunteer.activated.v1"


class VolunteerPaused(VolunteerFact):
    """A volunteer takes a pause and does not count as registered meanwhile."""

    type: ClassVar[str] = "volunteers.volunteer.paused.v1"


class VolunteerResumed(VolunteerFact):
    """A volunteer is back from a pause."""

    type: ClassVar[str] = "volunteers.volunteer.resumed.v1"


class VolunteerLeft(VolunteerFact):
    """A volunteer has left."""

    type: ClassVar[str] = "volunteers.volunteer.left.v1"


class VolunteerErased(DomainEvent):
    """A volunteer's personal data is erased. What they did counts on, under an id that names nobody any more."""

    type: ClassVar[str] = "volunteers.volunteer.erased.v1"
    about: ClassVar[str] = "volunteer_id"

    volunteer_id: UUID
    was: str
    status: str
    """`erased`: not registered from this day on, like who has left."""
    on: date


class VolunteersDeclared(DomainEvent):
    """A centre has declared its estimate of helpers without registration. Never added to the registered."""

    type: ClassVar[str] = "volunteers.declaration.made.v1"
    about: ClassVar[str] = "declaration_id"

    declaration_id: UUID
    number: int
    before: int
    """The estimate of the same centre that this one replaces; 0 for its first."""
    on: date


class HoursRecorded(DomainEvent):
    """A volunteer has earned time, or an earlier entry is corrected."""

    type: ClassVar[str] = "volunteers.hours.recorded.v1"
    about: ClassVar[str] = "entry_id"

    entry_id: UUID
    volunteer_id: UUID
    direction: str | None = None
    minutes: int
    """Negative where it takes back."""
    signup_id: UUID | None = None
    corrects_id: UUID | None = None
    on: date
