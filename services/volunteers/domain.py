"""What volunteering requires, in plain functions: no database, no HTTP, no clock."""

from datetime import date

from shared.errors import Conflict, Gone, NotFound, RuleBroken

GUARDIAN_NEEDED_UNDER_YEARS = 16
"""Volunteering law 42-VI says 14 in article 12; a committee of the ministry said 16 in 2025. The stricter one."""
OLDEST_YEARS = 120

REGISTERED = frozenset({"approved", "active"})
"""«Ресми тіркелген»: who counts as officially registered."""

TRANSITIONS: dict[str, tuple[frozenset[str], str]] = {
    "approve": (frozenset({"applied"}), "approved"),
    "reject": (frozenset({"applied"}), "rejected"),
    "activate": (frozenset({"approved"}), "active"),
    "pause": (frozenset({"approved", "active"}), "paused"),
    "resume": (frozenset({"paused"}), "active"),
    "leave": (frozenset({"applied", "approved", "active", "paused"}), "left"),
}
"""What a volunteer's status may become: from which, to which."""


ERASED = "erased"
"""The status of who is known by an id only. No action leads there or back."""


class CentreNotFound(NotFound):
    """There is no such centre."""


class CentreUnknown(Conflict):
    """The centre is not known here; register it first."""


class CentreIsClosed(Conflict):
    """The centre has ended its work."""


class RegionUnknown(RuleBroken):
    """There is no such region; see /v1/regions."""


class RegionNotYetFormed(RuleBroken):
    """The region did not exist yet on that day."""


class DirectionUnknown(RuleBroken):
    """There is no such direction of work; see /v1/directions."""


class AssignmentNotFound(NotFound):
    """There is no such assignment."""


class AssignmentHasEnded(Conflict):
    """The assignment is over already."""


class EndsBeforeItBegins(RuleBroken):
    """It cannot end before it began."""


class VolunteerNotFound(NotFound):
    """There is no such volunteer."""


class HeadingsNotRecognised(RuleBroken):
    """None of the first ten rows names the columns of volunteers; take the headings of the template."""


class FormulaInCell(RuleBroken):
    """The cell holds a formula; put its value there."""


class LettersLost(RuleBroken):
    """Letters of the name were lost when the file was saved; save it as XLSX or as CSV in UTF-8."""


class VolunteerIsErased(Gone):
    """This person's data was erased. What they did still counts."""


class AlreadyRegistered(Conflict):
    """Someone with this IIN, phone or email is registered already; your centre can find the profile."""


class GuardianConsentMissing(RuleBroken):
    """A parent or guardian must give the consent for someone of this age."""


class ConsentInTheFuture(RuleBroken):
    """The consent cannot be given after the application."""


class BornInTheFuture(RuleBroken):
    """The birth day lies after the application, or too far back."""


class StatusDoesNotAllow(Conflict):
    """The volunteer's status does not allow this."""


class DecidedBeforeApplied(RuleBroken):
    """A decision cannot be older than what it follows."""


class DeclarationOutOfOrder(Conflict):
    """The centre has declared a newer estimate already."""


def full_years(born_on: date, day: date) -> int:
    """Completed years on a civil day."""
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


def require_plausible_birth_day(born_on: date, *, day: date) -> None:
    if not 0 <= full_years(born_on, day) <= OLDEST_YEARS or born_on > day:
        raise BornInTheFuture(pointer="/born_on")


def require_consent(*, born_on: date, given_on: date, by: str, day: date) -> None:
    """A consent stands behind every profile; for the young it is a parent's or guardian's.

    Raises:
        ConsentInTheFuture, GuardianConsentMissing
    """
    if given_on > day:
        raise ConsentInTheFuture(pointer="/consent/given_on")
    if full_years(born_on, day) < GUARDIAN_NEEDED_UNDER_YEARS and by == "self":
        raise GuardianConsentMissing(pointer="/consent/by")


def next_status(action: str, *, now: str) -> str:
    """What an action makes of a status.

    Raises:
        StatusDoesNotAllow: not from this one.
    """
    allowed, after = TRANSITIONS[action]
    if now not in allowed:
        raise StatusDoesNotAllow(
            "The volunteer is {status}; this needs {needed}.", status=now, needed=" or ".join(sorted(allowed))
        )
    return after


def require_in_order(day: date, *, after: date) -> None:
    if day < after:
        raise DecidedBeforeApplied(pointer="/decided_on")


def earned_minutes(attendance: str | None, shift_minutes: int) -> int:
    """Only presence earns time; absent and excused earn none."""
    return shift_minutes if attendance == "present" else 0
