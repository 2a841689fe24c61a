"""What the gateway is asked and answers by itself: figures and facts; `access` is who comes in."""

from services.gateway.schemas.figures import (
    AskedStream,
    AskedTopic,
    CampaignView,
    CentreView,
    DashboardState,
    FiguresView,
    MessagePage,
    Names,
    PartView,
    PeriodView,
    RegionView,
    ScopeView,
    SeriesView,
    TickView,
)

__all__ = [
    "AskedStream",
    "AskedTopic",
    "CampaignView",
    "CentreView",
    "DashboardState",
    "FiguresView",
    "MessagePage",
    "Names",
    "PartView",
    "PeriodView",
    "RegionView",
    "ScopeView",
    "SeriesView",
    "TickView",
]
