"""What is known of centres, from the messages of volunteers."""

from datetime import date
from uuid import UUID

from services.charity import domain
from services.charity.tables import KnownCentre
from shared.database import Transaction


def require_working(centre: KnownCentre | None, *, on: date) -> KnownCentre:
    """Raises: CentreUnknown, CentreIsClosed."""
    if centre is None:
        raise domain.CentreUnknown(pointer="/centre_id")
    if centre.closed_on is not None and on > centre.closed_on:
        raise domain.CentreIsClosed(pointer="/centre_id")
    return centre


async def working_centre(tx: Transaction, centre_id: UUID, *, on: date) -> KnownCentre:
    """The centre, if it works on that day.

    Raises:
        CentreUnknown, CentreIsClosed
    """
    return require_working(await tx.get(KnownCentre, centre_id), on=on)


async def know_centre(tx: Transaction, centre_id: UUID, *, region: str, kind: str) -> None:
    """Keep where a centre is; that it is closed, if it is, stays known."""
    centre = await _known(tx, centre_id, region, kind)
    centre.region, centre.kind = region, kind
    tx.put(centre)


async def know_centre_is_closed(tx: Transaction, centre_id: UUID, *, region: str, kind: str, closed_on: date) -> None:
    centre = await _known(tx, centre_id, region, kind)
    centre.closed_on = closed_on
    tx.put(centre)


async def _known(tx: Transaction, centre_id: UUID, region: str, kind: str) -> KnownCentre:
    # A page of messages is one transaction: what it told of this centre before must be seen.
    await tx.flush()
    return await tx.get(KnownCentre, centre_id) or KnownCentre(id=centre_id, region=region, kind=kind)
