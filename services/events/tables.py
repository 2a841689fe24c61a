"""What the events service remembers. Nobody else reads these tables."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, MetaData, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import DateTime, Field

from services.events import domain
from shared.errors import Stale
from shared.ids import new_id
from shared.journal import remember_journal
from shared.messaging.tables import remember_messages
from shared.reach import EVERYTHING, STAFF, is_own, open_to_all, part_reached, scoped
from shared.refused_as import refused_as
from shared.rows import TableRow

_INSTANT: Any = DateTime(timezone=True)

_PLANNED = part_reached("centre_id", "direction")
_OF_PLANNED = f"EXISTS (SELECT FROM event WHERE event.id = event_id AND ({_PLANNED}))"
"""Of what belongs to an event: those reach it who plan the event."""
_MEMBERS = "centre_id = (SELECT known.centre_id FROM knownvolunteer AS known WHERE known.id = (SELECT own_volunteer()))"
_SHOWN = f"status <> 'draft' AND (public OR {_MEMBERS})"
"""Drafts are for those who plan them, internal events for the volunteers of the centre as well."""
_TOLD = open_to_all("what other services have told, without personal data")


class Base(TableRow):
    """Its own metadata: SQLModel's global one would let the services' tables collide in one test process."""

    metadata = MetaData()


remember_messages(Base.metadata)
remember_journal(Base.metadata)


class KnownCentre(Base, table=True):
    """A centre, as far as the volunteers service has told."""

    __table_args__ = ({"info": _TOLD},)

    id: UUID = Field(primary_key=True)
    region: str
    closed_on: date | None = None
    # Not told by anyone, so never overwritten: what this centre wants its volunteers to have between two shifts.
    changeover_minutes: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class KnownVolunteer(Base, table=True):
    """A volunteer, as far as the volunteers service has told. Locked while they sign up: one shift at a time."""

    # Staff sign up whoever they have the id of; a volunteer knows of nobody else.
    __table_args__ = ({"info": scoped(f"{STAFF} OR {is_own('id')}", written=EVERYTHING)},)

    id: UUID = Field(primary_key=True)
    centre_id: UUID | None = None
    status: str
    born_in: str
    consent: bool


class KnownCampaign(Base, table=True):
    """A campaign, as far as the charity service has told."""

    __table_args__ = ({"info": _TOLD},)

    id: UUID = Field(primary_key=True)
    status: str


class Event(Base, table=True):
    """A happening that people attend."""

    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="event_time"),
        CheckConstraint("status IN ('draft', 'published', 'held', 'cancelled')", name="event_status"),
        CheckConstraint("(status = 'cancelled') = (cancelled_because IS NOT NULL)", name="event_reason"),
        Index("event_by_start", "starts_at", "id"),
        Index("event_by_centre", "centre_id", "starts_at", "id"),
        {"info": scoped(f"{_SHOWN} OR {_PLANNED}", written=_PLANNED, shows=True)},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    status: str
    centre_id: UUID
    region: str
    format: str
    direction: str | None = None
    campaign_id: UUID | None = None
    title: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    venue: str | None = None
    starts_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    public: bool = True
    cancelled_because: str | None = Field(default=None, sa_column=Column(Text))
    result: str | None = Field(default=None, sa_column=Column(Text))
    changed_by: str
    changed_at: datetime = Field(sa_type=_INSTANT)


class Shift(Base, table=True):
    """A part of an event for which helpers are wanted.

    `version` counts changes of the row, its counter of places included; of a shift only its opening is announced.
    """

    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="shift_time"),
        CheckConstraint("needed >= 0", name="shift_needed"),
        CheckConstraint("hazard IN ('none', 'heavy', 'disaster_relief')", name="shift_hazard"),
        CheckConstraint(
            "taken >= 0 AND (needed IS NULL OR taken <= needed)",
            name="shift_places",
            info=refused_as(domain.ShiftFull),
        ),
        Index("shift_by_event", "event_id", "starts_at", "id"),
        {
            "info": scoped(
                "EXISTS (SELECT FROM event WHERE event.id = event_id)",
                written=_OF_PLANNED,
                # A volunteer who signs up takes a place; a trigger sees to it that they change nothing else.
                changed=f"{_OF_PLANNED} OR (SELECT own_volunteer()) IS NOT NULL",
                shows=True,
            )
        },
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    event_id: UUID = Field(foreign_key="event.id")
    role: str
    needed: int | None = None
    minimum_age: int | None = None
    hazard: str = "none"
    starts_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    taken: int = 0
    # Told by the event's cancellation, which locks the shift: a sign-up that waited for the lock would still see the
    # event as it was before.
    called_off: bool = False
    opened_by: str
    opened_at: datetime = Field(sa_type=_INSTANT)


class SignUp(Base, table=True):
    """A volunteer's place in a shift, given back or not, and whether they came.

    Time, event and centre are the shift's, repeated here so that one index answers when somebody is busy.
    """

    __table_args__ = (
        Index(
            "signup_of_volunteer",
            "volunteer_id",
            "shift_id",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
            info=refused_as(domain.AlreadySignedUp),
        ),
        Index("signup_busy", "volunteer_id", "ends_at", postgresql_where=text("withdrawn_at IS NULL")),
        Index("signup_by_shift", "shift_id", "id"),
        Index("signup_by_event", "event_id", "id"),
        Index("signup_by_volunteer", "volunteer_id", "id"),
        CheckConstraint("attendance IN ('present', 'absent', 'excused')", name="signup_attendance"),
        CheckConstraint("withdrawn_at IS NULL OR attendance IS NULL", name="signup_state"),
        {
            "info": scoped(
                f"{_OF_PLANNED} OR {is_own('volunteer_id')}",
                # Who came is for others to say.
                written=f"{_OF_PLANNED} OR {is_own('volunteer_id')} AND attendance IS NULL",
            )
        },
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    shift_id: UUID = Field(foreign_key="shift.id")
    event_id: UUID = Field(foreign_key="event.id")
    centre_id: UUID
    region: str
    volunteer_id: UUID
    starts_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    confirmed_by: str
    confirmed_at: datetime = Field(sa_type=_INSTANT)
    withdrawn_by: str | None = None
    withdrawn_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    attendance: str | None = None
    attendance_by: str | None = None
    attendance_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Headcount(Base, table=True):
    """How many helped or came to an event without registration. The one with the highest number counts."""

    __table_args__ = (
        UniqueConstraint("event_id", "number", name="headcount_number", info=refused_as(Stale)),
        CheckConstraint("helpers >= 0 AND guests >= 0", name="headcount_counts"),
        {"info": scoped(_OF_PLANNED, written=_OF_PLANNED)},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    event_id: UUID = Field(foreign_key="event.id")
    number: int
    helpers: int
    guests: int
    helpers_before: int
    guests_before: int
    counted_by: str
    taken_by: str
    taken_at: datetime = Field(sa_type=_INSTANT)
