"""What the gateway answers by itself."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Names = dict[str, str]


class AskedTopic(BaseModel):
    """What an address asks for: a scope, and a period of civil days. Read by `Topic.parse`, which refuses."""

    scope: str = Field("kz", description="`kz`, a region such as `KZ-75`, `centre:<id>` or `campaign:<id>`.")
    start: str | None = Field(
        None, alias="from", description="First civil day; open when absent.", json_schema_extra={"format": "date"}
    )
    end: str | None = Field(
        None, alias="to", description="Last civil day; open when absent.", json_schema_extra={"format": "date"}
    )


class AskedStream(AskedTopic):
    """The same, and what the caller has already."""

    last: str | None = Field(None, description="Id of the last event you have, where `Last-Event-ID` cannot be sent.")


class ScopeView(BaseModel):
    """What the figures are about, and what that lies in."""

    code: str
    kind: str
    name: Names
    path: list[dict[str, Any]]


class PeriodView(BaseModel):
    """Civil days in Almaty, both included; null is open."""

    model_config = ConfigDict(populate_by_name=True)

    start: date | None = Field(alias="from")
    end: date | None = Field(alias="to")


class FiguresView(BaseModel):
    """Stocks as at the end of the period, flows and distinct counts within it. Amounts in tiyn, time in minutes."""

    volunteers_registered: int
    volunteers_declared: int = Field(description="Estimates of centres; never added to the registered.")
    volunteer_centres: int
    friendship_houses: int
    organisations: int
    coordinators: int
    events_held: int
    events_coming: int
    sign_ups: int
    attendances: int
    hours_minutes: int
    helpers: int
    guests: int
    donations: int
    money_received_minor: int
    money_refunded_minor: int
    money_net_minor: int
    money_disbursed_minor: int
    money_on_hand_minor: int
    goods_value_minor: int
    deliveries: int
    families_helped: int | None = Field(description="Distinct; null where withheld, see `hidden`.")
    people_helped: int | None = Field(description="Distinct; null where withheld, see `hidden`.")


class PartView(BaseModel):
    """The figures of a part of the scope."""

    volunteers_registered: int
    events_held: int
    money_net_minor: int
    deliveries: int
    families_helped: int | None
    people_helped: int | None
    hidden: list[str]


class RegionView(PartView):
    """A region's figures, beside those of the others."""

    code: str


class CentreView(PartView):
    """A centre's figures, beside those of the region's others."""

    id: UUID
    kind: str
    region: str
    name: Names


class CampaignView(BaseModel):
    """A campaign's money and whom it helped."""

    id: UUID
    title: Names
    status: str
    goal_minor: int | None
    received_minor: int = Field(description="Net of refunds.")
    disbursed_minor: int
    families_helped: int | None
    deliveries: int
    hidden: list[str]


class SeriesView(BaseModel):
    """Days on which something happened, ascending, and what; other days are zero."""

    days: list[date]
    volunteers_registered: list[int] = Field(description="Changes, not levels.")
    events_held: list[int]
    hours_minutes: list[int]
    money_net_minor: list[int]
    money_disbursed_minor: list[int]
    deliveries: list[int]


class TickView(BaseModel):
    """Something that just happened."""

    id: UUID
    type: str
    at: datetime
    on: date
    region: str | None
    centre_id: UUID | None
    amount_minor: int | None = None
    number: int | None = None


class DashboardState(BaseModel):
    """The whole state of a scope in a period."""

    revision: int = Field(description="Grows with every message; drop a state with a lower one.")
    as_of: datetime | None = Field(description="When the newest message in it was recorded.")
    scope: ScopeView
    period: PeriodView
    today: date
    figures: FiguresView
    hidden: list[str] = Field(description="Figures withheld because they are 1 to 4 in a scope below the country.")
    regions: list[RegionView]
    centres: list[CentreView]
    campaigns: list[CampaignView]
    series: SeriesView
    ticker: list[TickView]


class MessagePage(BaseModel):
    """Messages (CloudEvents 1.0) in the order of application, and where they go on."""

    items: list[dict[str, Any]]
    next: str | None = Field(None, description="Address of what follows; absent when this is all so far.")
