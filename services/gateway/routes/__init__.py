"""The gateway's own doors: figures, messages, documents and pages. All else is forwarded (`proxy.py`)."""

from services.gateway.routes import documents, figures, messages, pages

ROUTERS = [figures.router, messages.router, documents.router, pages.router]

__all__ = ["ROUTERS"]
