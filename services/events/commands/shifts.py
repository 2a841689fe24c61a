"""Shifts: what helpers are wanted for."""

from datetime import datetime
from typing import Any

from services.events import domain
from services.events.domain import Span
from services.events.schemas import OpenShift
from services.events.tables import Event, Shift
from shared.access.principal import Principal
from shared.contracts.events import ShiftOpened
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.ids import new_id

_TAKES_SHIFTS = frozenset({"draft", "published", "held"})


async def open_shift(tx: Transaction, form: OpenShift, *, by: Principal, now: datetime) -> tuple[Shift, bool]:
    """Open a shift; answers it, and whether it is new: the same request opens it once.

    Raises:
        EventUnknown, EndsBeforeItBegins, ShiftOutsideEvent
        StatusDoesNotAllow: the event was cancelled.
        AlreadyExists: another shift has this id.
    """
    # Locked, or it might be cancelled at this moment and leave a shift behind that is not called off.
    event = await tx.get(Event, form.event_id, lock=True)
    if event is None:
        raise domain.EventUnknown(pointer="/event_id")
    known = None if form.id is None else await tx.get(Shift, form.id)
    if known is not None:
        if any(getattr(known, name) != value for name, value in _values(form).items()):
            raise AlreadyExists
        return known, False
    domain.require_status(event.status, _TAKES_SHIFTS)
    domain.require_shift_time(Span(form.starts_at, form.ends_at), event=Span(event.starts_at, event.ends_at))
    shift = Shift(id=form.id or new_id(), **_values(form), opened_by=by.id, opened_at=now)
    tx.insert(shift)
    fact = ShiftOpened(shift_id=shift.id, centre_id=event.centre_id, region=event.region, **_values(form))
    tx.announce(fact, at=now)
    return shift, True


def _values(form: OpenShift) -> dict[str, Any]:
    return {name: getattr(form, name) for name in OpenShift.model_fields if name != "id"}
