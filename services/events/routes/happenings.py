"""Events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response, status

from services.events import commands, queries
from services.events.domain import (
    CampaignUnknown,
    CentreIsClosed,
    CentreUnknown,
    EndsBeforeItBegins,
    EventIsCounted,
    EventNotFound,
    EventTooLong,
    FormatUnknown,
    FutureEvent,
    ShiftOutsideEvent,
    StatusDoesNotAllow,
)
from services.events.schemas import (
    CancelEvent,
    CancelEventRow,
    ChangeEvent,
    CreateEvent,
    EventStatus,
    EventView,
    HoldEvent,
    HoldEventRow,
    PublishEvent,
    PublishEventRow,
)
from services.events.tables import Event, KnownCampaign, KnownCentre
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.forms import Day
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/events", tags=["events"])

_PLANNING = (EndsBeforeItBegins, EventTooLong, FormatUnknown, CampaignUnknown)
_NOTHING_TO_SAY = PublishEvent()
_NO_RESULT = HoldEvent()


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_PLANNING, CentreUnknown, CentreIsClosed, AlreadyExists),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def create_event(form: CreateEvent, response: Response, tx: Tx, caller: Caller, now: Now) -> EventView:
    """Plan an event, or announce it at once. The same request again answers 200 with the same event."""
    event, new = await commands.create_event(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/events/{event.id}"
    return EventView.model_validate(event)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def create_events(batch: Batch[CreateEvent], tx: Tx, caller: Caller, now: Now) -> Response:
    """Create up to 500 events; each row has its own answer."""

    async def look_up(rows: list[CreateEvent]) -> None:
        await tx.load(KnownCentre, [row.centre_id for row in rows])
        await tx.load(KnownCampaign, [row.campaign_id for row in rows if row.campaign_id is not None])
        await tx.load(Event, [row.id for row in rows if row.id is not None])

    async def create_one(form: CreateEvent) -> UUID | Repeated:
        event, new = await commands.create_event(tx, form, by=caller, now=now)
        return event.id if new else Repeated(event.id)

    return await batches.run(tx, batch, CreateEvent, create_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_EVENTS)])
async def list_events(
    tx: Tx,
    page: AskedPage,
    status: EventStatus | None = None,
    centre_id: UUID | None = None,
    campaign_id: UUID | None = None,
    first: Annotated[Day | None, Query(alias="from", description="Civil day in Almaty, included.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="Civil day in Almaty, included.")] = None,
) -> Page[EventView]:
    """Events in the order in which they begin. A centre's drafts are for its staff, internal events for its members."""
    rows = await queries.list_events(
        tx, page, status=status, centre_id=centre_id, campaign_id=campaign_id, first=first, last=last
    )
    return page.page(
        [EventView.model_validate(dict(row)) for row in rows],
        lambda event: [event.starts_at.isoformat(), str(event.id)],
    )


@router.get("/{event_id}", responses=refusals(EventNotFound), dependencies=[permits(Permission.READ_EVENTS)])
async def read_event(event_id: UUID, tx: Tx) -> EventView:
    """One event."""
    event = await tx.get(Event, event_id)
    if event is None:
        raise EventNotFound
    return EventView.model_validate(event)


@router.put(
    "/{event_id}",
    responses=refusals(EventNotFound, StatusDoesNotAllow, ShiftOutsideEvent, EventIsCounted, *_PLANNING),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def change_event(event_id: UUID, form: ChangeEvent, tx: Tx, caller: Caller, now: Now) -> EventView:
    """Give an event that is still to come other words, another time or campaign."""
    return EventView.model_validate(await commands.change_event(tx, event_id, form, by=caller, now=now))


@router.post(
    "/{event_id}/publications",
    responses=refusals(EventNotFound, StatusDoesNotAllow),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def publish_event(
    event_id: UUID,
    tx: Tx,
    caller: Caller,
    now: Now,
    form: PublishEvent = _NOTHING_TO_SAY,  # noqa: ARG001  # taken, so that an unknown field is refused
) -> EventView:
    """Announce a draft: people may sign up for its shifts."""
    return EventView.model_validate(await commands.publish_event(tx, event_id, by=caller, now=now))


@router.post(
    "/publications/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def publish_events(batch: Batch[PublishEventRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Announce up to 500 drafts; each row has its own answer."""

    async def publish_one(row: PublishEventRow) -> UUID:
        return (await commands.publish_event(tx, row.event_id, by=caller, now=now)).id

    return await batches.run(tx, batch, PublishEventRow, publish_one, prepare=_locks(tx), status=status.HTTP_200_OK)


@router.post(
    "/{event_id}/holdings",
    responses=refusals(EventNotFound, StatusDoesNotAllow, FutureEvent),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def hold_event(event_id: UUID, tx: Tx, caller: Caller, now: Now, form: HoldEvent = _NO_RESULT) -> EventView:
    """Note that an event took place: from now on it counts."""
    return EventView.model_validate(await commands.hold_event(tx, event_id, form, by=caller, now=now))


@router.post(
    "/holdings/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def hold_events(batch: Batch[HoldEventRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Note that up to 500 events took place; each row has its own answer."""

    async def hold_one(row: HoldEventRow) -> UUID:
        return (await commands.hold_event(tx, row.event_id, row, by=caller, now=now)).id

    return await batches.run(tx, batch, HoldEventRow, hold_one, prepare=_locks(tx), status=status.HTTP_200_OK)


@router.post(
    "/{event_id}/cancellations",
    responses=refusals(EventNotFound, StatusDoesNotAllow),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def cancel_event(event_id: UUID, form: CancelEvent, tx: Tx, caller: Caller, now: Now) -> EventView:
    """Call an event and its shifts off, and say why."""
    return EventView.model_validate(await commands.cancel_event(tx, event_id, form, by=caller, now=now))


@router.post(
    "/cancellations/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def cancel_events(batch: Batch[CancelEventRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Call up to 500 events off; each row has its own answer."""

    async def cancel_one(row: CancelEventRow) -> UUID:
        return (await commands.cancel_event(tx, row.event_id, row, by=caller, now=now)).id

    return await batches.run(tx, batch, CancelEventRow, cancel_one, prepare=_locks(tx), status=status.HTTP_200_OK)


def _locks(tx: Tx) -> Any:
    async def lock(rows: list[PublishEventRow] | list[HoldEventRow] | list[CancelEventRow]) -> None:
        await tx.load(Event, [row.event_id for row in rows], lock=True)

    return lock
