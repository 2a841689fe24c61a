"""Shifts."""

from uuid import UUID

from fastapi import Response, status

from services.events import commands, queries
from services.events.domain import (
    EndsBeforeItBegins,
    EventUnknown,
    ShiftNotFound,
    ShiftOutsideEvent,
    StatusDoesNotAllow,
)
from services.events.schemas import OpenShift, ShiftView
from services.events.tables import Event, Shift
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/shifts", tags=["shifts"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(EventUnknown, StatusDoesNotAllow, EndsBeforeItBegins, ShiftOutsideEvent, AlreadyExists),
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def open_shift(form: OpenShift, response: Response, tx: Tx, caller: Caller, now: Now) -> ShiftView:
    """Open a shift of an event. The same request again answers 200 with the same shift."""
    shift, new = await commands.open_shift(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/shifts/{shift.id}"
    return ShiftView.model_validate(shift)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_EVENTS)],
)
async def open_shifts(batch: Batch[OpenShift], tx: Tx, caller: Caller, now: Now) -> Response:
    """Open up to 500 shifts; each row has its own answer."""

    async def look_up(rows: list[OpenShift]) -> None:
        await tx.load(Event, [row.event_id for row in rows], lock=True)
        await tx.load(Shift, [row.id for row in rows if row.id is not None])

    async def open_one(form: OpenShift) -> UUID | Repeated:
        shift, new = await commands.open_shift(tx, form, by=caller, now=now)
        return shift.id if new else Repeated(shift.id)

    return await batches.run(tx, batch, OpenShift, open_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_EVENTS)])
async def list_shifts(tx: Tx, page: AskedPage, event_id: UUID) -> Page[ShiftView]:
    """The shifts of an event in the order in which they begin."""
    rows = await queries.list_shifts(tx, page, event_id=event_id)
    return page.page(
        [ShiftView.model_validate(dict(row)) for row in rows],
        lambda shift: [shift.starts_at.isoformat(), str(shift.id)],
    )


@router.get("/{shift_id}", responses=refusals(ShiftNotFound), dependencies=[permits(Permission.READ_EVENTS)])
async def read_shift(shift_id: UUID, tx: Tx) -> ShiftView:
    """One shift."""
    shift = await tx.get(Shift, shift_id)
    if shift is None:
        raise ShiftNotFound
    return ShiftView.model_validate(shift)
