"""Disbursements: requested and held, approved by another person, paid or voided."""

from datetime import date, datetime
from uuid import UUID

from services.charity import domain
from services.charity.commands.centres import working_centre
from services.charity.commands.changes import note_change
from services.charity.commands.funds import lock_funds
from services.charity.commands.ledger import book
from services.charity.commands.repeats import made_before, made_from
from services.charity.domain import Funds
from services.charity.schemas import ApproveDisbursement, PayDisbursement, RequestDisbursement, VoidDisbursement
from services.charity.tables import Campaign, Disbursement
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import (
    DisbursementApproved,
    DisbursementFact,
    DisbursementPaid,
    DisbursementRequested,
    DisbursementVoided,
)
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal

_FACTS: dict[str, type[DisbursementFact]] = {
    "approve": DisbursementApproved,
    "pay": DisbursementPaid,
    "void": DisbursementVoided,
}


async def request_disbursement(
    tx: Transaction,
    form: RequestDisbursement,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    funds: Funds | None = None,
) -> tuple[Disbursement, bool]:
    """Hold money of a fund for a purpose; answers the disbursement, and whether it is new.

    `funds` are those a batch has locked for all its rows.

    Raises:
        CampaignUnknown, CampaignNeverOpened, CampaignHasReported, CentreUnknown, CentreIsClosed
        FundInsufficient: however many ask at once, no more is promised than there is.
        AlreadyExists: another disbursement has this id.
    """
    funds = funds or await lock_funds(tx, [form.campaign_id])
    known = await made_before(tx, Disbursement, form, seal)
    if known is not None:
        return known, False
    campaign = await tx.get(Campaign, form.campaign_id, lock=True)
    domain.require_spending(campaign.status if campaign else None)
    occurred_on = form.occurred_on or civil_day(now)
    centre = await working_centre(tx, form.centre_id, on=occurred_on)
    funds.take(form.campaign_id, form.amount.minor)
    disbursement = Disbursement(
        id=form.id or new_id(),
        campaign_id=form.campaign_id,
        centre_id=centre.id,
        region=centre.region,
        amount_minor=form.amount.minor,
        purpose=form.purpose,
        occurred_on=occurred_on,
        made_from=made_from(form, seal),
        recorded_by=by.id,
        recorded_at=now,
    )
    tx.insert(disbursement)
    tx.announce(_fact(DisbursementRequested, disbursement, was=None, on=occurred_on), at=now)
    return disbursement, True


async def approve_disbursement(
    tx: Transaction, disbursement_id: UUID, form: ApproveDisbursement, *, by: Principal, now: datetime
) -> Disbursement:
    """Agree to a disbursement that somebody else has requested.

    An administrator may approve their own: a small network begins with one person, and the demo acts as one.

    Raises:
        DisbursementNotFound, StatusDoesNotAllow, ApprovedByRequester
    """
    disbursement = await _locked(tx, disbursement_id)
    domain.require_another_person(disbursement.recorded_by, by=by)
    _step(tx, disbursement, "approve", on=form.decided_on or civil_day(now), by=by, now=now)
    return disbursement


async def pay_disbursement(
    tx: Transaction, disbursement_id: UUID, form: PayDisbursement, *, by: Principal, now: datetime
) -> Disbursement:
    """Note that an approved disbursement was paid: the hold becomes an entry in the ledger.

    Raises:
        DisbursementNotFound, StatusDoesNotAllow, PaidBeforeRequested
    """
    disbursement = await _locked(tx, disbursement_id)
    paid_on = form.occurred_on or civil_day(now)
    domain.next_status(domain.DISBURSEMENT_STEPS, "pay", now=disbursement.status)
    if paid_on < disbursement.occurred_on:
        raise domain.PaidBeforeRequested(pointer="/occurred_on")
    disbursement.paid_on = paid_on
    _step(tx, disbursement, "pay", on=paid_on, by=by, now=now)
    book(tx, disbursement, "payment", domain.payment(disbursement.amount_minor), on=paid_on, by=by, now=now)
    return disbursement


async def void_disbursement(
    tx: Transaction, disbursement_id: UUID, form: VoidDisbursement, *, by: Principal, seal: Seal, now: datetime
) -> Disbursement:
    """Give a fund back what was held for a disbursement that will not be paid.

    Raises:
        DisbursementNotFound, StatusDoesNotAllow
    """
    disbursement = await _locked(tx, disbursement_id)
    on = form.decided_on or civil_day(now)
    _step(tx, disbursement, "void", on=on, by=by, now=now, seal=seal, reason=form.reason)
    return disbursement


async def _locked(tx: Transaction, disbursement_id: UUID) -> Disbursement:
    disbursement = await tx.get(Disbursement, disbursement_id, lock=True)
    if disbursement is None:
        raise domain.DisbursementNotFound
    return disbursement


def _step(
    tx: Transaction,
    disbursement: Disbursement,
    step: str,
    *,
    on: date,
    by: Principal,
    now: datetime,
    seal: Seal | None = None,
    reason: str | None = None,
) -> None:
    after = domain.next_status(domain.DISBURSEMENT_STEPS, step, now=disbursement.status)
    was, disbursement.status = disbursement.status, after
    tx.update(disbursement)
    note_change(
        tx,
        "disbursement",
        disbursement.id,
        centre_id=disbursement.centre_id,
        was=was,
        status=after,
        on=on,
        by=by,
        now=now,
        seal=seal,
        reason=reason,
    )
    tx.announce(_fact(_FACTS[step], disbursement, was=was, on=on), at=now, version=disbursement.version)


def _fact(fact: type[DisbursementFact], disbursement: Disbursement, *, was: str | None, on: date) -> DisbursementFact:
    return fact(
        disbursement_id=disbursement.id,
        campaign_id=disbursement.campaign_id,
        centre_id=disbursement.centre_id,
        region=disbursement.region,
        was=was,
        status=disbursement.status,
        amount_minor=disbursement.amount_minor,
        on=on,
    )
