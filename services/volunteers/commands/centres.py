"""Centres: opened, changed, closed."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.volunteers import domain
from services.volunteers.commands.repeats import made_before
from services.volunteers.schemas import ChangeCentre, CloseCentre, OpenCentre
from services.volunteers.tables import Centre
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.volunteers import CentreChanged, CentreClosed, CentreOpened
from shared.database import Transaction
from shared.ids import new_id
from shared.regions import REGIONS


def require_region(code: str, *, on: date) -> None:
    """Raises: RegionUnknown, RegionNotYetFormed."""
    region = REGIONS.get(code)
    if region is None:
        raise domain.RegionUnknown(pointer="/region")
    if not region.exists(on):
        raise domain.RegionNotYetFormed(pointer="/region")


async def working_centre(tx: Transaction, centre_id: UUID, *, on: date) -> Centre:
    """The centre, if it works on that day.

    Raises:
        CentreUnknown, CentreIsClosed
    """
    centre = await tx.get(Centre, centre_id)
    if centre is None:
        raise domain.CentreUnknown(pointer="/centre_id")
    if centre.closed_on is not None and on > centre.closed_on:
        raise domain.CentreIsClosed(pointer="/centre_id")
    return centre


async def open_centre(tx: Transaction, form: OpenCentre, *, by: Principal, now: datetime) -> tuple[Centre, bool]:
    """Open a centre and announce it; answers it, and whether it is new: the same request opens it once.

    Raises:
        RegionUnknown, RegionNotYetFormed, CentreUnknown: of the parent.
        AlreadyExists: another centre has this id.
    """
    said = {"kind": form.kind, "region": form.region, "name": form.name.filled()}
    if known := await made_before(tx, Centre, form.id, **said):
        return known, False
    opened_on = form.opened_on or civil_day(now)
    require_region(form.region, on=opened_on)
    if form.parent_id is not None and await tx.get(Centre, form.parent_id) is None:
        raise domain.CentreUnknown(pointer="/parent_id")
    centre = Centre(
        id=form.id or new_id(),
        kind=form.kind,
        name=form.name.filled(),
        region=form.region,
        parent_id=form.parent_id,
        opened_on=opened_on,
        changed_by=by.id,
        changed_at=now,
    )
    tx.insert(centre)
    tx.announce(CentreOpened(**_fact(centre)), at=now, version=centre.version)
    return centre, True


async def change_centre(
    tx: Transaction, centre_id: UUID, form: ChangeCentre, *, by: Principal, now: datetime
) -> Centre:
    """Give a centre other names, another kind or parent.

    Raises:
        CentreNotFound, CentreUnknown: of the parent.
    """
    centre = await _locked(tx, centre_id)
    if form.parent_id is not None and await tx.get(Centre, form.parent_id) is None:
        raise domain.CentreUnknown(pointer="/parent_id")
    was_kind = centre.kind
    centre.kind, centre.name, centre.parent_id = form.kind, form.name.filled(), form.parent_id
    centre.changed_by, centre.changed_at = by.id, now
    tx.update(centre)
    tx.announce(CentreChanged(**_fact(centre), was_kind=was_kind), at=now, version=centre.version)
    return centre


async def close_centre(tx: Transaction, centre_id: UUID, form: CloseCentre, *, by: Principal, now: datetime) -> Centre:
    """End a centre's work.

    Raises:
        CentreNotFound, CentreIsClosed: it was closed before.
        EndsBeforeItBegins: the last day is before the first.
    """
    centre = await _locked(tx, centre_id)
    if centre.closed_on is not None:
        raise domain.CentreIsClosed
    closed_on = form.closed_on or civil_day(now)
    if closed_on < centre.opened_on:
        raise domain.EndsBeforeItBegins(pointer="/closed_on")
    centre.closed_on, centre.changed_by, centre.changed_at = closed_on, by.id, now
    tx.update(centre)
    tx.announce(CentreClosed(**_fact(centre), closed_on=closed_on), at=now, version=centre.version)
    return centre


async def _locked(tx: Transaction, centre_id: UUID) -> Centre:
    centre = await tx.get(Centre, centre_id, lock=True)
    if centre is None:
        raise domain.CentreNotFound
    return centre


def _fact(centre: Centre) -> dict[str, Any]:
    return {
        "centre_id": centre.id,
        "region": centre.region,
        "kind": centre.kind,
        "name": centre.name,
        "parent_id": centre.parent_id,
        "opened_on": centre.opened_on,
    }
