"""Who belongs to families, and whom deliveries helped: for many at once."""

from collections.abc import Iterable
from uuid import UUID

from services.charity.tables import Delivery, Member, StatusChange
from shared.access.principal import EVERYTHING
from shared.database import Transaction
from shared.rows import restored

_MEMBERS = "SELECT * FROM member WHERE family_id = ANY($1::uuid[]) ORDER BY family_id, id"
_SIZES = (
    "SELECT family_id, count(*) FROM member WHERE family_id = ANY($1::uuid[]) AND until_on IS NULL GROUP BY family_id"
)
_IINS = "SELECT iin_index FROM member WHERE iin_index = ANY($1::bytea[]) AND until_on IS NULL"
_DELIVERIES_TO = """
SELECT * FROM delivery WHERE family_id = $1
    AND ($2::uuid IS NULL OR EXISTS (SELECT FROM helped WHERE delivery_id = delivery.id AND person_id = $2))
ORDER BY occurred_on, id
"""
_DELIVERIES = "SELECT * FROM delivery WHERE family_id = $1 ORDER BY id FOR NO KEY UPDATE"
_REASONS = "SELECT * FROM statuschange WHERE of_id = ANY($1::uuid[]) AND reason IS NOT NULL ORDER BY id"
_HELPED = (
    "SELECT delivery_id, person_id FROM helped WHERE delivery_id = ANY($1::uuid[]) ORDER BY delivery_id, person_id"
)


async def members_of_families(tx: Transaction, family_ids: Iterable[UUID]) -> dict[UUID, list[Member]]:
    """All who belong or belonged to the families."""
    found: dict[UUID, list[Member]] = {}
    for record in await tx.sql(_MEMBERS, list(family_ids)):
        found.setdefault(record["family_id"], []).append(restored(Member, record))
    return found


async def sizes_of_families(tx: Transaction, family_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many belong to the families now."""
    return {record[0]: record[1] for record in await tx.sql(_SIZES, list(family_ids))}


async def known_iins(tx: Transaction, hashes: Iterable[bytes]) -> set[bytes]:
    """Which of these belong to somebody in a family, at whichever centre: nobody is looked after twice."""
    async with tx.reaching(EVERYTHING):
        return {record[0] for record in await tx.sql(_IINS, list(hashes))}


async def deliveries_to(tx: Transaction, family_id: UUID, *, person_id: UUID | None = None) -> list[Delivery]:
    """All help that reached a family, or one person of it."""
    # Whichever centre has brought it.
    async with tx.reaching(EVERYTHING):
        rows = await tx.sql(_DELIVERIES_TO, family_id, person_id)
    return [restored(Delivery, record) for record in rows]


async def deliveries_of_family(tx: Transaction, family_id: UUID) -> list[Delivery]:
    """All help that reached a family, locked."""
    return [restored(Delivery, record) for record in await tx.sql(_DELIVERIES, family_id)]


async def reasons_of(tx: Transaction, ids: Iterable[UUID]) -> list[StatusChange]:
    """The changes of status of some records that somebody gave a reason for, oldest first."""
    return [restored(StatusChange, record) for record in await tx.sql(_REASONS, list(ids))]


async def people_of_deliveries(tx: Transaction, delivery_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Whom each delivery helped."""
    found: dict[UUID, list[UUID]] = {}
    for delivery_id, person_id in await tx.sql(_HELPED, list(delivery_ids)):
        found.setdefault(delivery_id, []).append(person_id)
    return found
