"""Centres."""

from uuid import UUID

from fastapi import Response, status

from services.volunteers import commands, queries
from services.volunteers.domain import (
    CentreIsClosed,
    CentreNotFound,
    CentreUnknown,
    EndsBeforeItBegins,
    RegionNotYetFormed,
    RegionUnknown,
)
from services.volunteers.schemas import CentreView, ChangeCentre, CloseCentre, OpenCentre
from services.volunteers.tables import Centre
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.paging import AskedPage, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1/centres", tags=["centres"])
_OPENING = (RegionUnknown, RegionNotYetFormed, CentreUnknown, AlreadyExists)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_OPENING),
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def open_centre(form: OpenCentre, response: Response, tx: Tx, caller: Caller, now: Now) -> CentreView:
    """Open a centre."""
    centre, new = await commands.open_centre(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/centres/{centre.id}"
    return CentreView.model_validate(centre)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def open_centres(batch: Batch[OpenCentre], tx: Tx, caller: Caller, now: Now) -> Response:
    """Open up to 500 centres; each row has its own answer."""

    async def open_one(form: OpenCentre) -> UUID | Repeated:
        centre, new = await commands.open_centre(tx, form, by=caller, now=now)
        return centre.id if new else Repeated(centre.id)

    return await batches.run(
        tx, batch, OpenCentre, open_one, prepare=lambda rows: tx.load(Centre, [row.id for row in rows if row.id])
    )


@router.get("", dependencies=[permits(Permission.READ_CENTRES)])
async def list_centres(tx: Tx, page: AskedPage, kind: str | None = None, region: str | None = None) -> Page[CentreView]:
    """Centres, by kind and region."""
    rows = await queries.list_centres(tx, page, kind=kind, region=region)
    return page.page([CentreView.model_validate(dict(row)) for row in rows], lambda centre: [str(centre.id)])


@router.get("/{centre_id}", responses=refusals(CentreNotFound), dependencies=[permits(Permission.READ_CENTRES)])
async def read_centre(centre_id: UUID, tx: Tx) -> CentreView:
    """One centre."""
    centre = await tx.get(Centre, centre_id)
    if centre is None:
        raise CentreNotFound
    return CentreView.model_validate(centre)


@router.put(
    "/{centre_id}",
    responses=refusals(CentreNotFound, CentreUnknown),
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def change_centre(centre_id: UUID, form: ChangeCentre, tx: Tx, caller: Caller, now: Now) -> CentreView:
    """Change a centre's names, kind or parent."""
    return CentreView.model_validate(await commands.change_centre(tx, centre_id, form, by=caller, now=now))


@router.post(
    "/{centre_id}/closures",
    responses=refusals(CentreNotFound, CentreIsClosed, EndsBeforeItBegins),
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def close_centre(centre_id: UUID, form: CloseCentre, tx: Tx, caller: Caller, now: Now) -> CentreView:
    """End a centre's work."""
    return CentreView.model_validate(await commands.close_centre(tx, centre_id, form, by=caller, now=now))
