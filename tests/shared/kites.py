"""A service of nothing but kites, for the tests of what every service stands on."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Response, status
from pydantic import Field as Must
from sqlalchemy import CheckConstraint, Column, Identity, MetaData, PrimaryKeyConstraint, UniqueConstraint, select
from sqlalchemy import Sequence as NumberSequence
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB, dialect
from sqlalchemy.schema import CreateIndex, CreateSequence, CreateTable
from sqlmodel import BigInteger, Date, DateTime, Field, String

from shared import batches, protection
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, Repeated
from shared.clock import Now
from shared.contracts.envelope import DomainEvent, Message
from shared.database import NUMBERS_AT_ONCE, Transaction
from shared.errors import Conflict, NotFound, RuleBroken
from shared.forms import (
    Code,
    Day,
    Flag,
    Form,
    Instant,
    OptionalId,
    PastDay,
    RegionCode,
    Text,
    Trilingual,
    View,
    WholeNumber,
)
from shared.ids import new_id
from shared.messaging import totals
from shared.messaging.consumer import Consumer
from shared.messaging.tables import remember_messages
from shared.money import Money, PositiveMoney
from shared.paging import AskedPage, Page
from shared.people import Bin, Iin, Phone
from shared.process import Process
from shared.reach import open_to_all, scoped_by
from shared.refused_as import refused_as
from shared.requests import Tx, needs_idempotency_key, router
from shared.rows import TableRow
from shared.settings import Settings

SERVICE = "kites"


class NameTaken(Conflict):
    """A kite of this name flies already."""


class TooShort(RuleBroken):
    """A kite needs a string."""


class KiteNotFound(NotFound):
    """No kite has that identifier."""


class Base(TableRow):
    """The tables' own metadata."""

    metadata = MetaData()


remember_messages(Base.metadata)
numbers = NumberSequence("kite_number", start=1001, increment=NUMBERS_AT_ONCE, metadata=Base.metadata)


class Nest(Base, table=True):
    """A place where a kite rests: a centre's, or of one direction of its work, and some volunteer's own."""

    __table_args__ = ({"info": scoped_by("centre_id", direction="direction", own="volunteer_id")},)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    centre_id: UUID
    direction: str | None = None
    volunteer_id: UUID | None = None
    eggs: int = 0


_OPEN = open_to_all("they fly for everybody")


class Kite(Base, table=True):
    """A kite."""

    __table_args__ = (
        UniqueConstraint("name", name="kite_name", info=refused_as(NameTaken)),
        CheckConstraint("length_cm > 0", name="kite_length", info=refused_as(TooShort)),
        CheckConstraint("length_cm < 1000000", name="kite_reach"),
        {"info": _OPEN},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    name: str
    note: str | None = None
    label: str | None = Field(default=None, sa_column=Column(String(5)))
    length_cm: int = 100
    colours: list[Any] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    history: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    flown_on: date | None = None
    seen_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))  # pyright: ignore[reportArgumentType]


class Sky(Base, table=True):
    """How much flew on a day: a counter. `on` is a word of SQL on purpose."""

    __table_args__ = (PrimaryKeyConstraint("place", "on"), {"info": _OPEN})

    place: str
    on: date = Field(sa_column=Column("on", Date))
    flights: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    metres: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))


class Heard(Base, table=True):
    """What took effect, in the order in which it did; twice would be seen."""

    __table_args__ = (UniqueConstraint("kite_id", "version", name="heard_once"), {"info": _OPEN})

    position: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    kite_id: UUID
    version: int
    fact: str


class KiteFact(DomainEvent):
    """Something about a kite."""

    about: ClassVar[str] = "kite_id"

    kite_id: UUID


class KiteMade(KiteFact):
    """There is a new kite."""

    type: ClassVar[str] = "kites.kite.made.v1"

    name: str


class KiteFlown(KiteFact):
    """A kite has flown."""

    type: ClassVar[str] = "kites.kite.flown.v1"

    metres: int
    on: date


class KiteLost(KiteFact):
    """A kite is gone. Nobody listens to that, which must leave no gap."""

    type: ClassVar[str] = "kites.kite.lost.v1"


