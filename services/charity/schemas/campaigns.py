"""Forms and views of campaigns."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from services.charity.schemas.days import Today
from shared.forms import Day, Form, LongText, OptionalId, PastDay, Text, Trilingual, View
from shared.money import MoneyView, PositiveMoney

CampaignStatus = Literal["draft", "open", "closed", "reported"]


class LongTrilingual(Form):
    """A longer text in the languages of the network; Kazakh is required."""

    kk: LongText
    ru: LongText | None = None
    en: LongText | None = None

    def filled(self) -> dict[str, str]:
        return {"kk": self.kk, "ru": self.ru or self.kk, "en": self.en or self.ru or self.kk}


class ChangeCampaign(Form):
    """What a campaign is: its titles, what for, how much, when, by whom."""

    title: Trilingual
    purpose: Text | None = None
    story: LongTrilingual | None = None
    goal: PositiveMoney | None = None
    starts_on: Day
    ends_on: Day | None = None
    centre_ids: list[UUID] = Field(default_factory=list[UUID], max_length=500, description="Empty: the whole network.")


class DraftCampaign(ChangeCampaign):
    """A campaign that is being prepared."""

    id: OptionalId = None


class DecideOnCampaign(Form):
    """A step of a campaign."""

    decided_on: PastDay | None = Today


class DecideOnCampaignRow(DecideOnCampaign):
    """The same in a batch."""

    campaign_id: UUID


class CampaignView(View):
    """A campaign, and what came in and went out."""

    version_tells_all = False

    id: UUID
    version: int
    status: str
    title: dict[str, str]
    purpose: str | None
    story: dict[str, str] | None
    goal: MoneyView | None
    starts_on: date
    ends_on: date | None
    centre_ids: list[UUID]
    received: MoneyView = Field(description="Money received, before refunds.")
    refunded: MoneyView
    disbursed: MoneyView
    held: MoneyView = Field(description="Requested or approved, not yet paid.")
    balance: MoneyView = Field(description="What can still be promised: received less refunded, disbursed and held.")
    goods_value: MoneyView = Field(description="Value of goods received; apart from money.")
