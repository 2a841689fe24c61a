"""The gateway's own doors: figures, messages, who comes in, documents and pages. All else is forwarded (`proxy.py`)."""

from services.gateway.routes import (
    access,
    access_pages,
    documents,
    elsewhere,
    exports,
    figures,
    keys,
    messages,
    own,
    pages,
)
from services.gateway.tables import Base
from shared.journal import doors

ROUTERS = [
    figures.router,
    messages.router,
    own.router,
    own.signing_in,
    elsewhere.router,
    access.router,
    exports.router,
    keys.router,
    documents.router,
    *access_pages.ROUTERS,
    pages.router,
    doors.router("gateway", Base.metadata),
]

__all__ = ["ROUTERS"]
