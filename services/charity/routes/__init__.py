"""HTTP in, command or query out. Nothing is decided here."""

from services.charity.routes import (
    campaigns,
    deliveries,
    disbursements,
    donations,
    exports,
    families,
    funds,
    reference,
    tallies,
)
from services.charity.tables import Base
from shared.journal import doors

ROUTERS = [
    # The hot ones first: each route is tried in turn.
    donations.router,
    deliveries.router,
    families.router,
    exports.router,
    disbursements.router,
    campaigns.router,
    funds.router,
    tallies.router,
    reference.router,
    doors.router("charity", Base.metadata),
]

__all__ = ["ROUTERS"]
