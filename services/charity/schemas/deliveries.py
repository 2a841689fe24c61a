"""Forms and views of deliveries."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.charity.schemas.days import Today
from services.charity.schemas.wrong import wrong
from shared.forms import Form, LongText, OptionalId, PastDay, Text, View
from shared.money import Money, MoneyView


class MakeDelivery(Form):
    """Help that has reached a family."""

    id: OptionalId = None
    campaign_id: UUID | None = None
    family_id: UUID
    member_ids: Annotated[list[UUID], Field(min_length=1, max_length=40)] | None = Field(
        None, description="Whom it helped; all who belong to the family on that day when absent."
    )
    centre_id: UUID
    kind: Literal["money", "goods", "service"] = Field(examples=["service"])
    value: Money | None = None
    description: LongText | None = None
    event_id: UUID | None = None
    occurred_on: PastDay | None = Today

    @model_validator(mode="after")
    def _money_has_a_value(self) -> Self:
        if self.kind == "money" and (self.value is None or self.value.minor == 0):
            raise wrong("money_without_value")
        return self


class VoidDelivery(Form):
    """The delivery was entered by mistake."""

    reason: Text


class VoidDeliveryRow(VoidDelivery):
    """The same in a batch."""

    delivery_id: UUID


class DeliveryView(View):
    """A delivery."""

    id: UUID
    version: int
    campaign_id: UUID | None
    family_id: UUID
    centre_id: UUID
    region: str
    kind: str
    value: MoneyView
    description: str | None = Field(description="For those who look after the family.")
    event_id: UUID | None
    occurred_on: date
    voided_on: date | None
    void_reason: str | None = Field(description="For those who look after the family.")
    recorded_at: datetime


class DeliveryDetail(DeliveryView):
    """A delivery with whom it helped."""

    person_ids: list[UUID]


class DeliveryDisclosure(View):
    """The family as it was at the moment of the delivery, in clear."""

    id: UUID
    snapshot: dict[str, Any] | None
