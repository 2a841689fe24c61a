"""The gateway's own doors: figures, messages, documents and pages. All else is forwarded (`proxy.py`)."""

from services.gateway.routes import documents, figures, messages, pages
from services.gateway.tables import Base
from shared.journal import doors

ROUTERS = [figures.router, messages.router, documents.router, pages.router, doors.router("gateway", Base.metadata)]

__all__ = ["ROUTERS"]
