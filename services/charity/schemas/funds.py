"""Views of funds and of the ledger."""

from datetime import date, datetime
from uuid import UUID

from shared.forms import View
from shared.money import MoneyView


class FundView(View):
    """A campaign's fund. Received less refunded, disbursed and held is free."""

    campaign_id: UUID
    status: str
    title: dict[str, str]
    received: MoneyView
    refunded: MoneyView
    disbursed: MoneyView
    held: MoneyView
    balance: MoneyView
    goods_value: MoneyView


class LegView(View):
    """One account's part in an entry."""

    account: str
    campaign_id: UUID
    centre_id: UUID
    amount: MoneyView


class EntryView(View):
    """One booking; its legs sum to zero."""

    id: UUID
    kind: str
    reverses_id: UUID | None
    occurred_on: date
    recorded_at: datetime
    recorded_by: str
    legs: list[LegView]
