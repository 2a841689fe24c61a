"""Hours: earned from attendance once the shift has ended; corrected by further entries, never rewritten."""

from datetime import date, datetime
from uuid import UUID

from services.volunteers import domain, queries
from services.volunteers.tables import HoursEntry
from shared.contracts.volunteers import HoursRecorded
from shared.database import Transaction

DUE_AT_ONCE = 500


async def earn_hours(
    tx: Transaction,
    *,
    volunteer_id: UUID,
    centre_id: UUID,
    region: str,
    direction: str | None,
    signup_id: UUID,
    signup_version: int,
    was: str | None,
    attendance: str,
    minutes: int,
    on: date,
    ends_at: datetime,
    now: datetime,
) -> None:
    """Book what a (changed) attendance adds or takes back. It is announced when the shift has ended."""
    difference = domain.earned_minutes(attendance, minutes) - domain.earned_minutes(was, minutes)
    if difference == 0:
        return
    entry = HoursEntry(
        volunteer_id=volunteer_id,
        centre_id=centre_id,
        region=region,
        direction=direction,
        minutes=difference,
        signup_id=signup_id,
        signup_version=signup_version,
        earned_on=on,
        earned_at=ends_at,
    )
    if ends_at <= now:
        _announce(tx, entry, now)
    tx.insert(entry)


async def credit_due_hours(tx: Transaction, *, now: datetime) -> int:
    """Announce entries whose shift has ended meanwhile; returns how many."""
    due = await tx.fetch(queries.DUE_HOURS, now=now, at_once=DUE_AT_ONCE)
    entries = await tx.load(HoursEntry, [record["id"] for record in due], lock=True)
    credited = 0
    for entry in entries.values():
        # Another process may have been first while this one waited for the lock.
        if entry.announced_at is None:
            _announce(tx, entry, now)
            tx.update(entry)
            credited += 1
    return credited


def _announce(tx: Transaction, entry: HoursEntry, now: datetime) -> None:
    entry.announced_at = now
    fact = HoursRecorded(
        entry_id=entry.id,
        volunteer_id=entry.volunteer_id,
        centre_id=entry.centre_id,
        region=entry.region,
        direction=entry.direction,
        minutes=entry.minutes,
        signup_id=entry.signup_id,
        on=entry.earned_on,
    )
    tx.announce(fact, at=now)
