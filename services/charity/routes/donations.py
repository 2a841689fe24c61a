"""Gifts, and their refunds."""

from uuid import UUID

from fastapi import Response, status

from services.charity import commands, queries
from services.charity.domain import (
    CampaignHasReported,
    CampaignNotOpen,
    CampaignUnknown,
    CentreIsClosed,
    CentreUnknown,
    DonationNotFound,
    DonationRecordedBefore,
    FundInsufficient,
    Funds,
    GoodsAreNotRefunded,
    RefundBeforeGift,
    RefundExceedsGift,
)
from services.charity.routes import views
from services.charity.schemas import DonationView, DonorDisclosure, RecordDonation, RefundRow, RefundView
from services.charity.schemas import Refund as RefundForm
from services.charity.tables import Campaign, Donation, KnownCentre, Refund
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.idempotency import IdempotencyKeyMismatch, IdempotencyKeyMissing
from shared.money import MoneyView
from shared.paging import AskedPage, InvalidCursor, Page
from shared.personal import Disclose, Erase, ErasureNotConfirmed, ErasureView
from shared.problems import refusals
from shared.requests import Sealing, Tx, needs_idempotency_key, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/donations", tags=["donations"])
_RECORDING = (
    CampaignUnknown,
    CampaignNotOpen,
    CentreUnknown,
    CentreIsClosed,
    DonationRecordedBefore,
    AlreadyExists,
    IdempotencyKeyMissing,
    IdempotencyKeyMismatch,
)
_REFUNDING = (
    DonationNotFound,
    CampaignHasReported,
    GoodsAreNotRefunded,
    RefundBeforeGift,
    RefundExceedsGift,
    FundInsufficient,
    AlreadyExists,
    IdempotencyKeyMissing,
    IdempotencyKeyMismatch,
)


def view(donation: Donation, caller: Principal, seal: Seal) -> DonationView:
    """A gift as this caller may see it."""
    issued = donation.receipt_number is not None
    return DonationView(
        id=donation.id,
        version=donation.version,
        campaign_id=donation.campaign_id,
        centre_id=donation.centre_id,
        region=donation.region,
        kind=donation.kind,
        method=donation.method,
        amount=MoneyView.of_minor(donation.amount_minor),
        refunded=MoneyView.of_minor(donation.refunded_minor),
        goods=donation.goods,
        donor=views.donor(donation, caller, seal),
        external_ref=donation.external_ref,
        occurred_on=donation.occurred_on,
        receipt_number=f"{donation.receipt_year}-{donation.receipt_number:06d}" if issued else None,
        recorded_at=donation.recorded_at,
    )


def _refund_view(refund: Refund, caller: Principal, seal: Seal) -> RefundView:
    return RefundView(
        id=refund.id,
        donation_id=refund.donation_id,
        campaign_id=refund.campaign_id,
        centre_id=refund.centre_id,
        region=refund.region,
        amount=MoneyView.of_minor(refund.amount_minor),
        reason=seal.text(refund, "reason") if caller.may(Permission.REFUND) else None,
        occurred_on=refund.occurred_on,
        recorded_at=refund.recorded_at,
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_RECORDING),
    dependencies=[permits(Permission.RECORD_DONATIONS)],
)
@needs_idempotency_key
async def record_donation(
    form: RecordDonation, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DonationView:
    """Record a gift of money or goods."""
    donation, new = await commands.record_donation(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/donations/{donation.id}"
    return view(donation, caller, seal)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.RECORD_DONATIONS)],
)
async def record_donations(batch: Batch[RecordDonation], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Record up to 500 gifts; each row has its own answer. Give them ids, and a repeat records nothing twice."""

    async def look_up(rows: list[RecordDonation]) -> None:
        await tx.load(Campaign, [row.campaign_id for row in rows])
        await tx.load(KnownCentre, [row.centre_id for row in rows])
        await tx.load(Donation, [row.id for row in rows if row.id is not None])

    async def record_one(form: RecordDonation) -> UUID | Repeated:
        donation, new = await commands.record_donation(tx, form, by=caller, seal=seal, now=now)
        return donation.id if new else Repeated(donation.id)

    return await batches.run(tx, batch, RecordDonation, record_one, prepare=look_up)


@router.post(
    "/refunds/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.REFUND)],
)
async def refund_donations(batch: Batch[RefundRow], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Give back up to 500 gifts, whole or in part; each row has its own answer."""
    funds: Funds | None = None

    async def look_up(rows: list[RefundRow]) -> None:
        nonlocal funds
        funds = await commands.lock_funds_of_donations(tx, [row.donation_id for row in rows])
        await tx.load(Refund, [row.id for row in rows if row.id is not None])

    async def refund_one(row: RefundRow) -> UUID | Repeated:
        refund, new = await commands.refund_donation(
            tx, row.donation_id, row, by=caller, seal=seal, now=now, funds=funds
        )
        return refund.id if new else Repeated(refund.id)

    return await batches.run(tx, batch, RefundRow, refund_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_MONEY)])
