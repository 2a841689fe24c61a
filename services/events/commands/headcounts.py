"""Headcounts: helpers without registration and guests, as numbers."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.events import domain, queries
from services.events.schemas import TakeHeadcount
from services.events.tables import Event, Headcount
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.events import HeadcountTaken
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.ids import new_id


class LatestCounts:
    """The headcount that counts, of each of some events. The events are locked: their counts come one by one."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.of_event: dict[UUID, Headcount] = {}

    async def read(self, forms: Iterable[TakeHeadcount]) -> None:
        forms = list(forms)
        event_ids = list({form.event_id for form in forms})
        await self._tx.load(Event, event_ids, lock=True)
        await self._tx.load(Headcount, [form.id for form in forms if form.id is not None])
        rows = await self._tx.fetch(queries.LATEST_HEADCOUNTS, events=event_ids)
        self.of_event = {row["event_id"]: Headcount(**dict(row)) for row in rows}


async def take_headcount(
    tx: Transaction, form: TakeHeadcount, *, by: Principal, now: datetime, latest: LatestCounts | None = None
) -> tuple[Headcount, bool]:
    """Count those without registration; replaces the event's count before. Answers it, and whether it is new.

    Raises:
        EventUnknown, StatusDoesNotAllow: the event is a draft or cancelled.
        FutureEvent: it has not begun.
        AlreadyExists: another headcount has this id.
    """
    if latest is None:
        latest = LatestCounts(tx)
        await latest.read([form])
    event = await tx.get(Event, form.event_id, lock=True)
    if event is None:
        raise domain.EventUnknown(pointer="/event_id")
    known = None if form.id is None else await tx.get(Headcount, form.id)
    if known is not None:
        if any(getattr(known, name) != getattr(form, name) for name in TakeHeadcount.model_fields):
            raise AlreadyExists
        return known, False
    domain.require_status(event.status, domain.OPEN)
    domain.require_begun(event.starts_at, now=now)
    before = latest.of_event.get(event.id)
    headcount = Headcount(
        id=form.id or new_id(),
        event_id=event.id,
        number=before.number + 1 if before else 1,
        helpers=form.helpers,
        guests=form.guests,
        helpers_before=before.helpers if before else 0,
        guests_before=before.guests if before else 0,
        counted_by=form.counted_by,
        taken_by=by.id,
        taken_at=now,
    )
    tx.insert(headcount)
    latest.of_event[event.id] = headcount
    fact = HeadcountTaken(
        headcount_id=headcount.id,
        event_id=event.id,
        centre_id=event.centre_id,
        region=event.region,
        helpers=headcount.helpers,
        guests=headcount.guests,
        helpers_before=headcount.helpers_before,
        guests_before=headcount.guests_before,
        on=civil_day(event.starts_at),
    )
    tx.announce(fact, at=now)
    return headcount, True
