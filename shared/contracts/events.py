"""Published by the events service: happenings, their shifts, who signed up and who came. Never a name."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from shared.contracts.envelope import DomainEvent


class EventFact(DomainEvent):
    """Something about an event: how it stands after the change."""

    about: ClassVar[str] = "event_id"

    event_id: UUID
    was: str | None = None
    """The status before; None when the event is new."""
    status: str
    """`draft`, `published`, `held` or `cancelled`. Held counts; planned does not."""
    format: str
    """`charity_action`, `family_visit`, … : an open list, see /v1/formats."""
    direction: str | None = None
    campaign_id: UUID | None = None
    title: dict[str, str]
    """In `kk`, `ru`, `en`."""
    public: bool
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    on: date
    """The civil day on which the event begins."""


class EventDrafted(EventFact):
    """An event is being planned; only staff see it."""

    type: ClassVar[str] = "events.event.drafted.v1"


class EventPublished(EventFact):
    """An event is announced: people may sign up for its shifts. `was` is None if it was never a draft."""

    type: ClassVar[str] = "events.event.published.v1"


class EventChanged(EventFact):
    """An event's words, time or campaign are other ones now; its status is the same."""

    type: ClassVar[str] = "events.event.changed.v1"

    was_on: date
    """The civil day on which it was to begin before."""
    was_campaign_id: UUID | None = None
    """The campaign that it belonged to before."""


class EventHeld(EventFact):
    """An event took place."""

    type: ClassVar[str] = "events.event.held.v1"


class EventCancelled(EventFact):
    """An event will not take place."""

    type: ClassVar[str] = "events.event.cancelled.v1"

    reason: str


class ShiftOpened(DomainEvent):
    """Helpers are wanted for a part of an event."""

    type: ClassVar[str] = "events.shift.opened.v1"
    about: ClassVar[str] = "shift_id"

    shift_id: UUID
    event_id: UUID
    role: str
    needed: int | None = None
    """How many; 0 means none, None as many as like to."""
    minimum_age: int | None = None
    """In years, on the civil day on which the shift begins."""
    hazard: str = "none"
    """`none`, `heavy` or `disaster_relief`: the latter two are closed to minors."""
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class SignUpFact(DomainEvent):
    """Something about a volunteer's place in a shift."""

    about: ClassVar[str] = "signup_id"

    signup_id: UUID
    shift_id: UUID
    event_id: UUID
    volunteer_id: UUID
    on: date
    """The civil day on which the shift begins."""


class SignUpConfirmed(SignUpFact):
    """A volunteer has a place in a shift."""

    type: ClassVar[str] = "events.signup.confirmed.v1"


class SignUpWithdrawn(SignUpFact):
    """A volunteer has given the place back."""

    type: ClassVar[str] = "events.signup.withdrawn.v1"


class AttendanceRecorded(SignUpFact):
    """Whether a volunteer came to a shift, or a correction of that."""

    type: ClassVar[str] = "events.signup.attendance_recorded.v1"

    direction: str | None = None
    attendance: str
    """`present`, `absent` or `excused`."""
    was: str | None = None
    """What was recorded before; None the first time."""
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    minutes: int
    """The length of the shift, whoever came."""


class HeadcountTaken(DomainEvent):
    """How many helped or came without registration. A later count of the same event replaces the one before."""

    type: ClassVar[str] = "events.headcount.taken.v1"
    about: ClassVar[str] = "headcount_id"

    headcount_id: UUID
    event_id: UUID
    helpers: int
    guests: int
    helpers_before: int = 0
    """What this count replaces; 0 for an event's first."""
    guests_before: int = 0
    on: date
    """The civil day on which the event begins."""
