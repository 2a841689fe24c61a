"""Booking: the only way into the ledger."""

from datetime import date, datetime
from uuid import UUID

from services.charity.domain import Legs
from services.charity.tables import Disbursement, Donation, Entry, Leg, Refund
from shared.access.principal import Principal
from shared.database import Transaction


def book(
    tx: Transaction,
    what: Donation | Refund | Disbursement,
    kind: str,
    legs: Legs,
    *,
    on: date,
    by: Principal,
    now: datetime,
    reverses_id: UUID | None = None,
) -> None:
    """Book an entry for a gift, refund or payment, under its id, at its campaign and centre."""
    tx.insert(
        Entry(
            id=what.id,
            kind=kind,
            centre_id=what.centre_id,
            reverses_id=reverses_id,
            occurred_on=on,
            recorded_by=by.id,
            recorded_at=now,
        )
    )
    tx.insert(
        *(
            Leg(
                entry_id=what.id,
                position=position,
                account=leg.account,
                amount_minor=leg.amount_minor,
                campaign_id=what.campaign_id,
                centre_id=what.centre_id,
                region=what.region,
                occurred_on=on,
            )
            for position, leg in enumerate(legs, 1)
        )
    )
