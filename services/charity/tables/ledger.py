"""The double-entry ledger: append-only, in integer tiyn."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, SmallInteger, text
from sqlmodel import Field

from services.charity.tables.base import Base, an_amount, an_instant
from shared.reach import APPEND_ONLY, scoped_by

_BOOKED = {"info": scoped_by("centre_id") | APPEND_ONLY}


def _index(by: str, *beside: str) -> Index:
    """For the sums of a campaign, centre or region in a period, from the index alone."""
    return Index(
        f"leg_of_{by.removesuffix('_id')}",
        by,
        "occurred_on",
        postgresql_include=["account", "amount_minor", *beside],
        # Cash is the other side of all money: what is left out here is still known.
        postgresql_where=text("account <> 'cash'"),
    )


class Entry(Base, table=True):
    """One booking in the ledger, with the id of what it books. Never changed: a correction is a reversal."""

    __table_args__ = (CheckConstraint("kind IN ('gift', 'refund', 'payment')", name="entry_kind"), _BOOKED)

    id: UUID = Field(primary_key=True)
    kind: str
    centre_id: UUID
    """That of all its legs."""
    reverses_id: UUID | None = Field(default=None, foreign_key="entry.id")
    occurred_on: date
    recorded_by: str
    recorded_at: datetime = an_instant()


class Leg(Base, table=True):
    """One account's part in an entry. All legs of an entry sum to zero within each campaign: a trigger sees to it."""

    __table_args__ = (
        CheckConstraint("account IN ('donors', 'cash', 'aid', 'donors_in_kind', 'goods')", name="leg_account"),
        CheckConstraint("amount_minor <> 0", name="leg_amount"),
        _index("campaign_id"),
        _index("centre_id", "campaign_id"),
        _index("region", "campaign_id"),
        _BOOKED,
    )

    entry_id: UUID = Field(primary_key=True, foreign_key="entry.id")
    position: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    account: str
    amount_minor: int = an_amount()
    campaign_id: UUID
    centre_id: UUID
    region: str
    occurred_on: date
