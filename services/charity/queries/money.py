"""What funds hold, from the ledger's legs and from what is promised."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.access.principal import EVERYTHING
from shared.database import Transaction

_CAMPAIGNS = "SELECT DISTINCT campaign_id FROM donation WHERE id = ANY($1::uuid[])"
# Cash is what donors gave less what became aid. Both sums in one statement: a payment that commits between two would
# be missing in the holds and not yet in the ledger.
_FREE = """
SELECT asked.id,
    coalesce((SELECT -sum(leg.amount_minor) FROM leg
              WHERE leg.campaign_id = asked.id AND leg.account IN ('donors', 'aid')), 0)
    - coalesce((SELECT sum(disbursement.amount_minor) FROM disbursement
                WHERE disbursement.campaign_id = asked.id AND disbursement.status IN ('requested', 'approved')), 0)
FROM unnest($1::uuid[]) AS asked(id)
"""
_HELD = "SELECT EXISTS (SELECT FROM disbursement WHERE campaign_id = $1 AND status IN ('requested', 'approved'))"
_TOTALS = """
SELECT asked.id, coalesce(received, 0), coalesce(refunded, 0), coalesce(disbursed, 0), coalesce(goods, 0),
    coalesce(held, 0)
FROM unnest($1::uuid[]) AS asked(id)
LEFT JOIN LATERAL (
    SELECT -sum(amount_minor) FILTER (WHERE account = 'donors' AND amount_minor < 0) AS received,
        sum(amount_minor) FILTER (WHERE account = 'donors' AND amount_minor > 0) AS refunded,
        sum(amount_minor) FILTER (WHERE account = 'aid') AS disbursed,
        sum(amount_minor) FILTER (WHERE account = 'goods') AS goods
    FROM leg WHERE campaign_id = asked.id AND account <> 'cash'
) AS booked ON TRUE
LEFT JOIN LATERAL (
    SELECT sum(amount_minor) AS held FROM disbursement
    WHERE campaign_id = asked.id AND status IN ('requested', 'approved')
) AS promised ON TRUE
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """What came into a fund and went out of it since the beginning, in tiyn."""

    received_minor: int = 0
    refunded_minor: int = 0
    disbursed_minor: int = 0
    goods_minor: int = 0
    held_minor: int = 0

    @property
    def free_minor(self) -> int:
        return self.received_minor - self.refunded_minor - self.disbursed_minor - self.held_minor


async def campaigns_of_donations(tx: Transaction, donation_ids: Iterable[UUID]) -> list[UUID]:
    return [record[0] for record in await tx.sql(_CAMPAIGNS, list(donation_ids))]


async def free_minor(tx: Transaction, campaign_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Cash of the campaigns less what is promised, at all centres: a fund is one."""
    async with tx.reaching(EVERYTHING):
        return {campaign_id: int(free) for campaign_id, free in await tx.sql(_FREE, list(campaign_ids))}


async def holds_money(tx: Transaction, campaign_id: UUID) -> bool:
    """Whether some disbursement of the campaign, at whichever centre, is neither paid nor voided."""
    async with tx.reaching(EVERYTHING):
        [[held]] = await tx.sql(_HELD, campaign_id)
    return held


async def totals(tx: Transaction, campaign_ids: Iterable[UUID]) -> dict[UUID, Totals]:
    """What the campaigns' funds hold, at all centres: of a campaign that one sees, these are public figures."""
    async with tx.reaching(EVERYTHING):
        records = await tx.sql(_TOTALS, list(campaign_ids))
    return {record[0]: Totals(*map(int, list(record)[1:])) for record in records}
