"""Assignments of leaders and coordinators."""

from uuid import UUID

from fastapi import Response, status

from services.volunteers import commands, queries
from services.volunteers.domain import (
    AssignmentHasEnded,
    AssignmentNotFound,
    CentreIsClosed,
    CentreUnknown,
    DirectionUnknown,
    EndsBeforeItBegins,
)
from services.volunteers.schemas import AssignmentView, EndAssignment, EndAssignmentRow, MakeAssignment
from services.volunteers.tables import Assignment, Centre
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

router = _router("/v1/assignments", tags=["assignments"])


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(CentreUnknown, CentreIsClosed, DirectionUnknown, AlreadyExists),
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def make_assignment(form: MakeAssignment, response: Response, tx: Tx, caller: Caller, now: Now) -> AssignmentView:
    """Give a person a direction of a centre's work."""
    assignment, new = await commands.make_assignment(tx, form, by=caller, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/assignments/{assignment.id}"
    return AssignmentView.model_validate(assignment)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def make_assignments(batch: Batch[MakeAssignment], tx: Tx, caller: Caller, now: Now) -> Response:
    """Make up to 500 assignments; each row has its own answer."""

    async def prepare(rows: list[MakeAssignment]) -> None:
        await tx.load(Assignment, [row.id for row in rows if row.id])
        await tx.load(Centre, [row.centre_id for row in rows])

    async def make_one(form: MakeAssignment) -> UUID | Repeated:
        assignment, new = await commands.make_assignment(tx, form, by=caller, now=now)
        return assignment.id if new else Repeated(assignment.id)

    return await batches.run(tx, batch, MakeAssignment, make_one, prepare=prepare)


@router.get("", dependencies=[permits(Permission.READ_ASSIGNMENTS)])
async def list_assignments(tx: Tx, page: AskedPage, centre_id: UUID | None = None) -> Page[AssignmentView]:
    """Assignments, of one centre or all."""
    rows = await queries.list_assignments(tx, page, centre_id=centre_id)
    return page.page([AssignmentView.model_validate(dict(row)) for row in rows], lambda row: [str(row.id)])


@router.post(
    "/{assignment_id}/endings",
    responses=refusals(AssignmentNotFound, AssignmentHasEnded, EndsBeforeItBegins),
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def end_assignment(assignment_id: UUID, form: EndAssignment, tx: Tx, caller: Caller, now: Now) -> AssignmentView:
    """End an assignment."""
    return AssignmentView.model_validate(await commands.end_assignment(tx, assignment_id, form, by=caller, now=now))


@router.post(
    "/endings/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.MANAGE_CENTRES)],
)
async def end_assignments(batch: Batch[EndAssignmentRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """End up to 500 assignments; each row has its own answer."""

    async def end_one(row: EndAssignmentRow) -> UUID:
        return (await commands.end_assignment(tx, row.assignment_id, row, by=caller, now=now)).id

    return await batches.run(
        tx,
        batch,
        EndAssignmentRow,
        end_one,
        prepare=lambda rows: tx.load(Assignment, [row.assignment_id for row in rows], lock=True),
        status=status.HTTP_200_OK,
    )
