"""What outlives the read models: which of them is in use, and the feed of all facts."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index, MetaData, Text
from sqlmodel import DateTime, Field, SQLModel

from shared.journal import remember_journal
from shared.messaging.tables import remember_answers
from shared.reach import open_to_all


class Base(SQLModel):
    """What outlives the read model."""

    metadata = MetaData()


OWN = open_to_all("it belongs to no centre: the gateway itself decides who comes in, and what they are shown")

remember_answers(Base.metadata)
remember_journal(Base.metadata)


class Generation(Base, table=True):
    """One read model: being built, in use, or retired."""

    __table_args__ = ({"info": OWN},)

    number: int = Field(primary_key=True)
    model_version: int
    status: str
    """`building`, `active` or `retired`."""
    started_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    activated_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class Feed(Base, table=True):
    """Every message, in the order in which the gateway first applied it.

    It outlives the generations: who follows it by the last id they have must not lose their place when a read model is
    built anew, with the streams interleaved otherwise.
    """

    __table_args__ = (
        Index("feed_message", "message_id", unique=True),
        {"info": open_to_all("messages carry no personal data, and are for whoever may follow them")},
    )

    position: int = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    message_id: str = Field(sa_column=Column(Text, nullable=False))
    type: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    body: str = Field(sa_column=Column(Text, nullable=False))
