"""Campaigns, and the money and goods that come in and go out."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from services.charity import domain
from services.charity.tables.base import Base, an_amount, an_id, an_instant, json, some_bytes
from shared.reach import EVERYTHING, scoped, scoped_by
from shared.refused_as import refused_as
from shared.sealed import sealed

_ITS_CENTRES = "centre_ids ?| (SELECT reached_centres())::text[]"
_ALL_ITS_CENTRES = "centre_ids <> '[]' AND centre_ids <@ (SELECT to_jsonb(reached_centres()))"


class Campaign(Base, table=True):
    """What money is raised for. Its fund is the ledger's legs with its id; this row is the fund's lock."""

    __table_args__ = (
        CheckConstraint("status IN ('draft', 'open', 'closed', 'reported')", name="campaign_status"),
        CheckConstraint("ends_on >= starts_on", name="campaign_days"),
        # Makes the status a part of a key, so that changing it waits for gifts on their way and they for it, while
        # whoever locks the fund to pay out disturbs no giver (PostgreSQL, "Row-Level Locks": FOR NO KEY UPDATE).
        UniqueConstraint("id", "status", name="campaign_status_is_key"),
        {
            "info": scoped(
                f"status <> 'draft' OR {EVERYTHING} OR {_ITS_CENTRES}",
                written=f"{EVERYTHING} OR {_ALL_ITS_CENTRES}",
                shows=True,
            )
        },
    )

    id: UUID = an_id()
    version: int = 1
    status: str = "draft"
    title: dict[str, str] = json()
    purpose: str | None = None
    story: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    goal_minor: int | None = Field(default=None, sa_column=Column(BigInteger))
    starts_on: date
    ends_on: date | None = None
    centre_ids: list[str] = json()
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()


class Donation(Base, table=True):
    """A gift of money or goods. Of an anonymous one nothing is kept that tells who gave it."""

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="donation_amount"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="donation_refunded",
                        info=refused_as(domain.RefundExceedsGift)),
        CheckConstraint("(kind = 'goods') = (method = 'goods')", name="donation_kind"),
        CheckConstraint("CASE WHEN anonymous OR erased_on IS NOT NULL THEN donor IS NULL ELSE donor IS NOT NULL END",
                        name="donation_anonymous"),
        # A trigger says the same of a campaign that is not open: who asks first leaves a gap in which it closes.
        ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="donation_campaign",
                             info=refused_as(domain.CampaignNotOpen)),
        UniqueConstraint("receipt_year", "receipt_number", name="donation_receipt"),
        Index("donation_reference", "centre_id", "method", "external_ref", unique=True,
              postgresql_where=text("external_ref IS NOT NULL"), info=refused_as(domain.DonationRecordedBefore)),
        Index("donation_without_receipt", "receipt_year", "id", postgresql_where=text("receipt_number IS NULL")),
        Index("donation_of_campaign", "campaign_id", "id"),
        Index("donation_of_centre", "centre_id", "id"),
        {"info": scoped_by("centre_id")},
    )  # fmt: skip

    id: UUID = an_id()
    version: int = 1
    campaign_id: UUID
    centre_id: UUID
    region: str
    kind: str
    method: str
    amount_minor: int = an_amount()
    refunded_minor: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    goods: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB))
    anonymous: bool
    donor: bytes | None = sealed()
    erased_on: date | None = None
    """When who gave was forgotten."""
    external_ref: str | None = None
    occurred_on: date
    receipt_year: int = Field(sa_column=Column(SmallInteger, nullable=False))
    receipt_number: int | None = None
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()


class Refund(Base, table=True):
    """Some or all of a gift that has gone back."""

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="refund_amount"),
        {"info": scoped_by("centre_id")},
    )

    id: UUID = an_id()
    donation_id: UUID = Field(foreign_key="donation.id", index=True)
    campaign_id: UUID
    centre_id: UUID
    region: str
    amount_minor: int = an_amount()
    reason: bytes | None = sealed()
    occurred_on: date
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()


class Disbursement(Base, table=True):
    """Money that a fund pays out. It is held from the request on, and gone when paid."""

    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="disbursement_amount"),
        CheckConstraint("status IN ('requested', 'approved', 'paid', 'voided')", name="disbursement_status"),
        Index("disbursement_held", "campaign_id", postgresql_include=["amount_minor"],
              postgresql_where=text("status IN ('requested', 'approved')")),
        Index("disbursement_of_campaign", "campaign_id", "id"),
        {"info": scoped_by("centre_id")},
    )  # fmt: skip

    id: UUID = an_id()
    version: int = 1
    campaign_id: UUID = Field(foreign_key="campaign.id")
    centre_id: UUID
    region: str
    amount_minor: int = an_amount()
    purpose: str
    status: str = "requested"
    occurred_on: date
    paid_on: date | None = None
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()
