"""Declared estimates of volunteers without registration."""

from uuid import UUID

from fastapi import Response, status

from services.volunteers import commands, queries
from services.volunteers.domain import CentreIsClosed, CentreUnknown, DeclarationOutOfOrder
from services.volunteers.schemas import DeclarationView, DeclareVolunteers
from services.volunteers.tables import Centre, Declaration
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

router = _router("/v1/declarations", tags=["declarations"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(CentreUnknown, CentreIsClosed, DeclarationOutOfOrder, AlreadyExists),
    dependencies=[permits(Permission.WRITE_VOLUNTEERS)],
)
async def declare_volunteers(
    form: DeclareVolunteers, response: Response, tx: Tx, caller: Caller, now: Now
) -> DeclarationView:
    """Declare a centre's estimate; it replaces the one before."""
    declaration, new = await commands.declare_volunteers(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    return DeclarationView.model_validate(declaration)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_VOLUNTEERS)],
)
async def declare_many(batch: Batch[DeclareVolunteers], tx: Tx, caller: Caller, now: Now) -> Response:
    """Declare up to 500 estimates; each row has its own answer."""

    async def prepare(rows: list[DeclareVolunteers]) -> None:
        await tx.load(Declaration, [row.id for row in rows if row.id])
        await tx.load(Centre, [row.centre_id for row in rows], lock=True)

    async def declare_one(form: DeclareVolunteers) -> UUID | Repeated:
        declaration, new = await commands.declare_volunteers(tx, form, by=caller, now=now)
        return declaration.id if new else Repeated(declaration.id)

    return await batches.run(
        tx,
        batch,
        DeclareVolunteers,
        declare_one,
        prepare=prepare,
    )


@router.get("", dependencies=[permits(Permission.READ_VOLUNTEERS)])
async def list_declarations(tx: Tx, page: AskedPage, centre_id: UUID | None = None) -> Page[DeclarationView]:
    """Declared estimates, of one centre or all."""
    rows = await queries.list_declarations(tx, page, centre_id=centre_id)
    return page.page([DeclarationView.model_validate(dict(row)) for row in rows], lambda row: [str(row.id)])
