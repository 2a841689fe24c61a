"""What all tables of the charity service share."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Date, DateTime, LargeBinary, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from shared.ids import new_id
from shared.journal import remember_journal
from shared.messaging.tables import remember_messages
from shared.reach import centre_reached, scoped
from shared.rows import TableRow
from shared.sealed import sealed


class Base(TableRow):
    """Its own metadata: SQLModel's global one would let the services' tables collide in one test process."""

    metadata = MetaData()


remember_messages(Base.metadata)
remember_journal(Base.metadata)


def an_id() -> Any:
    return Field(default_factory=new_id, primary_key=True)


def json() -> Any:
    return Field(sa_column=Column(JSONB, nullable=False))


def an_instant() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def an_amount() -> Any:
    """Integer tiyn."""
    return Field(sa_column=Column(BigInteger, nullable=False))


def some_bytes() -> Any:
    return Field(default=None, sa_column=Column(LargeBinary))


_NOTED = (
    f"{centre_reached('centre_id')} OR centre_id IS NULL AND EXISTS (SELECT FROM campaign WHERE campaign.id = of_id)"
)


class StatusChange(Base, table=True):
    """Who changed the status of a record, when and why."""

    __table_args__ = ({"info": scoped(_NOTED, written=_NOTED)},)

    id: UUID = an_id()
    what: str
    """`campaign`, `disbursement`, `family`, `member` or `delivery`."""
    of_id: UUID = Field(index=True)
    centre_id: UUID | None = None
    """None for a campaign, which is of several."""
    was: str | None = None
    status: str
    on: date = Field(sa_column=Column("on", Date, nullable=False))
    reason: bytes | None = sealed()
    changed_by: str
    changed_at: datetime = an_instant()
