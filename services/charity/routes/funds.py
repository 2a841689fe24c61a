"""Funds, and the ledger behind them: to read only."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.charity import queries
from services.charity.domain import CampaignNotFound
from services.charity.queries import Totals
from services.charity.schemas import EntryView, FundView, LegView
from services.charity.tables import Campaign, Entry, Leg
from shared.access.doors import permits
from shared.access.permissions import Permission
from shared.database import Transaction
from shared.forms import Day
from shared.money import MoneyView
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router

router = _router("/v1", tags=["ledger"])


async def _views(tx: Transaction, campaigns: list[Campaign]) -> list[FundView]:
    totals = await queries.totals(tx, [campaign.id for campaign in campaigns])
    return [_fund(campaign, totals.get(campaign.id, Totals())) for campaign in campaigns]


def _fund(campaign: Campaign, totals: Totals) -> FundView:
    return FundView(
        campaign_id=campaign.id,
        status=campaign.status,
        title=campaign.title,
        received=MoneyView.of_minor(totals.received_minor),
        refunded=MoneyView.of_minor(totals.refunded_minor),
        disbursed=MoneyView.of_minor(totals.disbursed_minor),
        held=MoneyView.of_minor(totals.held_minor),
        balance=MoneyView.of_minor(totals.free_minor),
        goods_value=MoneyView.of_minor(totals.goods_minor),
    )


def _entry(entry: Entry, legs: list[Leg]) -> EntryView:
    return EntryView(
        id=entry.id,
        kind=entry.kind,
        reverses_id=entry.reverses_id,
        occurred_on=entry.occurred_on,
        recorded_at=entry.recorded_at,
        recorded_by=entry.recorded_by,
        legs=[
            LegView(
                account=leg.account,
                campaign_id=leg.campaign_id,
                centre_id=leg.centre_id,
                amount=MoneyView.of_minor(leg.amount_minor),
            )
            for leg in legs
        ],
    )


@router.get("/funds", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_MONEY)])
async def list_funds(tx: Tx, page: AskedPage) -> Page[FundView]:
    """What each campaign's fund received, gave out and can still promise."""
    chosen = page.page(await queries.list_campaigns(tx, page, status=None), lambda campaign: [str(campaign.id)])
    return Page(items=await _views(tx, chosen.items), next=chosen.next)


@router.get("/funds/{campaign_id}", responses=refusals(CampaignNotFound), dependencies=[permits(Permission.READ_MONEY)])
async def read_fund(campaign_id: UUID, tx: Tx) -> FundView:
    """One campaign's fund."""
    campaign = await tx.get(Campaign, campaign_id)
    if campaign is None:
        raise CampaignNotFound
    return (await _views(tx, [campaign]))[0]


@router.get("/ledger", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_MONEY)])
async def list_entries(
    tx: Tx,
    page: AskedPage,
    campaign_id: UUID | None = None,
    centre_id: UUID | None = None,
    start: Annotated[Day | None, Query(alias="from")] = None,
    end: Annotated[Day | None, Query(alias="to")] = None,
) -> Page[EntryView]:
    """Bookings with their legs, between two civil days, both included."""
    found = await queries.list_entries(tx, page, campaign_id=campaign_id, centre_id=centre_id, start=start, end=end)
    return page.page([_entry(entry, legs) for entry, legs in found], lambda entry: [str(entry.id)])
