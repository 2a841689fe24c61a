"""HTTP in, command or query out. Nothing is decided here."""

from services.volunteers.routes import (
    assignments,
    centres,
    declarations,
    exports,
    hours,
    imports,
    reference,
    volunteers,
)
from services.volunteers.tables import Base
from shared.journal import doors

ROUTERS = [
    # Before the volunteers: `imports` is none of their ids.
    imports.router,
    imports.templates,
    volunteers.router,
    centres.router,
    assignments.router,
    declarations.router,
    hours.router,
    reference.router,
    exports.router,
    doors.router("volunteers", Base.metadata),
]

__all__ = ["ROUTERS"]
