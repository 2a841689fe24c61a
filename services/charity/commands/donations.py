"""Gifts of money and goods, and their receipts."""

from datetime import datetime

import orjson

from services.charity import domain
from services.charity.commands.centres import require_working
from services.charity.commands.ledger import book
from services.charity.commands.repeats import made_before, made_from
from services.charity.schemas import Donor, RecordDonation
from services.charity.tables import Campaign, Donation, KnownCentre
from shared import failpoints
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import DonationReceived
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal

RECEIPTS_AT_ONCE = 500
_RECEIPTS_LOCK = 0x0A5D
# The greatest number so far is read anew by each turn, under the lock: no gap, no number twice.
_ISSUE = """
WITH due AS (
    SELECT id, receipt_year, row_number() OVER (PARTITION BY receipt_year ORDER BY id) AS place
    FROM (
        SELECT id, receipt_year FROM donation WHERE receipt_number IS NULL ORDER BY receipt_year, id LIMIT $1
    ) AS waiting
), last AS (
    SELECT receipt_year, (
        SELECT coalesce(max(receipt_number), 0) FROM donation WHERE donation.receipt_year = due.receipt_year
    ) AS number
    FROM due GROUP BY receipt_year
)
UPDATE donation SET receipt_number = last.number + due.place
FROM due JOIN last USING (receipt_year) WHERE donation.id = due.id RETURNING 1
"""


async def record_donation(
    tx: Transaction, form: RecordDonation, *, by: Principal, seal: Seal, now: datetime
) -> tuple[Donation, bool]:
    """Record a gift that was received; answers it, and whether it is new: the same request records it once.

    It locks nothing and waits for nobody: one read, one statement.

    Raises:
        CampaignUnknown, CentreUnknown, CentreIsClosed
        CampaignNotOpen: now, or by the time of the commit.
        DonationRecordedBefore (at commit): a gift of the centre has this reference.
        AlreadyExists: another gift has this id.
    """
    known = await made_before(tx, Donation, form, seal)
    if known is not None:
        return known, False
    occurred_on = form.occurred_on or civil_day(now)
    campaign, centre = await tx.get_both((Campaign, form.campaign_id), (KnownCentre, form.centre_id))
    domain.require_open(campaign.status if campaign else None)
    centre = require_working(centre, on=occurred_on)
    donation_id = form.id or new_id()
    donation = Donation(
        id=donation_id,
        campaign_id=form.campaign_id,
        centre_id=form.centre_id,
        region=centre.region,
        kind=form.kind,
        method=form.method,
        amount_minor=form.amount.minor,
        goods=[line.model_dump() for line in form.goods] if form.goods else None,
        anonymous=form.donor.anonymous,
        external_ref=form.external_ref,
        occurred_on=occurred_on,
        receipt_year=occurred_on.year,
        made_from=made_from(form, seal),
        recorded_by=by.id,
        recorded_at=now,
        **seal.fields(Donation, donation_id, donor=_plain(form.donor)),
    )
    tx.insert(donation)
    book(tx, donation, "gift", domain.gift(form.kind, donation.amount_minor), on=occurred_on, by=by, now=now)
    fact = DonationReceived(
        donation_id=donation.id,
        campaign_id=donation.campaign_id,
        centre_id=donation.centre_id,
        region=donation.region,
        kind=donation.kind,
        amount_minor=donation.amount_minor,
        method=donation.method,
        anonymous=donation.anonymous,
        on=occurred_on,
    )
    tx.announce(fact, at=now, version=donation.version)
    return donation, True


async def issue_receipts(tx: Transaction) -> int:
    """Number the gifts that have no receipt yet, without gaps per year; returns how many.

    After the gifts' own transactions: a number drawn within would make every gift wait for the one before.
    """
    await tx.begin()
    [[mine]] = await tx.sql("SELECT pg_try_advisory_xact_lock($1)", _RECEIPTS_LOCK)
    issued = await tx.sql(_ISSUE, RECEIPTS_AT_ONCE) if mine else []
    if issued:
        failpoints.reach("receipts.before_commit")
    return len(issued)


def _plain(donor: Donor) -> bytes | None:
    if donor.anonymous:
        return None
    return orjson.dumps({"kind": donor.kind, "name": donor.name, "bin": donor.bin})