# --- listening ------------------------------------------------------------------------------------------------------


class Listener:
    """A consumer of kites' facts whose handlers can be told to fail."""

    def __init__(self, name: str = "watchers") -> None:
        self.consumer = Consumer(name)
        self.consumer.on(KiteMade, self._made)
        self.consumer.on(KiteFlown, self._flown)
        self.storms: set[UUID] = set()
        """Kites whose flights cannot be applied."""
        self.failing_with: Exception | None = None
        self.calls = 0

    async def _made(self, tx: Transaction, message: Message[KiteMade]) -> None:
        tx.insert(Heard(kite_id=message.data.kite_id, version=message.aggregateversion, fact="made"))

    async def _flown(self, tx: Transaction, message: Message[KiteFlown]) -> None:
        self.calls += 1
        fact = message.data
        if fact.kite_id in self.storms:
            raise self.failing_with or ValueError("a storm")
        tx.increase(Sky, {"place": "steppe", "on": fact.on}, flights=1, metres=fact.metres)
        tx.insert(Heard(kite_id=fact.kite_id, version=message.aggregateversion, fact="flown"))


# --- commands and routes --------------------------------------------------------------------------------------------


class MakeKite(Form):
    """A kite to be made."""

    id: OptionalId = None
    name: Text
    length_cm: Annotated[int, Must(strict=True)] = 100
    note: Text | None = None


class FlyKite(Form):
    """A flight."""

    metres: WholeNumber
    on: PastDay


class RenameKite(Form):
    """Another name for a kite."""

    name: Text


class KiteView(View):
    """A kite."""

    id: UUID
    version: int
    name: str


class MadeKite(KiteView):
    """A kite, and who made it."""

    by: str


class Everything(Form):
    """Every type that forms are made of."""

    text: Text | None = None
    code: Code | None = None
    region: RegionCode | None = None
    whole: WholeNumber | None = None
    flag: Flag | None = None
    instant: Instant | None = None
    day: Day | None = None
    past_day: PastDay | None = None
    name: Trilingual | None = None
    money: Money | None = None
    price: PositiveMoney | None = None
    iin: Iin | None = None
    bin: Bin | None = None
    phone: Phone | None = None
    id: UUID | None = None
    codes: Annotated[list[Code], Must(max_length=20)] = Must(default_factory=list)


async def make_kite(tx: Transaction, form: MakeKite, *, now: datetime) -> Kite:
    if form.length_cm == 0:
        raise TooShort(pointer="/length_cm")
    kite = Kite(id=form.id or new_id(), name=form.name, length_cm=form.length_cm, note=form.note)
    tx.insert(kite)
    tx.announce(KiteMade(kite_id=kite.id, name=kite.name), at=now)
    return kite


async def fly_kite(tx: Transaction, kite_id: UUID, form: FlyKite, *, now: datetime) -> Kite:
    kite = await tx.get(Kite, kite_id, lock=True)
    if kite is None:
        raise KiteNotFound
    kite.flown_on = form.on
    tx.update(kite)
    tx.announce(KiteFlown(kite_id=kite.id, metres=form.metres, on=form.on), at=now, version=kite.version)
    return kite


async def rename_kite(tx: Transaction, kite_id: UUID, form: RenameKite, *, now: datetime) -> Kite:
    kite = await tx.get(Kite, kite_id, lock=True)
    if kite is None:
        raise KiteNotFound
    if kite.name != form.name:
        kite.name = form.name
        tx.update(kite)
        tx.announce(KiteMade(kite_id=kite.id, name=kite.name), at=now, version=kite.version)
    return kite


routes = router("/v1/kites", tags=["kites"])
_writes = [permits(Permission.WRITE_VOLUNTEERS)]
_reads = [permits(Permission.READ_VOLUNTEERS)]
_BY_NAME = select(Kite.__table__).order_by(Kite.__table__.c.name)  # type: ignore[attr-defined]


