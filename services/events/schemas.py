"""Request forms and views. A form is also the command's argument."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.forms import Code, Flag, Form, Instant, LongText, OptionalId, Text, Trilingual, View, WholeNumber

EventStatus = Literal["draft", "published", "held", "cancelled"]
Hazard = Literal["none", "heavy", "disaster_relief"]
Attendance = Literal["present", "absent", "excused"]
Years = Annotated[int, Field(strict=True, ge=0, le=120)]


class PlanEvent(Form):
    """What an event is to be."""

    format: Code = Field(description="One of /v1/formats.")
    direction: Code | None = Field(default=None, description="A direction of work, see /v1/directions.")
    campaign_id: UUID | None = None
    title: Trilingual
    venue: Text | None = None
    starts_at: Instant
    ends_at: Instant
    public: Flag = Field(default=True, description="Whether anyone may see it, or members only.")


class CreateEvent(PlanEvent):
    """A new event."""

    id: OptionalId = None
    centre_id: UUID
    status: Literal["draft", "published"] = "draft"


class ChangeEvent(PlanEvent):
    """What an event is from now on. Its centre stays: figures of the past belong to it."""


class PublishEvent(Form):
    """An event is announced."""


class PublishEventRow(PublishEvent):
    """A draft to be announced."""

    event_id: UUID


class HoldEvent(Form):
    """An event took place."""

    result: LongText | None = Field(default=None, description="What came of it, in a few sentences.")


class HoldEventRow(HoldEvent):
    """An event that took place."""

    event_id: UUID


class CancelEvent(Form):
    """An event will not take place."""

    reason: LongText


class CancelEventRow(CancelEvent):
    """An event that will not take place."""

    event_id: UUID


class EventView(View):
    """An event."""

    id: UUID
    version: int
    status: str
    centre_id: UUID
    region: str
    format: str
    direction: str | None
    campaign_id: UUID | None
    title: dict[str, str]
    venue: str | None
    starts_at: datetime
    ends_at: datetime
    public: bool
    cancelled_because: str | None
    result: str | None


class OpenShift(Form):
    """Helpers wanted for a part of an event."""

    id: OptionalId = None
    event_id: UUID
    role: Text
    needed: WholeNumber | None = Field(default=None, description="0 means none; as many as like to when absent.")
    minimum_age: Years | None = Field(default=None, description="In years, on the day of the shift.")
    hazard: Hazard = Field(default="none", description="`heavy` and `disaster_relief` are closed to minors by law.")
    starts_at: Instant
    ends_at: Instant


class ShiftView(View):
    """A shift and how many of its places are taken."""

    id: UUID
    event_id: UUID
    role: str
    needed: int | None
    taken: int
    minimum_age: int | None
    hazard: str
    starts_at: datetime
    ends_at: datetime
    called_off: bool


class SignUpForShift(Form):
    """A volunteer takes a place in a shift."""

    id: OptionalId = None
    shift_id: UUID
    volunteer_id: UUID


class WithdrawSignUp(Form):
    """A volunteer gives the place back."""


class WithdrawSignUpRow(WithdrawSignUp):
    """A place given back."""

    signup_id: UUID


class RecordAttendance(Form):
    """Whether a volunteer came."""

    attendance: Attendance


class RecordAttendanceRow(RecordAttendance):
    """Whether one of several volunteers came."""

    signup_id: UUID


class SignUpView(View):
    """A place in a shift."""

    id: UUID
    version: int
    shift_id: UUID
    event_id: UUID
    centre_id: UUID
    region: str
    volunteer_id: UUID
    starts_at: datetime
    ends_at: datetime
    confirmed_at: datetime
    withdrawn_at: datetime | None
    attendance: str | None


class TakeHeadcount(Form):
    """How many helped or came without registration. A later count replaces the one before."""

    id: OptionalId = None
    event_id: UUID
    helpers: WholeNumber
    guests: WholeNumber
    counted_by: Text


class HeadcountView(View):
    """A headcount, and what it replaces."""

    id: UUID
    event_id: UUID
    number: int
    helpers: int
    guests: int
    helpers_before: int
    guests_before: int
    counted_by: str
    taken_at: datetime
