"""Events: created, published, changed, held or cancelled."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.events import domain, queries
from services.events.domain import Span
from services.events.reference import FORMATS
from services.events.schemas import CancelEvent, ChangeEvent, CreateEvent, HoldEvent, PlanEvent
from services.events.tables import Event, KnownCampaign, KnownCentre, Shift
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.events import EventCancelled, EventChanged, EventDrafted, EventHeld, EventPublished
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.ids import new_id

_CHANGEABLE = frozenset({"draft", "published"})


async def create_event(tx: Transaction, form: CreateEvent, *, by: Principal, now: datetime) -> tuple[Event, bool]:
    """Plan an event, or announce it at once; answers it, and whether it is new: the same request makes it once.

    Raises:
        EndsBeforeItBegins, EventTooLong, FormatUnknown, CampaignUnknown, CentreUnknown, CentreIsClosed
        AlreadyExists: another event has this id.
    """
    await _require_plan(tx, form)
    centre = await tx.get(KnownCentre, form.centre_id)
    if centre is None:
        raise domain.CentreUnknown(pointer="/centre_id")
    if centre.closed_on is not None and civil_day(form.starts_at) > centre.closed_on:
        raise domain.CentreIsClosed(pointer="/centre_id")
    known = None if form.id is None else await tx.get(Event, form.id)
    if known is not None:
        if known.centre_id != form.centre_id or _differs(known, form):
            raise AlreadyExists
        return known, False
    event = Event(
        id=form.id or new_id(),
        status=form.status,
        centre_id=centre.id,
        region=centre.region,
        **_plan(form),
        changed_by=by.id,
        changed_at=now,
    )
    tx.insert(event)
    fact = EventDrafted if event.status == "draft" else EventPublished
    tx.announce(fact(**_fact(event, was=None)), at=now, version=event.version)
    return event, True


async def change_event(tx: Transaction, event_id: UUID, form: ChangeEvent, *, by: Principal, now: datetime) -> Event:
    """Give an event that is still to come other words, another time or campaign.

    Raises:
        EventNotFound, EndsBeforeItBegins, EventTooLong, FormatUnknown, CampaignUnknown
        StatusDoesNotAllow: it was held or cancelled.
        ShiftOutsideEvent: one of its shifts would be.
        EventIsCounted: it would move to another day.
    """
    event = await _locked(tx, event_id)
    domain.require_status(event.status, _CHANGEABLE)
    await _require_plan(tx, form)
    if not _differs(event, form):
        return event
    shifts = await tx.fetch_one(queries.TIME_OF_SHIFTS, event_id=event_id)
    if shifts is not None and shifts["starts_at"] is not None:
        domain.require_shift_time(
            Span(shifts["starts_at"], shifts["ends_at"]), event=Span(form.starts_at, form.ends_at)
        )
    was_on, was_campaign_id = civil_day(event.starts_at), event.campaign_id
    # A headcount counts for the event's day, and has been announced for it.
    if civil_day(form.starts_at) != was_on and await tx.fetch(queries.LATEST_HEADCOUNTS, events=[event_id]):
        raise domain.EventIsCounted(pointer="/starts_at")
    for name, value in _plan(form).items():
        setattr(event, name, value)
    _change(tx, event, by, now)
    fact = EventChanged(**_fact(event, was=event.status), was_on=was_on, was_campaign_id=was_campaign_id)
    tx.announce(fact, at=now, version=event.version)
    return event


async def publish_event(tx: Transaction, event_id: UUID, *, by: Principal, now: datetime) -> Event:
    """Announce a draft.

    Raises:
        EventNotFound, StatusDoesNotAllow
    """
    event = await _locked(tx, event_id)
    was, event.status = event.status, domain.next_status("publish", now=event.status)
    _change(tx, event, by, now)
    tx.announce(EventPublished(**_fact(event, was=was)), at=now, version=event.version)
    return event


async def hold_event(tx: Transaction, event_id: UUID, form: HoldEvent, *, by: Principal, now: datetime) -> Event:
    """Note that an event took place: from now on it counts.

    Raises:
        EventNotFound, StatusDoesNotAllow
        FutureEvent: it has not begun.
    """
    event = await _locked(tx, event_id)
    after = domain.next_status("hold", now=event.status)
    domain.require_begun(event.starts_at, now=now)
    was, event.status, event.result = event.status, after, form.result
    _change(tx, event, by, now)
    tx.announce(EventHeld(**_fact(event, was=was)), at=now, version=event.version)
    return event


async def cancel_event(tx: Transaction, event_id: UUID, form: CancelEvent, *, by: Principal, now: datetime) -> Event:
    """Call an event and its shifts off.

    Raises:
        EventNotFound, StatusDoesNotAllow
    """
    event = await _locked(tx, event_id)
    was, event.status = event.status, domain.next_status("cancel", now=event.status)
    event.cancelled_because = form.reason
    _change(tx, event, by, now)
    # Whoever signs up holds the shift's lock: after this, nobody does for an event that is off.
    shift_ids = [row["id"] for row in await tx.fetch(queries.SHIFTS_OF_EVENT, event_id=event_id)]
    for shift in (await tx.load(Shift, shift_ids, lock=True)).values():
        shift.called_off = True
        tx.update(shift)
    fact = EventCancelled(**_fact(event, was=was), reason=form.reason)
    tx.announce(fact, at=now, version=event.version)
    return event


async def _locked(tx: Transaction, event_id: UUID) -> Event:
    event = await tx.get(Event, event_id, lock=True)
    if event is None:
        raise domain.EventNotFound
    return event


async def _require_plan(tx: Transaction, form: PlanEvent) -> None:
    domain.require_event_time(Span(form.starts_at, form.ends_at))
    if form.format not in FORMATS:
        raise domain.FormatUnknown(pointer="/format")
    if form.campaign_id is not None and await tx.get(KnownCampaign, form.campaign_id) is None:
        raise domain.CampaignUnknown(pointer="/campaign_id")


def _plan(form: PlanEvent) -> dict[str, Any]:
    return {
        "format": form.format,
        "direction": form.direction,
        "campaign_id": form.campaign_id,
        "title": form.title.filled(),
        "venue": form.venue,
        "starts_at": form.starts_at,
        "ends_at": form.ends_at,
        "public": form.public,
    }


def _differs(event: Event, form: PlanEvent) -> bool:
    return any(getattr(event, name) != value for name, value in _plan(form).items())


def _change(tx: Transaction, event: Event, by: Principal, now: datetime) -> None:
    event.changed_by, event.changed_at = by.id, now
    tx.update(event)


def _fact(event: Event, *, was: str | None) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "centre_id": event.centre_id,
        "region": event.region,
        "was": was,
        "status": event.status,
        "format": event.format,
        "direction": event.direction,
        "campaign_id": event.campaign_id,
        "title": event.title,
        "public": event.public,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "on": civil_day(event.starts_at),
    }
