"""Assignments: who leads and coordinates what, where and for how long."""

from datetime import datetime
from typing import Any
from uuid import UUID

from services.volunteers import domain
from services.volunteers.commands.centres import working_centre
from services.volunteers.commands.repeats import made_before
from services.volunteers.reference import DIRECTIONS
from services.volunteers.schemas import EndAssignment, MakeAssignment
from services.volunteers.tables import Assignment
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.volunteers import AssignmentEnded, AssignmentMade
from shared.database import Transaction
from shared.ids import new_id


async def make_assignment(
    tx: Transaction, form: MakeAssignment, *, by: Principal, now: datetime
) -> tuple[Assignment, bool]:
    """Give a person a direction of a centre's work; answers it, and whether it is new: a repeat makes nothing.

    Raises:
        CentreUnknown, CentreIsClosed, DirectionUnknown
        AlreadyExists: another assignment has this id.
    """
    said = {"person_name": form.person_name, "centre_id": form.centre_id, "direction": form.direction}
    if known := await made_before(tx, Assignment, form.id, **said, role=form.role):
        return known, False
    if form.direction not in DIRECTIONS:
        raise domain.DirectionUnknown(pointer="/direction")
    from_on = form.from_on or civil_day(now)
    centre = await working_centre(tx, form.centre_id, on=from_on)
    assignment = Assignment(
        id=form.id or new_id(),
        person_id=form.person_id or new_id(),
        person_name=form.person_name,
        centre_id=centre.id,
        region=centre.region,
        direction=form.direction,
        role=form.role,
        from_on=from_on,
        changed_by=by.id,
        changed_at=now,
    )
    tx.insert(assignment)
    tx.announce(AssignmentMade(**_fact(assignment), from_on=from_on), at=now, version=assignment.version)
    return assignment, True


async def end_assignment(
    tx: Transaction, assignment_id: UUID, form: EndAssignment, *, by: Principal, now: datetime
) -> Assignment:
    """End an assignment after a last day.

    Raises:
        AssignmentNotFound, AssignmentHasEnded, EndsBeforeItBegins
    """
    assignment = await tx.get(Assignment, assignment_id, lock=True)
    if assignment is None:
        raise domain.AssignmentNotFound
    if assignment.until_on is not None:
        raise domain.AssignmentHasEnded
    until_on = form.until_on or civil_day(now)
    if until_on < assignment.from_on:
        raise domain.EndsBeforeItBegins(pointer="/until_on")
    assignment.until_on, assignment.changed_by, assignment.changed_at = until_on, by.id, now
    tx.update(assignment)
    tx.announce(AssignmentEnded(**_fact(assignment), until_on=until_on), at=now, version=assignment.version)
    return assignment


def _fact(assignment: Assignment) -> dict[str, Any]:
    return {
        "assignment_id": assignment.id,
        "person_id": assignment.person_id,
        "centre_id": assignment.centre_id,
        "region": assignment.region,
        "direction": assignment.direction,
        "role": assignment.role,
    }
