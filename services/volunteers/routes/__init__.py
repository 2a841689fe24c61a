"""HTTP in, command or query out. Nothing is decided here."""

from services.volunteers.routes import assignments, centres, declarations, hours, reference, volunteers

ROUTERS = [
    volunteers.router,
    centres.router,
    assignments.router,
    declarations.router,
    hours.router,
    reference.router,
]

__all__ = ["ROUTERS"]