@routes.post("", status_code=status.HTTP_201_CREATED, dependencies=_writes)
async def make(form: MakeKite, response: Response, tx: Tx, now: Now, caller: Caller) -> MadeKite:
    kite = await make_kite(tx, form, now=now)
    response.headers["Location"] = f"/v1/kites/{kite.id}"
    return MadeKite(id=kite.id, version=kite.version, name=kite.name, by=caller.id)


@routes.post("/batches", status_code=status.HTTP_207_MULTI_STATUS, dependencies=_writes)
async def make_many(batch: Batch[MakeKite], tx: Tx, now: Now) -> Response:
    async def make_one(form: MakeKite) -> UUID | Repeated:
        if form.id is not None and await tx.get(Kite, form.id) is not None:
            return Repeated(form.id)
        return (await make_kite(tx, form, now=now)).id

    async def prepare(forms: list[MakeKite]) -> None:
        await tx.load(Kite, [form.id for form in forms if form.id is not None])

    return await batches.run(tx, batch, MakeKite, make_one, prepare=prepare)


@routes.post("/everything", dependencies=_writes)
async def take_everything(form: Everything, tx: Tx) -> dict[str, Any]:
    if form.text is not None:
        tx.insert(Kite(name=form.text, note=form.text))
    return form.model_dump(mode="json", exclude_none=True)


@routes.post("/crashes", dependencies=_writes)
async def crash(form: Everything, tx: Tx) -> None:
    tx.insert(Kite(name="never"))
    await tx.flush()
    raise RuntimeError(f"secret {form.text}")


@routes.get("", dependencies=_reads)
async def list_kites(tx: Tx, page: AskedPage, colour: str | None = None) -> Page[dict[str, Any]]:
    table: SqlTable = Kite.__table__  # type: ignore[attr-defined]
    statement = select(table.c.id, table.c.name).order_by(table.c.name, table.c.id).limit(page.fetch)
    if page.after is not None:
        statement = statement.where(table.c.name > page.after[0])
    if colour is not None:
        statement = statement.where(table.c.note == colour)
    rows = [dict(row) for row in await tx.fetch(statement)]
    return page.page(rows, lambda row: [row["name"]])


@routes.get("/{kite_id}", dependencies=_reads)
async def read_kite(kite_id: UUID, tx: Tx) -> KiteView:
    kite = await tx.get(Kite, kite_id)
    if kite is None:
        raise KiteNotFound
    return KiteView.model_validate(kite)


@routes.put("/{kite_id}", dependencies=_writes)
async def rename(kite_id: UUID, form: RenameKite, tx: Tx, now: Now) -> KiteView:
    return KiteView.model_validate(await rename_kite(tx, kite_id, form, now=now))


@routes.post("/{kite_id}/names", dependencies=_writes)
async def give_name(kite_id: UUID, form: RenameKite, tx: Tx, now: Now) -> KiteView:
    return KiteView.model_validate(await rename_kite(tx, kite_id, form, now=now))


@routes.post("/{kite_id}/flights", dependencies=_writes)
@needs_idempotency_key
async def fly(kite_id: UUID, form: FlyKite, tx: Tx, now: Now) -> dict[str, Any]:
    kite = await fly_kite(tx, kite_id, form, now=now)
    return {"version": kite.version}


class Kites:
    """The service, put together from its settings as every service is."""

    def __init__(self, settings: Settings) -> None:
        self.process = Process(SERVICE, settings, Base.metadata, migrations=Path(__file__).parent)

    def application(self) -> FastAPI:
        app = self.process.application("Kites", "What flies.")
        app.include_router(routes)
        return app

    def run(self, arguments: Sequence[str]) -> None:
        self.process.main(self.application, arguments)


async def create_tables(url: str, service_role: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(str(CreateSequence(numbers).compile(dialect=dialect())))
        for table in Base.metadata.sorted_tables:
            await connection.execute(str(CreateTable(table).compile(dialect=dialect())))
            for index in table.indexes:
                await connection.execute(str(CreateIndex(index).compile(dialect=dialect())))
        for statement in (*totals.COUNT_ANNOUNCED, *totals.COUNT_APPLIED):
            await connection.execute(statement)
        for statement in protection.statements(Base.metadata, service_role):
            await connection.execute(statement)
    finally:
        await connection.close()
