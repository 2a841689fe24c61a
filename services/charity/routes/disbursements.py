"""Disbursements."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import Response, status

from services.charity import commands, queries
from services.charity.domain import (
    ApprovedByRequester,
    CampaignHasReported,
    CampaignNeverOpened,
    CampaignUnknown,
    CentreIsClosed,
    CentreUnknown,
    DisbursementNotFound,
    FundInsufficient,
    Funds,
    PaidBeforeRequested,
    StatusDoesNotAllow,
)
from services.charity.schemas import (
    ApproveDisbursement,
    ApproveDisbursementRow,
    DisbursementStatus,
    DisbursementView,
    PayDisbursement,
    PayDisbursementRow,
    RequestDisbursement,
    VoidDisbursement,
    VoidDisbursementRow,
)
from services.charity.tables import Disbursement, KnownCentre
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.idempotency import IdempotencyKeyMismatch, IdempotencyKeyMissing
from shared.money import MoneyView
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Sealing, Tx, needs_idempotency_key
from shared.requests import router as _router

router = _router("/v1/disbursements", tags=["disbursements"])
_AGREED = ApproveDisbursement()
_PAID_TODAY = PayDisbursement()
_many: dict[str, Any] = {
    "status_code": status.HTTP_207_MULTI_STATUS,
    "response_model": BatchAnswer,
    "dependencies": [permits(Permission.DISBURSE)],
}


def view(disbursement: Disbursement) -> DisbursementView:
    return DisbursementView(
        id=disbursement.id,
        version=disbursement.version,
        campaign_id=disbursement.campaign_id,
        centre_id=disbursement.centre_id,
        region=disbursement.region,
        amount=MoneyView.of_minor(disbursement.amount_minor),
        purpose=disbursement.purpose,
        status=disbursement.status,
        occurred_on=disbursement.occurred_on,
        paid_on=disbursement.paid_on,
        recorded_at=disbursement.recorded_at,
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(
        CampaignUnknown, CampaignNeverOpened, CampaignHasReported, CentreUnknown, CentreIsClosed, FundInsufficient,
        AlreadyExists, IdempotencyKeyMissing, IdempotencyKeyMismatch,
    ),
    dependencies=[permits(Permission.DISBURSE)],
)  # fmt: skip
@needs_idempotency_key
async def request_disbursement(
    form: RequestDisbursement, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DisbursementView:
    """Ask for money of a campaign's fund; it is held for this at once."""
    disbursement, new = await commands.request_disbursement(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/disbursements/{disbursement.id}"
    return view(disbursement)


@router.post("/batches", **_many)
async def request_disbursements(
    batch: Batch[RequestDisbursement], tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> Response:
    """Ask for money up to 500 times; each row has its own answer."""
    funds: Funds | None = None

    async def look_up(rows: list[RequestDisbursement]) -> None:
        nonlocal funds
        funds = await commands.lock_funds(tx, [row.campaign_id for row in rows])
        await tx.load(KnownCentre, [row.centre_id for row in rows])
        await tx.load(Disbursement, [row.id for row in rows if row.id is not None])

    async def request_one(form: RequestDisbursement) -> UUID | Repeated:
        made, new = await commands.request_disbursement(tx, form, by=caller, seal=seal, now=now, funds=funds)
        return made.id if new else Repeated(made.id)

    return await batches.run(tx, batch, RequestDisbursement, request_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_MONEY)])
async def list_disbursements(
    tx: Tx,
    page: AskedPage,
    campaign_id: UUID | None = None,
    centre_id: UUID | None = None,
    status: DisbursementStatus | None = None,
) -> Page[DisbursementView]:
    """Disbursements, of one campaign or centre or all."""
    found = await queries.list_disbursements(tx, page, campaign_id=campaign_id, centre_id=centre_id, status=status)
    return page.page([view(disbursement) for disbursement in found], lambda disbursement: [str(disbursement.id)])


@router.get(
    "/{disbursement_id}", responses=refusals(DisbursementNotFound), dependencies=[permits(Permission.READ_MONEY)]
)
async def read_disbursement(disbursement_id: UUID, tx: Tx) -> DisbursementView:
    """One disbursement."""
    disbursement = await tx.get(Disbursement, disbursement_id)
    if disbursement is None:
        raise DisbursementNotFound
    return view(disbursement)


@router.post(
    "/{disbursement_id}/approvals",
    responses=refusals(DisbursementNotFound, StatusDoesNotAllow, ApprovedByRequester),
    dependencies=[permits(Permission.DISBURSE)],
)
async def approve_disbursement(
    disbursement_id: UUID, tx: Tx, caller: Caller, now: Now, form: ApproveDisbursement = _AGREED
) -> DisbursementView:
    """Agree to what another person has requested."""
    return view(await commands.approve_disbursement(tx, disbursement_id, form, by=caller, now=now))


@router.post("/approvals/batches", **_many)
async def approve_disbursements(batch: Batch[ApproveDisbursementRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Agree to up to 500 requests; each row has its own answer."""

    async def approve_one(row: ApproveDisbursementRow) -> UUID:
        return (await commands.approve_disbursement(tx, row.disbursement_id, row, by=caller, now=now)).id

    return await batches.run(tx, batch, ApproveDisbursementRow, approve_one, prepare=_locks(tx), status=200)


@router.post(
    "/{disbursement_id}/payments",
    responses=refusals(DisbursementNotFound, StatusDoesNotAllow, PaidBeforeRequested),
    dependencies=[permits(Permission.DISBURSE)],
)
async def pay_disbursement(
    disbursement_id: UUID, tx: Tx, caller: Caller, now: Now, form: PayDisbursement = _PAID_TODAY
) -> DisbursementView:
    """Note that an approved disbursement was paid. A repeat is refused, so nothing is paid twice."""
    return view(await commands.pay_disbursement(tx, disbursement_id, form, by=caller, now=now))


@router.post("/payments/batches", **_many)
async def pay_disbursements(batch: Batch[PayDisbursementRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Note up to 500 payments; each row has its own answer."""

    async def pay_one(row: PayDisbursementRow) -> UUID:
        return (await commands.pay_disbursement(tx, row.disbursement_id, row, by=caller, now=now)).id

    return await batches.run(tx, batch, PayDisbursementRow, pay_one, prepare=_locks(tx), status=200)


@router.post(
    "/{disbursement_id}/voids",
    responses=refusals(DisbursementNotFound, StatusDoesNotAllow),
    dependencies=[permits(Permission.DISBURSE)],
)
async def void_disbursement(
    disbursement_id: UUID, form: VoidDisbursement, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DisbursementView:
    """Give the fund back what is not needed after all."""
    return view(await commands.void_disbursement(tx, disbursement_id, form, by=caller, seal=seal, now=now))


@router.post("/voids/batches", **_many)
async def void_disbursements(
    batch: Batch[VoidDisbursementRow], tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> Response:
    """Void up to 500 disbursements; each row has its own answer."""

    async def void_one(row: VoidDisbursementRow) -> UUID:
        return (await commands.void_disbursement(tx, row.disbursement_id, row, by=caller, seal=seal, now=now)).id

    return await batches.run(tx, batch, VoidDisbursementRow, void_one, prepare=_locks(tx), status=200)


def _locks(tx: Transaction) -> Callable[[list[Any]], Any]:
    """Read and lock all of a batch's disbursements at once."""
    return lambda rows: tx.load(Disbursement, [row.disbursement_id for row in rows], lock=True)
