"""The read model, in a schema of its own per generation, so that a new one is built while the old one serves."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Date, Identity, Index, Integer, LargeBinary, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import DateTime, Field, SQLModel

from shared.messaging.tables import remember_heard

READ_MODEL_VERSION = 4
"""Raised when the fold changes: the gateway then builds a new generation by itself."""


class ReadModel(SQLModel):
    """The tables of a generation's schema."""

    metadata = MetaData()


remember_heard(ReadModel.metadata)


def _counter() -> "Column[int]":
    return Column(BigInteger, nullable=False, server_default="0")


class FigureDay(ReadModel, table=True):
    """What happened in a scope on a civil day. Stocks are kept as changes."""

    scope: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    volunteers_registered: int = Field(default=0, sa_column=_counter())
    volunteers_declared: int = Field(default=0, sa_column=_counter())
    volunteer_centres: int = Field(default=0, sa_column=_counter())
    friendship_houses: int = Field(default=0, sa_column=_counter())
    organisations: int = Field(default=0, sa_column=_counter())
    coordinators: int = Field(default=0, sa_column=_counter())
    events_held: int = Field(default=0, sa_column=_counter())
    events_planned: int = Field(default=0, sa_column=_counter())
    sign_ups: int = Field(default=0, sa_column=_counter())
    attendances: int = Field(default=0, sa_column=_counter())
    hours_minutes: int = Field(default=0, sa_column=_counter())
    helpers: int = Field(default=0, sa_column=_counter())
    guests: int = Field(default=0, sa_column=_counter())
    donations: int = Field(default=0, sa_column=_counter())
    money_received_minor: int = Field(default=0, sa_column=_counter())
    money_refunded_minor: int = Field(default=0, sa_column=_counter())
    money_disbursed_minor: int = Field(default=0, sa_column=_counter())
    goods_value_minor: int = Field(default=0, sa_column=_counter())
    deliveries: int = Field(default=0, sa_column=_counter())


class Helped(ReadModel, table=True):
    """Whom a scope has helped in a day, month, year or ever: sets of numbers, as compressed bitmaps."""

    scope: str = Field(primary_key=True)
    span: str = Field(primary_key=True)
    starts_on: date = Field(primary_key=True)
    families: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    people: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Member(ReadModel, table=True):
    """The dense number by which a family or person stands in the bitmaps."""

    id: UUID = Field(primary_key=True)
    number: int = Field(sa_column=Column(Integer, Identity(), nullable=False, unique=True))


class DeliveryMember(ReadModel, table=True):
    """One family or person of one delivery that stands: what decides whether a void takes somebody out of a set."""

    __table_args__ = (Index("deliverymember_delivery", "delivery_id"),)

    number: int = Field(primary_key=True)
    delivery_id: UUID = Field(primary_key=True)
    is_family: bool
    day: date
    region: str | None
    centre_id: UUID | None
    campaign_id: UUID | None


class Centre(ReadModel, table=True):
    """A centre as the page names it."""

    id: UUID = Field(primary_key=True)
    kind: str
    region: str
    name: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    opened_on: date
    closed_on: date | None = None


class Campaign(ReadModel, table=True):
    """A campaign as the page names it."""

    id: UUID = Field(primary_key=True)
    title: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    status: str
    goal_minor: int | None = Field(default=None, sa_column=Column(BigInteger))
    starts_on: date
    ends_on: date | None = None


class Progress(ReadModel, table=True):
    """How far this read model has come: one row."""

    id: int = Field(primary_key=True)
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))
    """How many messages it is made of: the same for every generation that holds the same facts."""
    as_of: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    """When the newest of them was recorded."""


class Tick(ReadModel, table=True):
    """Something that just happened, for the page's ticker: no names."""

    __table_args__ = (
        Index("tick_region", "region", "position"),
        Index("tick_centre", "centre_id", "position"),
        Index("tick_campaign", "campaign_id", "position"),
    )

    position: int = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    message_id: UUID
    type: str
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    on: date = Field(sa_column=Column("on", Date, nullable=False))
    region: str | None = None
    centre_id: UUID | None = None
    campaign_id: UUID | None = None
    amount_minor: int | None = Field(default=None, sa_column=Column(BigInteger))
    number: int | None = None
