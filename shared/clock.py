"""The time, asked for once at the edge and handed inwards; and the civil day it belongs to.

It is the database's, learnt when that is opened and now and then after that, and carried on by counting seconds: a
machine that is wrong about the time would otherwise sign tokens that nobody takes, and end sessions early.
"""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends

CIVIL_ZONE = ZoneInfo("Asia/Almaty")
"""Of the pinned `tzdata`. Never a fixed offset: Almaty was UTC+6 until 2024-03-01."""


_known, _known_at_s = datetime.now(UTC), time.monotonic()


def now() -> datetime:
    return _known + timedelta(seconds=time.monotonic() - _known_at_s)


def follow(instant: datetime) -> float:
    """Take this aware instant for now; returns by how many seconds that is later than what was taken for it."""
    global _known, _known_at_s  # there is one time
    behind_s = (instant - now()).total_seconds()
    _known, _known_at_s = instant, time.monotonic()
    return behind_s


def civil_day(instant: datetime) -> date:
    """The day on the wall calendar in Almaty at an aware instant."""
    return instant.astimezone(CIVIL_ZONE).date()


async def _now() -> datetime:
    # `async`, or FastAPI asks a thread for the time.
    return now()


Now = Annotated[datetime, Depends(_now)]
