"""What the dashboard counts, in plain functions: scopes, periods, which figure a fact changes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from shared.errors import NotFound, RuleBroken

COUNTRY = "kz"
SMALL_CELL = 5
"""Public figures hide counts of helped people below this in scopes smaller than the country."""
BEGINNING = date(1900, 1, 1)

STOCKS = (
    "volunteers_registered",
    "volunteers_declared",
    "volunteer_centres",
    "friendship_houses",
    "organisations",
    "coordinators",
)
"""Figures that stand at some level at the end of a period: kept as changes per day, summed from the beginning."""
FLOWS = (
    "events_held",
    "events_planned",
    "sign_ups",
    "attendances",
    "hours_minutes",
    "helpers",
    "guests",
    "donations",
    "money_received_minor",
    "money_refunded_minor",
    "money_disbursed_minor",
    "goods_value_minor",
    "deliveries",
)
"""Figures that happen within a period."""

CENTRE_FIGURES = {"volunteer_centre": "volunteer_centres", "friendship_house": "friendship_houses"}
"""Which figure a kind of centre counts for; the others are `organisations`."""


class ScopeUnknown(NotFound):
    """There is no such scope: use kz, a region's code, centre:<id> or campaign:<id>."""


class PeriodBackwards(RuleBroken):
    """The period must not end before it begins."""


class DayUnreadable(RuleBroken):
    """A day is written like 2026-11-22."""


class MessageUnknown(NotFound):
    """No message with that id is kept here; begin without `after`."""


_REGION = re.compile(r"KZ-[0-9]{2}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Scope:
    """What a figure is about."""

    code: str
    kind: Literal["country", "region", "centre", "campaign"]

    @classmethod
    def parse(cls, code: str) -> "Scope":
        """Raises: ScopeUnknown."""
        if code == COUNTRY:
            return cls(code, "country")
        if _REGION.fullmatch(code):
            return cls(code, "region")
        kind, _, identity = code.partition(":")
        if kind in ("centre", "campaign"):
            try:
                return cls(f"{kind}:{UUID(identity)}", kind)
            except ValueError:
                pass
        raise ScopeUnknown

    @property
    def id(self) -> UUID:
        return UUID(self.code.partition(":")[2])


@dataclass(frozen=True)
class Period:
    """Civil days, both included; None is open: since the beginning, or without an end."""

    start: date | None = None
    end: date | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end < self.start:
            raise PeriodBackwards(pointer="/to")

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> "Period":
        """From the words of an address; empty is open.

        Raises:
            DayUnreadable, PeriodBackwards
        """
        return cls(_day(start, "/from"), _day(end, "/to"))

    def stands_at(self, *, today: date) -> date:
        """The day at whose end stocks are counted: of a period with an open end, today."""
        return self.end or today


def _day(text: str | None, pointer: str) -> date | None:
    if not text:
        return None
    try:
        # `fromisoformat` alone takes other forms as well, such as 20261122.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise DayUnreadable(pointer=pointer) from None


def scopes_of(region: str | None, centre_id: UUID | None, campaign_id: UUID | None) -> list[str]:
    """The scopes that a fact counts in; the last is the campaign within the region, for the region's own list."""
    scopes = [COUNTRY]
    if region is not None:
        scopes.append(region)
    if centre_id is not None:
        scopes.append(f"centre:{centre_id}")
    if campaign_id is not None:
        scopes.append(f"campaign:{campaign_id}")
        if region is not None:
            scopes.append(within(region, campaign_id))
    return scopes


def within(region: str, campaign_id: UUID) -> str:
    return f"{region}/campaign:{campaign_id}"


Span = tuple[Literal["day", "month", "year", "all"], date]
"""A standard stretch of time and its first day."""


def spans_of(day: date) -> list[Span]:
    """The stretches that a day lies in."""
    return [("day", day), ("month", day.replace(day=1)), ("year", date(day.year, 1, 1)), ("all", BEGINNING)]


def cover(period: Period, *, today: date) -> list[Span]:
    """The fewest standard stretches that make up a period exactly: whole years, else whole months, else days.

    An open end is `today`: nothing that is counted as distinct lies in the future.
    """
    if period.start is None and (period.end is None or period.end >= today):
        return [("all", BEGINNING)]
    start = period.start or BEGINNING
    end = min(period.end or today, today)
    spans: list[Span] = []
    while start <= end:
        year_end = date(start.year, 12, 31)
        month_end = (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        if (start.month, start.day) == (1, 1) and year_end <= end:
            spans.append(("year", start))
            start = year_end
        elif start.day == 1 and month_end <= end:
            spans.append(("month", start))
            start = month_end
        else:
            spans.append(("day", start))
        start += timedelta(days=1)
    return spans


def is_registered(status: str | None) -> bool:
    """Officially registered are the approved and the active."""
    return status in ("approved", "active")


def unless_small(number: int) -> int | None:
    """A number of people, unless it is so small that it might point at a family."""
    return number if number >= SMALL_CELL else None


def hidden(figures: dict[str, int | None], names: Iterable[str]) -> list[str]:
    """The figures of these that are too small to be shown, since they might point at a family."""
    return [name for name in names if 0 < (figures[name] or 0) < SMALL_CELL]
