"""The year 2021 as a volunteer centre lives it: seasons, weekdays, hours in Almaty."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from deploy.demo.network.dice import Weighted

ALMATY = ZoneInfo("Asia/Almaty")
FIRST = date(2021, 1, 1)
LAST = date(2021, 12, 31)

# Nauryz, May holidays, the lull of July, school in August, New Year: twelve weights each.
SEASON_OF_EVENTS = (0.75, 0.85, 1.35, 1.15, 1.2, 1.05, 0.65, 0.85, 1.1, 1.15, 0.95, 1.2)
SEASON_OF_GIVING = (0.7, 0.7, 1.1, 1.35, 1.2, 0.8, 0.9, 1.6, 1.0, 0.85, 0.9, 1.5)
SEASON_OF_AID = (0.7, 0.75, 1.05, 1.3, 1.15, 0.8, 0.85, 1.75, 1.0, 0.85, 0.9, 1.4)
SEASON_OF_JOINING = (0.7, 0.9, 1.3, 1.2, 0.9, 0.7, 0.5, 0.7, 1.7, 1.5, 1.0, 0.7)

EVENT_WEEK = (0.8, 0.9, 1.0, 1.0, 1.2, 1.9, 1.1)
OFFICE_WEEK = (1.1, 1.1, 1.1, 1.1, 1.2, 0.45, 0.2)

# Days on which the whole network is out at once, and days on which nobody is.
_PEAKS = {(3, 20): 2.0, (3, 21): 2.6, (3, 22): 2.2, (5, 1): 2.6, (6, 1): 2.2, (9, 1): 1.6, (12, 5): 2.0, (12, 16): 1.6}
_REST = {(1, 1): 0.05, (1, 2): 0.15, (1, 7): 0.3, (12, 31): 0.5}


def all_days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def calendar(season: Sequence[float], week: Sequence[float], first: date = FIRST, last: date = LAST) -> Weighted[date]:
    """Days from first to last, each as likely as its month, its weekday and its feasts make it."""
    return Weighted(
        (
            day,
            season[day.month - 1]
            * week[day.weekday()]
            * _PEAKS.get((day.month, day.day), 1.0)
            * _REST.get((day.month, day.day), 1.0),
        )
        for day in all_days(first, last)
    )


def instant(day: date, hour: int, minute: int = 0) -> str:
    """RFC 3339 with the offset that Almaty had on that day (it changed on 2024-03-01)."""
    return datetime.combine(day, time(hour, minute), ALMATY).isoformat()
