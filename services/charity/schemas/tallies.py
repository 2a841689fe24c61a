"""Views of tallies."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from shared.forms import View
from shared.money import MoneyView


class TallyScope(View):
    """What a tally is about; all of it absent is the whole country."""

    region: str | None
    centre_id: UUID | None
    campaign_id: UUID | None


class TallyPeriod(View):
    """Civil days, both included; absent is open."""

    start: date | None = Field(serialization_alias="from")
    end: date | None = Field(serialization_alias="to")


class TallyFigures(View):
    """Figures of a scope in a period. A figure that is withheld is absent and named in `hidden`."""

    money_received: MoneyView
    money_refunded: MoneyView
    money_net: MoneyView
    money_disbursed: MoneyView
    money_on_hand: MoneyView
    goods_value: MoneyView
    donations: int
    deliveries: int
    families_helped: int | None
    people_helped: int | None


class TallyView(View):
    """Figures, with their scope, their moment and what they mean."""

    scope: TallyScope
    period: TallyPeriod
    as_of: datetime
    figures: TallyFigures
    hidden: list[str] = Field(description="Withheld because they are 1 to 4 in a part of the country.")
    definitions: dict[str, dict[str, str]]
