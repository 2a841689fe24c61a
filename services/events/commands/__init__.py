"""Every way to change what the events service knows. One function, one intention."""

from services.events.commands.happenings import cancel_event, change_event, create_event, hold_event, publish_event
from services.events.commands.headcounts import LatestCounts, take_headcount
from services.events.commands.knowledge import know_campaign, know_centre, know_volunteer
from services.events.commands.shifts import open_shift
from services.events.commands.sign_ups import (
    Roster,
    forget_volunteer,
    record_attendance,
    sign_up_for_shift,
    withdraw_sign_up,
)

__all__ = [
    "LatestCounts",
    "Roster",
    "cancel_event",
    "change_event",
    "create_event",
    "forget_volunteer",
    "hold_event",
    "know_campaign",
    "know_centre",
    "know_volunteer",
    "open_shift",
    "publish_event",
    "record_attendance",
    "sign_up_for_shift",
    "take_headcount",
    "withdraw_sign_up",
]
