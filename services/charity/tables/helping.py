"""Families and their members, and what reached them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Sequence, text
from sqlmodel import Field

from services.charity import domain
from services.charity.tables.base import Base, an_amount, an_id, an_instant, some_bytes
from shared.database import NUMBERS_AT_ONCE
from shared.reach import scoped_by
from shared.refused_as import refused_as
from shared.sealed import sealed

family_numbers = Sequence("family_number", start=1001, increment=NUMBERS_AT_ONCE, metadata=Base.metadata)
"""The short numbers that people read to each other."""


def _tallied(by: str, *beside: str) -> Index:
    """For the tallies of a campaign, centre or region in a period, from the index alone."""
    return Index(
        f"delivery_of_{by.removesuffix('_id')}",
        by,
        "occurred_on",
        postgresql_include=["id", "family_id", *beside],
        postgresql_where=text("voided_on IS NULL"),
    )


class Family(Base, table=True):
    """A family in need. Where it lives, who sent it and what burdens it is sealed."""

    __table_args__ = (
        CheckConstraint("status IN ('draft', 'verified', 'archived')", name="family_status"),
        Index("family_of_centre", "centre_id", "id"),
        {"info": scoped_by("centre_id")},
    )

    id: UUID = an_id()
    version: int = 1
    number: int = Field(unique=True)
    status: str = "draft"
    centre_id: UUID
    region: str
    lives_in: str
    address: bytes | None = sealed()
    referred_by: bytes | None = sealed()
    categories: bytes | None = sealed()
    registered_on: date
    erased_on: date | None = None
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()


class Member(Base, table=True):
    """A person's time in a family. Who it is is sealed; a hash of the IIN finds them again."""

    __table_args__ = (
        Index("member_iin", "iin_index", unique=True, info=refused_as(domain.MemberKnown),
              postgresql_where=text("iin_index IS NOT NULL AND until_on IS NULL")),
        CheckConstraint("until_on >= from_on", name="member_days"),
        {"info": scoped_by("centre_id")},
    )  # fmt: skip

    id: UUID = an_id()
    version: int = 1
    family_id: UUID = Field(foreign_key="family.id", index=True)
    # The family's: policies cannot look at a family that comes in the same statement.
    centre_id: UUID
    full_name: bytes | None = sealed()
    born_on: bytes | None = sealed()
    iin: bytes | None = sealed()
    iin_index: bytes | None = some_bytes()
    relation: str
    categories: bytes | None = sealed()
    from_on: date | None = None
    until_on: date | None = None
    erased_on: date | None = None


class Delivery(Base, table=True):
    """Help that reached a family, with a sealed picture of the family at that moment."""

    __table_args__ = (
        CheckConstraint("kind IN ('money', 'goods', 'service')", name="delivery_kind"),
        CheckConstraint("value_minor >= 0", name="delivery_value"),
        Index("delivery_of_family", "family_id", "id"),
        _tallied("campaign_id", "centre_id"),
        _tallied("centre_id", "campaign_id"),
        _tallied("region", "centre_id", "campaign_id"),
        {"info": scoped_by("centre_id")},
    )  # fmt: skip

    id: UUID = an_id()
    version: int = 1
    campaign_id: UUID | None = Field(default=None, foreign_key="campaign.id")
    family_id: UUID = Field(foreign_key="family.id")
    centre_id: UUID
    region: str
    kind: str
    value_minor: int = an_amount()
    description: bytes | None = sealed()
    event_id: UUID | None = None
    occurred_on: date
    snapshot: bytes | None = sealed()
    voided_on: date | None = None
    void_reason: bytes | None = sealed()
    made_from: bytes | None = some_bytes()
    recorded_by: str
    recorded_at: datetime = an_instant()


class Helped(Base, table=True):
    """That a delivery helped a person."""

    __table_args__ = (
        # Whom a centre has helped in some weeks stand beside each other, however many others have helped meanwhile.
        Index("helped_of_centre", "centre_id", "delivery_id", "person_id"),
        {"info": scoped_by("centre_id")},
    )

    delivery_id: UUID = Field(primary_key=True, foreign_key="delivery.id")
    person_id: UUID = Field(primary_key=True, foreign_key="member.id")
    # The delivery's.
    centre_id: UUID