async def list_donations(
    tx: Tx,
    page: AskedPage,
    seal: Sealing,
    caller: Caller,
    campaign_id: UUID | None = None,
    centre_id: UUID | None = None,
) -> Page[DonationView]:
    """Gifts, of one campaign or centre or all."""
    found = await queries.list_donations(tx, page, campaign_id=campaign_id, centre_id=centre_id)
    shown = [view(donation, caller, seal) for donation in found]
    return page.page(shown, lambda donation: [str(donation.id)])


@router.get("/{donation_id}", responses=refusals(DonationNotFound), dependencies=[permits(Permission.READ_MONEY)])
async def read_donation(donation_id: UUID, tx: Tx, seal: Sealing, caller: Caller) -> DonationView:
    """One gift."""
    donation = await tx.get(Donation, donation_id)
    if donation is None:
        raise DonationNotFound
    return view(donation, caller, seal)


@router.post(
    "/{donation_id}/disclosures",
    responses=refusals(DonationNotFound),
    dependencies=[permits(Permission.READ_PERSONAL_DATA)],
)
@never_remembered
async def disclose_donor(
    donation_id: UUID, form: Disclose, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DonorDisclosure:
    """Read in clear who gave, for a purpose that is written in the journal."""
    donation = await commands.disclose_donor(tx, donation_id, form, by=caller, now=now)
    return DonorDisclosure(id=donation.id, donor=views.disclosed_donor(donation, seal))


@router.post(
    "/{donation_id}/erasures",
    responses=refusals(DonationNotFound, ErasureNotConfirmed),
    dependencies=[permits(Permission.ERASE_PERSON)],
)
async def erase_donor(donation_id: UUID, form: Erase, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> ErasureView:
    """Erase who gave. Asked without the receipt's number it only tells what would go, and what stays and why."""
    return await commands.erase_donor(tx, donation_id, form, by=caller, seal=seal, now=now)


@router.post(
    "/{donation_id}/refunds",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_REFUNDING),
    dependencies=[permits(Permission.REFUND)],
)
@needs_idempotency_key
async def refund_donation(
    donation_id: UUID, form: RefundForm, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> RefundView:
    """Give back some or all of a gift of money."""
    refund, new = await commands.refund_donation(tx, donation_id, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    return _refund_view(refund, caller, seal)


@router.get(
    "/{donation_id}/refunds", responses=refusals(DonationNotFound), dependencies=[permits(Permission.READ_MONEY)]
)
async def list_refunds(donation_id: UUID, tx: Tx, seal: Sealing, caller: Caller) -> Page[RefundView]:
    """What went back of a gift."""
    if await tx.get(Donation, donation_id) is None:
        raise DonationNotFound
    refunds = await queries.refunds_of_donation(tx, donation_id)
    return Page(items=[_refund_view(refund, caller, seal) for refund in refunds])
