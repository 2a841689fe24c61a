"""Refunds: a gift of money goes back, whole or in part."""

from datetime import datetime
from uuid import UUID

from services.charity import domain
from services.charity.commands.funds import lock_funds_of_donations
from services.charity.commands.ledger import book
from services.charity.commands.repeats import made_before, made_from
from services.charity.domain import Funds
from services.charity.schemas import Refund as RefundForm
from services.charity.tables import Campaign, Donation, Refund
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import DonationRefunded
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal


async def refund_donation(
    tx: Transaction,
    donation_id: UUID,
    form: RefundForm,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    funds: Funds | None = None,
) -> tuple[Refund, bool]:
    """Give back some or all of a gift; answers the refund, and whether it is new: the same request makes it once.

    `funds` are those a batch has locked for all its rows.

    Raises:
        DonationNotFound, CampaignHasReported, GoodsAreNotRefunded, RefundBeforeGift
        RefundExceedsGift: together with earlier refunds, however many come at once.
        FundInsufficient: the money is spent or promised.
        AlreadyExists: another refund has this id.
    """
    funds = funds or await lock_funds_of_donations(tx, [donation_id])
    known = await made_before(tx, Refund, form, seal, of=donation_id)
    if known is not None:
        return known, False
    donation = await tx.get(Donation, donation_id, lock=True)
    if donation is None:
        raise domain.DonationNotFound
    campaign = await tx.get(Campaign, donation.campaign_id, lock=True)
    domain.require_spending(campaign.status if campaign else None)
    occurred_on = form.occurred_on or civil_day(now)
    domain.require_refundable(
        kind=donation.kind,
        given_on=donation.occurred_on,
        amount_minor=donation.amount_minor,
        refunded_minor=donation.refunded_minor,
        refund=form.amount.minor,
        on=occurred_on,
    )
    funds.take(donation.campaign_id, form.amount.minor)
    refund_id = form.id or new_id()
    refund = Refund(
        id=refund_id,
        donation_id=donation.id,
        campaign_id=donation.campaign_id,
        centre_id=donation.centre_id,
        region=donation.region,
        amount_minor=form.amount.minor,
        occurred_on=occurred_on,
        made_from=made_from(form, seal, of=donation_id),
        recorded_by=by.id,
        recorded_at=now,
        **seal.fields(Refund, refund_id, reason=form.reason),
    )
    tx.insert(refund)
    legs = domain.reversal(domain.gift(donation.kind, donation.amount_minor), refund.amount_minor)
    book(tx, refund, "refund", legs, on=occurred_on, by=by, now=now, reverses_id=donation.id)
    donation.refunded_minor += refund.amount_minor
    tx.update(donation)
    fact = DonationRefunded(
        donation_id=donation.id,
        refund_id=refund.id,
        campaign_id=donation.campaign_id,
        centre_id=donation.centre_id,
        region=donation.region,
        amount_minor=refund.amount_minor,
        on=occurred_on,
    )
    tx.announce(fact, at=now, version=donation.version)
    return refund, True
