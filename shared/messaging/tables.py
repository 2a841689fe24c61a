"""The tables that every service keeps so that nothing it announces or hears is lost or counted twice."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from shared.errors import Conflict
from shared.messaging.totals import remember_announced, remember_applied
from shared.reach import open_to_all
from shared.refused_as import refused_as
from shared.sealed import SEALED

_NO_NAMES = open_to_all("messages carry no personal data, and the service itself sends and applies all of them")


class KeyUsedBefore(Conflict):
    """This Idempotency-Key has been used before."""


def remember_announcements(metadata: MetaData) -> None:
    """`outbox`: what this service has announced. The truth; the stream is its copy."""
    Table(
        "outbox",
        metadata,
        Column("position", BigInteger, Identity(), primary_key=True),
        Column("message_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("aggregate", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("lane", SmallInteger, nullable=False),
        Column("subject", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("recorded_at", DateTime(timezone=True), nullable=False),
        Column("published_at", DateTime(timezone=True)),
        # A second announcement of the same version would be a fact that contradicts another.
        UniqueConstraint("aggregate", "version", name="outbox_version"),
        Index("outbox_unsent", "lane", "position", postgresql_where=text("published_at IS NULL")),
        Index("outbox_message", "message_id"),
        info=_NO_NAMES,
    )
    remember_announced(metadata)


def remember_heard(metadata: MetaData) -> None:
    """`inbox`: how far each aggregate was applied. `parked`: what could not be applied yet, and why."""
    Table(
        "inbox",
        metadata,
        Column("consumer", Text, nullable=False),
        Column("aggregate", Text, nullable=False),
        Column("version", Integer, nullable=False),
        PrimaryKeyConstraint("consumer", "aggregate"),
        info=_NO_NAMES,
    )
    Table(
        "parked",
        metadata,
        Column("consumer", Text, nullable=False),
        Column("aggregate", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("type", Text, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("body", Text, nullable=False),
        # `gap`: a predecessor is missing. `failed`: its handler raised; `error` says what.
        Column("reason", Text, nullable=False),
        Column("error", Text),
        Column("parked_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("consumer", "aggregate", "version"),
        info=_NO_NAMES,
    )
    remember_applied(metadata)


def remember_answers(metadata: MetaData) -> None:
    """`idempotency`: the answers given to requests that carried an Idempotency-Key."""
    Table(
        "idempotency",
        metadata,
        Column("principal", Text, nullable=False),
        Column("operation", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("location", Text),
        # Answers may hold personal data.
        Column("body", LargeBinary, nullable=False, info=dict(SEALED)),
        Column("answered_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("principal", "operation", "key", info=refused_as(KeyUsedBefore)),
        Index("idempotency_answered", "answered_at"),
        info=open_to_all("an answer is sealed, and looked up by the caller's own id and key"),
    )


def remember_messages(metadata: MetaData) -> None:
    """All of the above, for a service that both announces and listens."""
    remember_announcements(metadata)
    remember_heard(metadata)
    remember_answers(metadata)
