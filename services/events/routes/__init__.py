"""HTTP in, command or query out. Nothing is decided here."""

from services.events.routes import happenings, headcounts, reference, shifts, sign_ups

ROUTERS = [sign_ups.router, happenings.router, shifts.router, headcounts.router, reference.router]

__all__ = ["ROUTERS"]
