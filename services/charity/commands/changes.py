"""Who changed what, when and why: kept beside the records."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.charity.tables import StatusChange
from shared.access.principal import Principal
from shared.database import Transaction
from shared.sealed import Seal


def note_change(
    tx: Transaction,
    what: Literal["campaign", "disbursement", "family", "member", "delivery"],
    of_id: UUID,
    *,
    centre_id: UUID | None,
    was: str | None,
    status: str,
    on: date,
    by: Principal,
    now: datetime,
    seal: Seal | None = None,
    reason: str | None = None,
) -> None:
    """`seal` is for a reason, where one was given."""
    change = StatusChange(
        what=what,
        of_id=of_id,
        centre_id=centre_id,
        was=was,
        status=status,
        on=on,
        changed_by=by.id,
        changed_at=now,
    )
    if seal is not None:
        change.reason = seal.fields(StatusChange, change.id, reason=reason)["reason"]
    tx.insert(change)
