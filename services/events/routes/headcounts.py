"""Headcounts of those who came without registration."""

from uuid import UUID

from fastapi import Response, status

from services.events import commands, queries
from services.events.domain import EventUnknown, FutureEvent, HeadcountNotFound, StatusDoesNotAllow
from services.events.schemas import HeadcountView, TakeHeadcount
from services.events.tables import Headcount
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

router = _router("/v1/headcounts", tags=["headcounts"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(EventUnknown, StatusDoesNotAllow, FutureEvent, AlreadyExists),
    dependencies=[permits(Permission.RECORD_ATTENDANCE)],
)
async def take_headcount(form: TakeHeadcount, response: Response, tx: Tx, caller: Caller, now: Now) -> HeadcountView:
    """Count those without registration. A later count of the same event replaces the one before."""
    headcount, new = await commands.take_headcount(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/headcounts/{headcount.id}"
    return HeadcountView.model_validate(headcount)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.RECORD_ATTENDANCE)],
)
async def take_headcounts(batch: Batch[TakeHeadcount], tx: Tx, caller: Caller, now: Now) -> Response:
    """Take up to 500 headcounts; each row has its own answer."""
    latest = commands.LatestCounts(tx)

    async def take_one(form: TakeHeadcount) -> UUID | Repeated:
        headcount, new = await commands.take_headcount(tx, form, by=caller, now=now, latest=latest)
        return headcount.id if new else Repeated(headcount.id)

    return await batches.run(tx, batch, TakeHeadcount, take_one, prepare=latest.read)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_SIGN_UPS)])
async def list_headcounts(tx: Tx, page: AskedPage, event_id: UUID | None = None) -> Page[HeadcountView]:
    """Headcounts, of one event or all; of each event the one with the highest number counts."""
    rows = await queries.list_headcounts(tx, page, event_id=event_id)
    return page.page([HeadcountView.model_validate(dict(row)) for row in rows], lambda count: [str(count.id)])


@router.get("/{headcount_id}", responses=refusals(HeadcountNotFound), dependencies=[permits(Permission.READ_SIGN_UPS)])
async def read_headcount(headcount_id: UUID, tx: Tx) -> HeadcountView:
    """One headcount."""
    headcount = await tx.get(Headcount, headcount_id)
    if headcount is None:
        raise HeadcountNotFound
    return HeadcountView.model_validate(headcount)
