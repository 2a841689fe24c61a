"""Who changed what, when and why: kept beside the records."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.charity.tables import StatusChange
from shared.access.principal import Principal
from shared.database import Transaction


def note_change(
    tx: Transaction,
    what: Literal["campaign", "disbursement", "family", "member", "delivery"],
    of_id: UUID,
    *,
    was: str | None,
    status: str,
    on: date,
    by: Principal,
    now: datetime,
    reason: str | None = None,
) -> None:
    tx.insert(
        StatusChange(
            what=what, of_id=of_id, was=was, status=status, on=on, reason=reason, changed_by=by.id, changed_at=now
        )
    )
