"""Writing in the journal."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from shared.access.principal import Principal
from shared.database import Transaction
from shared.forms import Text, wrong

Outcome = Literal["done", "refused"]


def write(
    tx: Transaction,
    *,
    by: Principal | str,
    what: str,
    record: str,
    now: datetime,
    purpose: str | None = None,
    outcome: Outcome = "done",
) -> None:
    """Note something in the transaction that does it: if that fails, it was not done and is not noted.

    `what` is a verb in the past tense (`disclosed`, `exported`, `granted`), `record` is `<noun>/<id>`.
    """
    tx.insert_values(
        "journal",
        {
            "at": now,
            "by": by if isinstance(by, str) else by.id,
            "what": what,
            "record": record,
            "purpose": purpose,
            "outcome": outcome,
        },
    )


async def entries_of(tx: Transaction, records: Iterable[str]) -> list[dict[str, Any]]:
    """What was done to some records, oldest first."""
    return [dict(row) for row in await tx.sql(_OF_RECORDS, list(records))]


_OF_RECORDS = (
    'SELECT at, "by", what, record, purpose, outcome FROM journal WHERE record = ANY($1::text[]) ORDER BY number'
)


def _names_nobody(purpose: str) -> str:
    if re.search(r"@|[0-9]{6}|[\t\n\r]", purpose):
        raise wrong("not_a_purpose")
    return purpose


Purpose = Annotated[Text, AfterValidator(_names_nobody)]
"""Why somebody reads what is sealed, or does what cannot be undone."""
