"""The envelope of every message: CloudEvents 1.0, structured JSON. No personal data: messages outlive consent.

Fields of a contract are added with a default and never renamed, retyped or removed; a breaking change is `v2` beside
`v1`. `tests/contracts/golden` holds an example of each type that must parse for ever.
"""

import zlib
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.ids import new_id
from shared.telemetry import current_traceparent

LANES = 8
"""How many relays can work at once. An aggregate stays in its lane, so its order holds."""

Data = TypeVar("Data", bound="DomainEvent")


class DomainEvent(BaseModel):
    """A fact, in the past tense, about one aggregate of the publishing service."""

    model_config = ConfigDict(frozen=True)

    type: ClassVar[str]
    """`<service>.<noun>.<fact>.v<N>`: the CloudEvents `type`."""
    about: ClassVar[str]
    """The field that holds the aggregate's id."""

    centre_id: UUID | None = None
    region: str | None = None
    """ISO 3166-2 code of the centre's region on that day, such as `KZ-75`."""

    @classmethod
    def service(cls) -> str:
        return cls.type.split(".")[0]

    @classmethod
    def noun(cls) -> str:
        return cls.type.split(".")[1]

    @property
    def aggregate(self) -> str:
        """`<service>.<noun>/<id>`: whose history this belongs to. Order is promised within it."""
        return f"{self.service()}.{self.noun()}/{getattr(self, self.about)}"

    @property
    def subject(self) -> str:
        """`asar.<service>.<noun>.<fact>.<region>.<centre>`, with `-` where there is none."""
        service, noun, fact, _ = self.type.split(".")
        return f"asar.{service}.{noun}.{fact}.{(self.region or '-').lower()}.{self.centre_id or '-'}"


class Message(BaseModel, Generic[Data]):
    """A CloudEvents 1.0 event as it travels. Its `subject` is the aggregate, in its version after the fact."""

    model_config = ConfigDict(frozen=True)

    specversion: str = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: AwareDatetime
    datacontenttype: str = "application/json"
    aggregateversion: int
    region: str | None = None
    centre: UUID | None = None
    traceparent: str | None = None
    data: Data


def envelop(fact: DomainEvent, *, at: datetime, version: int) -> dict[str, Any]:
    """The outbox row of a fact recorded at the aware instant `at`."""
    message_id = new_id()
    traceparent = current_traceparent()
    body: dict[str, Any] = {
        "specversion": "1.0",
        "id": message_id,
        "source": f"/asar/{fact.service()}",
        "type": fact.type,
        "subject": fact.aggregate,
        "time": at,
        "datacontenttype": "application/json",
        "aggregateversion": version,
        # CloudEvents forbids null attributes: an absent one is left out.
        **({"region": fact.region} if fact.region else {}),
        # asyncpg's UUIDs are a subclass, which orjson does not take.
        **({"centre": str(fact.centre_id)} if fact.centre_id else {}),
        **({"traceparent": traceparent} if traceparent else {}),
        "data": orjson.Fragment(fact.model_dump_json().encode()),
    }
    return {
        "message_id": message_id,
        "type": fact.type,
        "aggregate": fact.aggregate,
        "version": version,
        "lane": lane_of(fact.aggregate),
        "subject": fact.subject,
        "body": orjson.dumps(body, option=orjson.OPT_UTC_Z).decode(),
        "recorded_at": at,
    }


def lane_of(aggregate: str) -> int:
    # Not hash(): it differs between processes.
    return zlib.crc32(aggregate.encode()) % LANES
