"""The time, asked for once at the edge and handed inwards; and the civil day it belongs to."""

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends

CIVIL_ZONE = ZoneInfo("Asia/Almaty")
"""Of the pinned `tzdata`. Never a fixed offset: Almaty was UTC+6 until 2024-03-01."""


def now() -> datetime:
    return datetime.now(UTC)


def civil_day(instant: datetime) -> date:
    """The day on the wall calendar in Almaty at an aware instant."""
    return instant.astimezone(CIVIL_ZONE).date()


async def _now() -> datetime:
    # `async`, or FastAPI asks a thread for the time.
    return now()


Now = Annotated[datetime, Depends(_now)]
