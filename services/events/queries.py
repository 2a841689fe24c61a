"""Every question the events service answers; never writes."""

from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, Select, Uuid, and_, any_, bindparam, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import SQLModel, col

from services.events.tables import Event, Headcount, KnownCentre, Shift, SignUp
from shared.clock import CIVIL_ZONE
from shared.database import Transaction
from shared.paging import Paging
from shared.rows import restored, table_of

Rows = list[asyncpg.Record]
Row = TypeVar("Row", bound=SQLModel)


def _given(name: str) -> Any:
    """One of the ids that the query is given."""
    return any_(bindparam(name, type_=ARRAY(Uuid())))


SHIFTS_TO_FILL = (
    select(
        table_of(Shift),
        col(Event.status).label("event_status"),
        col(Event.centre_id),
        col(Event.region),
        func.coalesce(col(KnownCentre.changeover_minutes), 0).label("changeover_minutes"),
    )
    .join(table_of(Event), col(Event.id) == col(Shift.event_id))
    .outerjoin(table_of(KnownCentre), col(KnownCentre.id) == col(Event.centre_id))
    .where(col(Shift.id) == _given("shifts"))
    .order_by(col(Shift.id))
    .with_for_update(key_share=True, of=table_of(Shift))
)
"""Locks the shifts in the order of their ids. What it tells of the event may be older than the lock (`called_off`)."""
# Not joined: among the first few events of a network the database would begin with those, and go on so for a while.
_STATUS_OF_ITS_EVENT = select(col(Event.status)).where(col(Event.id) == col(SignUp.event_id)).scalar_subquery()
PLACES = select(table_of(SignUp), _STATUS_OF_ITS_EVENT.label("event_status")).where(
    or_(
        col(SignUp.id) == _given("ids"),
        and_(
            col(SignUp.volunteer_id) == _given("volunteers"),
            col(SignUp.withdrawn_at).is_(None),
            col(SignUp.ends_at) > bindparam("begin"),
            col(SignUp.starts_at) < bindparam("end"),
        ),
    )
)
"""Sign-ups with these ids, and all confirmed ones of these volunteers in a time."""
PLACES_AHEAD = select(col(SignUp.id)).where(
    col(SignUp.volunteer_id) == bindparam("volunteer_id"),
    col(SignUp.withdrawn_at).is_(None),
    col(SignUp.attendance).is_(None),
    col(SignUp.starts_at) > bindparam("now"),
)
_TO_EXPORT = """
SELECT signup.id, event.title, shift.role, signup.starts_at, signup.ends_at, signup.confirmed_at, signup.withdrawn_at,
    signup.attendance, signup.centre_id, signup.event_id
FROM signup JOIN event ON event.id = signup.event_id JOIN shift ON shift.id = signup.shift_id
WHERE signup.volunteer_id = $1 ORDER BY signup.starts_at, signup.id
"""
SHIFTS_OF_EVENT = select(col(Shift.id)).where(col(Shift.event_id) == bindparam("event_id"))
TIME_OF_SHIFTS = select(
    func.min(col(Shift.starts_at)).label("starts_at"), func.max(col(Shift.ends_at)).label("ends_at")
).where(col(Shift.event_id) == bindparam("event_id"))
LATEST_HEADCOUNTS = (
    select(table_of(Headcount))
    .where(col(Headcount.event_id) == _given("events"))
    .order_by(col(Headcount.event_id), col(Headcount.number).desc())
    .ext(distinct_on(col(Headcount.event_id)))
)


def row_of(table_class: type[Row], record: asyncpg.Record) -> Row:
    """The row of one table out of a record that holds more."""
    return restored(table_class, {name: record[name] for name in table_class.model_fields})


async def list_events(
    tx: Transaction,
    page: Paging,
    *,
    status: str | None,
    centre_id: UUID | None,
    campaign_id: UUID | None,
    first: date | None,
    last: date | None,
) -> Rows:
    """Events in the order in which they begin, one more than the page; `first` and `last` are civil days."""
    query = select(table_of(Event)).order_by(col(Event.starts_at), col(Event.id)).limit(page.fetch)
    if status is not None:
        query = query.where(col(Event.status) == status)
    if centre_id is not None:
        query = query.where(col(Event.centre_id) == centre_id)
    if campaign_id is not None:
        query = query.where(col(Event.campaign_id) == campaign_id)
    if first is not None:
        query = query.where(col(Event.starts_at) >= _midnight(first))
    if last is not None:
        query = query.where(col(Event.starts_at) < _midnight(last + timedelta(days=1)))
    if page.after is not None:
        begun, event_id = page.after
        after = tuple_(datetime.fromisoformat(begun), UUID(event_id))
        query = query.where(tuple_(col(Event.starts_at), col(Event.id)) > after)
    return await tx.fetch(query)


async def list_shifts(tx: Transaction, page: Paging, *, event_id: UUID) -> Rows:
    """Shifts of an event in the order in which they begin, one more than the page."""
    query = (
        select(table_of(Shift))
        .where(col(Shift.event_id) == event_id)
        .order_by(col(Shift.starts_at), col(Shift.id))
        .limit(page.fetch)
    )
    if page.after is not None:
        begun, shift_id = page.after
        after = tuple_(datetime.fromisoformat(begun), UUID(shift_id))
        query = query.where(tuple_(col(Shift.starts_at), col(Shift.id)) > after)
    return await tx.fetch(query)


async def list_sign_ups(
    tx: Transaction, page: Paging, *, shift_id: UUID | None, event_id: UUID | None, volunteer_id: UUID | None
) -> Rows:
    """Sign-ups in the order of their ids, one more than the page."""
    query = select(table_of(SignUp))
    if shift_id is not None:
        query = query.where(col(SignUp.shift_id) == shift_id)
    if event_id is not None:
        query = query.where(col(SignUp.event_id) == event_id)
    if volunteer_id is not None:
        query = query.where(col(SignUp.volunteer_id) == volunteer_id)
    return await tx.fetch(_by_id(query, col(SignUp.id), page))


async def sign_ups_to_export(tx: Transaction, volunteer_id: UUID) -> Rows:
    """All places of a volunteer, with what their events are called."""
    return await tx.sql(_TO_EXPORT, volunteer_id)


async def list_headcounts(tx: Transaction, page: Paging, *, event_id: UUID | None) -> Rows:
    """Headcounts in the order of their ids, one more than the page."""
    query = select(table_of(Headcount))
    if event_id is not None:
        query = query.where(col(Headcount.event_id) == event_id)
    return await tx.fetch(_by_id(query, col(Headcount.id), page))


def _by_id(query: Select[Any], identity: Any, page: Paging) -> Select[Any]:
    if page.after is not None:
        query = query.where(identity > UUID(page.after[0]))
    return query.order_by(identity).limit(page.fetch)


def _midnight(day: date) -> datetime:
    """The instant at which a civil day begins."""
    return datetime.combine(day, time(), CIVIL_ZONE)
