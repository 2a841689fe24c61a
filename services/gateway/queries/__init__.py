"""Every question the gateway answers from its own database: figures and facts; `access` is who comes in."""

from services.gateway.queries.figures import (
    HELPED,
    REGION_FIGURES,
    SERIES,
    TICKS,
    Figures,
    Reader,
    figures,
    messages_after,
    position_of,
    public,
    revision,
    snapshot,
    state,
)

__all__ = [
    "HELPED",
    "REGION_FIGURES",
    "SERIES",
    "TICKS",
    "Figures",
    "Reader",
    "figures",
    "messages_after",
    "position_of",
    "public",
    "revision",
    "snapshot",
    "state",
]
