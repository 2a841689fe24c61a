"""Forms and views of gifts and refunds."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.charity.schemas.days import Today
from services.charity.schemas.wrong import wrong
from shared.forms import Code, Flag, Form, OptionalId, PastDay, Text, View, WholeNumber
from shared.money import MoneyView, PositiveMoney
from shared.people import Bin


class GiveGoods(Form):
    """One kind of goods in a gift."""

    kind: Code
    quantity: Annotated[WholeNumber, Field(ge=1)]
    unit: Code


class Donor(Form):
    """Who gave; `{"anonymous": true}` and nothing else where they do not want to be known."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"anonymous": True}]})

    anonymous: Flag = False
    kind: Literal["person", "organisation"] | None = None
    name: Text | None = None
    bin: Bin | None = Field(None, description="Of an organisation.")

    @model_validator(mode="after")
    def _named_or_anonymous(self) -> Self:
        if self.anonymous and (self.kind or self.name or self.bin):
            raise wrong("anonymous_but_named")
        if not self.anonymous and (self.kind is None or self.name is None):
            raise wrong("donor_unnamed")
        if self.bin is not None and self.kind != "organisation":
            raise wrong("bin_of_a_person")
        return self


class RecordDonation(Form):
    """A gift of money or goods that has been received."""

    id: OptionalId = None
    campaign_id: UUID
    centre_id: UUID
    kind: Literal["money", "goods"]
    amount: PositiveMoney = Field(description="Of goods: what they are worth.")
    goods: Annotated[list[GiveGoods], Field(max_length=100)] | None = None
    method: Literal["bank", "card", "cash", "payroll", "goods"]
    donor: Donor
    occurred_on: PastDay | None = Today
    external_ref: Text | None = Field(None, description="The bank's or till's reference: one gift per reference.")

    @model_validator(mode="after")
    def _goods_are_goods(self) -> Self:
        if (self.kind == "goods") != (self.method == "goods"):
            raise wrong("kind_and_method")
        if self.kind == "money" and self.goods:
            raise wrong("goods_in_money")
        return self


class DonorView(View):
    """Who gave, as far as the caller may know."""

    anonymous: bool
    kind: str | None = None
    name: str | None = Field(None, description="Of an organisation; of a person the first letter of each word.")
    bin: str | None = None


class DonationView(View):
    """A gift."""

    version_tells_all = False

    id: UUID
    version: int
    campaign_id: UUID
    centre_id: UUID
    region: str
    kind: str
    method: str
    amount: MoneyView
    refunded: MoneyView
    goods: list[dict[str, Any]] | None
    donor: DonorView
    external_ref: str | None
    occurred_on: date
    receipt_number: str | None = Field(description="Year and number; issued within a second of the gift.")
    recorded_at: datetime


class Refund(Form):
    """Some or all of a gift of money goes back."""

    id: OptionalId = None
    amount: PositiveMoney
    reason: Text
    occurred_on: PastDay | None = Today


class RefundRow(Refund):
    """The same in a batch."""

    donation_id: UUID


class RefundView(View):
    """A refund."""

    id: UUID
    donation_id: UUID
    campaign_id: UUID
    centre_id: UUID
    region: str
    amount: MoneyView
    reason: str | None = Field(description="For those who may refund.")
    occurred_on: date
    recorded_at: datetime


class DonorDisclosure(View):
    """Who gave, in clear."""

    id: UUID
    donor: DonorView
