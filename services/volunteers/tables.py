"""What the volunteers service remembers. Nobody else reads these tables."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    LargeBinary,
    MetaData,
    Sequence,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import DateTime, Field

from services.volunteers import domain
from shared.database import NUMBERS_AT_ONCE
from shared.ids import new_id
from shared.jobs.tables import remember_jobs
from shared.journal import remember_journal
from shared.messaging.tables import remember_messages
from shared.reach import EVERYBODY, centre_reached, is_own, parts_reached, scoped, scoped_by
from shared.refused_as import refused_as
from shared.rows import TableRow
from shared.sealed import sealed


class Base(TableRow):
    """Its own metadata: SQLModel's global one would let the services' tables collide in one test process."""

    metadata = MetaData()


remember_messages(Base.metadata)
remember_jobs(Base.metadata)
remember_journal(Base.metadata)

volunteer_numbers = Sequence("volunteer_number", start=1001, increment=NUMBERS_AT_ONCE, metadata=Base.metadata)
"""The short numbers that people read to each other."""


_WITHIN = parts_reached("centre_id", "directions")
_OF_VOLUNTEER = scoped(
    "EXISTS (SELECT FROM volunteer WHERE volunteer.id = volunteer_id)", written=centre_reached("centre_id")
)
"""Seen with the volunteer; written at their centre, whose id such a row has since it may come with the volunteer's."""


def _json() -> Any:
    return Column(JSONB, nullable=False)


class Centre(Base, table=True):
    """A place or organisation that brings volunteers together."""

    __table_args__ = (
        CheckConstraint("closed_on >= opened_on", name="centre_days"),
        {"info": scoped(EVERYBODY, written=centre_reached("id"))},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    kind: str
    name: dict[str, str] = Field(sa_column=_json())
    region: str
    parent_id: UUID | None = Field(default=None, foreign_key="centre.id")
    opened_on: date
    closed_on: date | None = None
    changed_by: str
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class Assignment(Base, table=True):
    """A person leads or coordinates one direction of a centre's work for a time."""

    __table_args__ = (
        CheckConstraint("until_on >= from_on", name="assignment_days"),
        {"info": scoped_by("centre_id", direction="direction")},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    person_id: UUID
    person_name: str
    centre_id: UUID = Field(index=True, foreign_key="centre.id")
    region: str
    direction: str
    role: str
    from_on: date
    until_on: date | None = None
    changed_by: str
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class Volunteer(Base, table=True):
    """A person who offers their time. What identifies them is sealed; hashes find it again.

    Their name is not: it is searched by the beginnings of its words and sorted by the Kazakh alphabet, which only the
    database can do for tens of thousands (decision 0016).
    """

    __table_args__ = (
        UniqueConstraint("iin_index", name="volunteer_iin", info=refused_as(domain.AlreadyRegistered)),
        UniqueConstraint("phone_index", name="volunteer_phone", info=refused_as(domain.AlreadyRegistered)),
        UniqueConstraint("email_index", name="volunteer_email", info=refused_as(domain.AlreadyRegistered)),
        Index("volunteer_by_name", "sort_key", "id"),
        Index("volunteer_by_centre", "centre_id", "sort_key", "id"),
        {"info": scoped(f"{_WITHIN} OR {is_own('id')}", written=_WITHIN)},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    number: int = Field(unique=True)
    status: str = Field(default="applied", index=True)
    full_name: str
    sort_key: str
    name_folded: str
    language: str
    born_on: bytes | None = sealed()
    # What age rules ask for, and all that messages tell of it: `YYYY-MM`.
    born_in: str
    iin: bytes | None = sealed()
    iin_index: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    phone: bytes | None = sealed()
    phone_index: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    email: bytes | None = sealed()
    email_index: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    centre_id: UUID = Field(foreign_key="centre.id")
    region: str
    directions: list[str] = Field(sa_column=_json())
    skills: list[str] = Field(sa_column=_json())
    languages_spoken: list[str] = Field(sa_column=_json())
    affiliation: bytes | None = sealed()
    emergency_contact: bytes | None = sealed()
    applied_on: date
    status_on: date
    registered_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class VolunteerWord(Base, table=True):
    """A word of a volunteer's folded name: any of them may be the one whose beginning is typed.

    Triggers on `volunteer` keep these rows. They are there since policies let an index be used with leakproof operators
    only, which comparisons of text are and those of full-text search are not (decision 0032).
    """

    __table_args__ = (
        # For those who reach everything; the key is for those who reach some centres, and for nobody else's names.
        Index("volunteerword_everywhere", "word", "volunteer_id", postgresql_include=["centre_id"]),
        {"info": scoped_by("centre_id")},
    )

    centre_id: UUID = Field(primary_key=True)
    word: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    volunteer_id: UUID = Field(primary_key=True)


class Consent(Base, table=True):
    """That a person agreed to the keeping of their data: which text, when, how and by whom. Never changed."""

    __table_args__ = ({"info": _OF_VOLUNTEER},)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    volunteer_id: UUID = Field(index=True, foreign_key="volunteer.id")
    centre_id: UUID
    text_version: str
    given_on: date
    how: str
    by: str
    by_name: bytes | None = sealed()
    recorded_by: str
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class StatusChange(Base, table=True):
    """Who changed a volunteer's status, when and why."""

    __table_args__ = ({"info": _OF_VOLUNTEER},)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    volunteer_id: UUID = Field(index=True, foreign_key="volunteer.id")
    centre_id: UUID
    was: str | None = None
    status: str
    on: date = Field(sa_column=Column("on", Date, nullable=False))
    reason: bytes | None = sealed()
    changed_by: str
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class Declaration(Base, table=True):
    """A centre's estimate of those who help without registration, as of a day."""

    __table_args__ = (
        CheckConstraint("number >= 0", name="declaration_number"),
        Index("declaration_latest", "centre_id", "declared_on", "id"),
        {"info": scoped_by("centre_id")},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    centre_id: UUID = Field(foreign_key="centre.id")
    region: str
    number: int
    before: int
    declared_on: date
    source: str
    recorded_by: str
    recorded_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class HoursEntry(Base, table=True):
    """Time earned by a volunteer, or taken back. Entries are only ever added."""

    __table_args__ = (
        UniqueConstraint("signup_id", "signup_version", name="hours_of_attendance"),
        Index("hours_of_volunteer", "volunteer_id", "earned_on"),
        Index("hours_of_centre", "centre_id", "earned_on"),
        # Entries whose shift has not ended yet.
        Index("hours_pending", "earned_at", postgresql_where=text("announced_at IS NULL")),
        {"info": scoped_by("centre_id", direction="direction", own="volunteer_id")},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    volunteer_id: UUID
    centre_id: UUID
    region: str
    direction: str | None = None
    minutes: int
    signup_id: UUID
    signup_version: int
    earned_on: date
    earned_at: datetime = Field(sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
    announced_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]
