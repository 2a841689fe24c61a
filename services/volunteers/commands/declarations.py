"""Declared estimates of those who help without registration."""

from datetime import datetime, timedelta

from services.volunteers import domain, queries
from services.volunteers.commands.centres import working_centre
from services.volunteers.commands.repeats import made_before
from services.volunteers.schemas import DeclareVolunteers
from services.volunteers.tables import Centre, Declaration
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.volunteers import VolunteersDeclared
from shared.database import Transaction
from shared.ids import new_id


async def declare_volunteers(
    tx: Transaction, form: DeclareVolunteers, *, by: Principal, now: datetime
) -> tuple[Declaration, bool]:
    """Declare a centre's estimate as of a day; it replaces the centre's one before. Answers it, and whether it is new.

    Raises:
        CentreUnknown, CentreIsClosed
        DeclarationOutOfOrder: the centre has declared for a later day already.
        AlreadyExists: another declaration has this id.
    """
    said = {"centre_id": form.centre_id, "number": form.number, "source": form.source}
    if known := await made_before(tx, Declaration, form.id, **said):
        return known, False
    declared_on = form.declared_on or civil_day(now)
    # Two declarations of one centre at once would both replace the same one.
    await tx.get(Centre, form.centre_id, lock=True)
    centre = await working_centre(tx, form.centre_id, on=declared_on)
    # One of this very transaction must be seen as well: a batch may hold two of a centre.
    await tx.flush()
    latest = await tx.fetch_one(queries.LATEST_DECLARATION, centre_id=centre.id)
    if latest is not None and latest["declared_on"] > declared_on:
        raise domain.DeclarationOutOfOrder(pointer="/declared_on")
    declaration = Declaration(
        id=form.id or new_id(),
        centre_id=centre.id,
        region=centre.region,
        number=form.number,
        before=latest["number"] if latest is not None else 0,
        declared_on=declared_on,
        source=form.source,
        recorded_by=by.id,
        # Always after the one that it replaces, whatever the clocks say: of one day the last recorded is the latest.
        recorded_at=now if latest is None else max(now, latest["recorded_at"] + timedelta(microseconds=1)),
    )
    tx.insert(declaration)
    fact = VolunteersDeclared(
        declaration_id=declaration.id,
        centre_id=centre.id,
        region=centre.region,
        number=declaration.number,
        before=declaration.before,
        on=declared_on,
    )
    tx.announce(fact, at=now)
    return declaration, True
