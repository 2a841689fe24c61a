"""What meeting and helping require, in plain functions: no database, no HTTP, no clock."""

from datetime import datetime, timedelta
from typing import NamedTuple

from shared.errors import Conflict, NotFound, RuleBroken

ADULT_YEARS = 18
"""Law 42-VI, article 12: no heavy or hazardous work and no disaster relief under this age."""
EVENT_DAYS_MAX = 366
SHIFT_MARGIN = timedelta(days=1)
"""Setting up and clearing away may lie outside of the event, by so much."""
SERVING = frozenset({"approved", "active"})
"""The statuses in which a volunteer may take a shift."""
OPEN = frozenset({"published", "held"})
"""The statuses in which an event takes sign-ups: papers of one that was held are entered afterwards."""

TRANSITIONS: dict[str, tuple[frozenset[str], str]] = {
    "publish": (frozenset({"draft"}), "published"),
    "hold": (frozenset({"published"}), "held"),
    "cancel": (frozenset({"draft", "published"}), "cancelled"),
}
"""What an event's status may become: from which, to which."""


class EventNotFound(NotFound):
    """There is no such event."""


class EventUnknown(Conflict):
    """The event is not known here; create it first."""


class ShiftNotFound(NotFound):
    """There is no such shift."""


class ShiftUnknown(Conflict):
    """The shift is not known here; open it first."""


class SignUpNotFound(NotFound):
    """There is no such sign-up."""


class HeadcountNotFound(NotFound):
    """There is no such headcount."""


class CentreUnknown(Conflict):
    """The centre is not known here (yet); register it first."""


class CentreIsClosed(Conflict):
    """The centre has ended its work by then."""


class CampaignUnknown(Conflict):
    """The campaign is not known here (yet); create it first."""


class VolunteerUnknown(Conflict):
    """The volunteer is not known here (yet); register them first."""


class FormatUnknown(RuleBroken):
    """There is no such format of events; see /v1/formats."""


class EndsBeforeItBegins(RuleBroken):
    """It must end after it begins."""


class EventTooLong(RuleBroken):
    """An event lasts a year at the most."""


class StatusDoesNotAllow(Conflict):
    """The event's status does not allow this."""


class FutureEvent(Conflict):
    """The event has not begun yet."""


class EventIsCounted(Conflict):
    """Those who came were counted already, so the event stays on its day."""


class ShiftOutsideEvent(RuleBroken):
    """A shift lies within its event's time, give or take a day."""


class EventNotOpen(Conflict):
    """The event is neither published nor held, so nobody can sign up."""


class ShiftIsOver(Conflict):
    """The shift is over; staff can still enter who was there."""


class ShiftFull(Conflict):
    """All places of the shift are taken."""


class ShiftsOverlap(Conflict):
    """The volunteer has signed up for another shift at that time."""


class VolunteerNotActive(Conflict):
    """The volunteer has not been approved, pauses or has left."""


class ConsentMissing(Conflict):
    """There is no valid consent of the volunteer to the keeping of their data."""


class VolunteerTooYoung(RuleBroken):
    """The volunteer will be too young for this shift on its day."""


class HazardForMinors(RuleBroken):
    """Heavy or hazardous work and disaster relief are closed to minors (law 42-VI, article 12)."""


class AlreadySignedUp(Conflict):
    """The volunteer has a place in this shift already."""


class SignUpIsWithdrawn(Conflict):
    """The sign-up was withdrawn."""


class AttendanceIsRecorded(Conflict):
    """Whether the volunteer came is recorded already, so the place cannot be given back."""


class ShiftNotStarted(Conflict):
    """The shift has not started yet."""


class Span(NamedTuple):
    """A time from an instant up to, but not including, another."""

    starts_at: datetime
    ends_at: datetime

    @property
    def minutes(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds()) // 60

    def overlaps(self, other: "Span", *, changeover: timedelta = timedelta(0)) -> bool:
        """Whether one person cannot do both: 10–12 and 12–14 do not clash, unless changing over takes time."""
        return self.starts_at < other.ends_at + changeover and other.starts_at < self.ends_at + changeover

    def contains(self, other: "Span", *, margin: timedelta) -> bool:
        return self.starts_at - margin <= other.starts_at and other.ends_at <= self.ends_at + margin


def require_order(span: Span) -> None:
    if span.ends_at <= span.starts_at:
        raise EndsBeforeItBegins(pointer="/ends_at")


def require_event_time(span: Span) -> None:
    """Raises: EndsBeforeItBegins, EventTooLong."""
    require_order(span)
    if span.ends_at - span.starts_at > timedelta(days=EVENT_DAYS_MAX):
        raise EventTooLong(pointer="/ends_at")


def require_shift_time(shift: Span, *, event: Span) -> None:
    """Raises: EndsBeforeItBegins, ShiftOutsideEvent."""
    require_order(shift)
    if not event.contains(shift, margin=SHIFT_MARGIN):
        raise ShiftOutsideEvent(pointer="/starts_at")


def next_status(action: str, *, now: str) -> str:
    """What an action makes of an event's status.

    Raises:
        StatusDoesNotAllow: not from this one.
    """
    allowed, after = TRANSITIONS[action]
    require_status(now, allowed)
    return after


def require_status(status: str, allowed: frozenset[str]) -> None:
    if status not in allowed:
        raise StatusDoesNotAllow(
            "The event is {status}; this needs {needed}.", status=status, needed=" or ".join(sorted(allowed))
        )


def require_begun(starts_at: datetime, *, now: datetime) -> None:
    if now < starts_at:
        raise FutureEvent


def require_open(status: str) -> None:
    if status not in OPEN:
        raise EventNotOpen("The event is {status}.", status=status)


def require_fit(*, status: str, consent: bool, age_years: int, minimum_age: int | None, hazard: str) -> None:
    """Whether a volunteer, so old on the civil day on which a shift begins, may take it.

    Raises:
        VolunteerNotActive, ConsentMissing, HazardForMinors, VolunteerTooYoung
    """
    if status not in SERVING:
        raise VolunteerNotActive("The volunteer is {status}.", status=status, pointer="/volunteer_id")
    if not consent:
        raise ConsentMissing(pointer="/volunteer_id")
    if hazard != "none" and age_years < ADULT_YEARS:
        raise HazardForMinors(pointer="/volunteer_id")
    if minimum_age is not None and age_years < minimum_age:
        raise VolunteerTooYoung("The shift is open from {years} years.", years=minimum_age, pointer="/volunteer_id")


def require_place(*, needed: int | None, taken: int) -> None:
    """`needed`: 0 is none, None as many as like to."""
    if needed is not None and taken >= needed:
        raise ShiftFull(pointer="/shift_id")
