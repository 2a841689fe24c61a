"""How far a consumer has applied each aggregate's history, and what it has put aside: the rows, in SQL."""

from collections.abc import Mapping, Sequence

from shared import clock
from shared.database import Transaction
from shared.messaging.order import Place
from shared.messaging.pull import Delivery

SEEN = "SELECT aggregate, version FROM inbox WHERE consumer = $1 AND aggregate = ANY($2::text[])"
SEE = (
    "INSERT INTO inbox (consumer, aggregate, version) SELECT $1, * FROM unnest($2::text[], $3::int[])"
    " ON CONFLICT (consumer, aggregate) DO UPDATE SET version = excluded.version"
)
PARKED = (
    "SELECT type, aggregate, version, message_id, body, reason FROM parked"
    " WHERE consumer = $1 AND aggregate = ANY($2::text[]) ORDER BY aggregate, version"
)
PARK = (
    "INSERT INTO parked (consumer, type, aggregate, version, message_id, body, reason, error, parked_at)"
    " SELECT $1, late.*, $7, $8, $9"
    " FROM unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::text[]) AS late(type, aggregate, version)"
    # Another replica may have applied it meanwhile.
    " WHERE NOT EXISTS (SELECT FROM inbox AS seen WHERE seen.consumer = $1"
    " AND seen.aggregate = late.aggregate AND seen.version >= late.version)"
    " ON CONFLICT (consumer, aggregate, version) DO UPDATE SET reason = excluded.reason, error = excluded.error"
)
UNPARK = (
    "DELETE FROM parked USING unnest($2::text[], $3::int[]) AS seen(aggregate, version)"
    " WHERE parked.consumer = $1 AND parked.aggregate = seen.aggregate AND parked.version <= seen.version"
)
FAILED = (
    "SELECT type, aggregate, version, message_id, body FROM parked"
    " WHERE consumer = $1 AND reason = 'failed' AND ($2::text IS NULL OR aggregate = $2) ORDER BY parked_at, version"
)
NEXT_WAITING = (
    "SELECT type, aggregate, parked.version, message_id, body FROM parked JOIN inbox USING (consumer, aggregate)"
    " WHERE consumer = $1 AND aggregate = $2 AND parked.version = inbox.version + 1 AND reason = 'gap'"
)
TAKE_TURNS = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
LOCK_SPACE = 0x0A5B


async def take_turns(tx: Transaction, consumer: str) -> None:
    """Have this consumer's rows for oneself until the transaction ends; waits for who has them."""
    await tx.begin()
    await tx.sql(TAKE_TURNS, LOCK_SPACE, consumer)


async def seen(tx: Transaction, consumer: str, aggregates: Sequence[str]) -> dict[str, int]:
    """The version up to which each of these was applied; none: not at all."""
    return {row["aggregate"]: row["version"] for row in await tx.sql(SEEN, consumer, aggregates)}


async def see(tx: Transaction, consumer: str, moved: Mapping[str, int]) -> None:
    """Remember how far these are applied now."""
    if moved:
        await tx.sql(SEE, consumer, list(moved), list(moved.values()))


async def parked(tx: Transaction, consumer: str, aggregates: Sequence[str]) -> dict[Place, tuple[Delivery, str]]:
    """What was put aside of these, and why: `gap` or `failed`."""
    found: dict[Place, tuple[Delivery, str]] = {}
    for *values, reason in await tx.sql(PARKED, consumer, aggregates):
        delivery = Delivery(*values, reply="")
        found[delivery.place] = delivery, reason
    return found


async def park(tx: Transaction, consumer: str, late: Sequence[Delivery], reason: str, error: str | None = None) -> None:
    """Put messages aside that cannot be applied yet. Those that have been applied meanwhile are not."""
    if late:
        rows = [(d.type, d.aggregate, d.version, d.message_id, d.body) for d in late]
        await tx.sql(PARK, consumer, *map(list, zip(*rows, strict=True)), reason, error, clock.now())


async def unpark(tx: Transaction, consumer: str, applied: Mapping[str, int]) -> None:
    """Forget what was put aside and has been applied."""
    await tx.sql(UNPARK, consumer, list(applied), list(applied.values()))


async def failed(tx: Transaction, consumer: str, aggregate: str | None = None) -> list[Delivery]:
    """What could not be applied, oldest first."""
    return [Delivery(*values, reply="") for values in await tx.sql(FAILED, consumer, aggregate)]


async def next_waiting(tx: Transaction, consumer: str, aggregate: str) -> Delivery | None:
    """The message that waited for the one that was applied last, if it has come."""
    found = await tx.sql(NEXT_WAITING, consumer, aggregate)
    return Delivery(*found[0], reply="") if found else None
