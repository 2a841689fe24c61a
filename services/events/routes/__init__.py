"""HTTP in, command or query out. Nothing is decided here."""

from services.events.routes import exports, happenings, headcounts, reference, shifts, sign_ups
from services.events.tables import Base
from shared.journal import doors

ROUTERS = [
    sign_ups.router,
    happenings.router,
    shifts.router,
    headcounts.router,
    reference.router,
    exports.router,
    doors.router("events", Base.metadata),
]

__all__ = ["ROUTERS"]
