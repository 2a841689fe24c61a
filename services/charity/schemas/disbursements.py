"""Forms and views of disbursements."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.charity.schemas.days import Today
from shared.forms import Form, OptionalId, PastDay, Text, View
from shared.money import MoneyView, PositiveMoney

DisbursementStatus = Literal["requested", "approved", "paid", "voided"]


class RequestDisbursement(Form):
    """Money is needed from a campaign's fund."""

    id: OptionalId = None
    campaign_id: UUID
    centre_id: UUID
    amount: PositiveMoney
    purpose: Text
    occurred_on: PastDay | None = Today


class ApproveDisbursement(Form):
    """Consent to a disbursement."""

    decided_on: PastDay | None = Today


class ApproveDisbursementRow(ApproveDisbursement):
    """The same in a batch."""

    disbursement_id: UUID


class PayDisbursement(Form):
    """The money has left."""

    occurred_on: PastDay | None = Today


class PayDisbursementRow(PayDisbursement):
    """The same in a batch."""

    disbursement_id: UUID


class VoidDisbursement(Form):
    """The money is not needed after all."""

    reason: Text
    decided_on: PastDay | None = Today


class VoidDisbursementRow(VoidDisbursement):
    """The same in a batch."""

    disbursement_id: UUID


class DisbursementView(View):
    """A disbursement and how far it has come."""

    id: UUID
    version: int
    campaign_id: UUID
    centre_id: UUID
    region: str
    amount: MoneyView
    purpose: str
    status: str
    occurred_on: date
    paid_on: date | None
    recorded_at: datetime
