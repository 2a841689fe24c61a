"""Campaigns."""

from uuid import UUID

from fastapi import Response, status

from services.charity import commands, queries
from services.charity.domain import (
    CampaignHasReported,
    CampaignNotFound,
    CentreUnknown,
    EndsBeforeItBegins,
    MoneyIsStillHeld,
    StatusDoesNotAllow,
)
from services.charity.queries import Totals
from services.charity.schemas import (
    CampaignStatus,
    CampaignView,
    ChangeCampaign,
    DecideOnCampaign,
    DecideOnCampaignRow,
    DraftCampaign,
)
from services.charity.tables import Campaign, KnownCentre
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.money import MoneyView
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Sealing, Tx
from shared.requests import router as _router

router = _router("/v1/campaigns", tags=["campaigns"])
_JUST_NOW = DecideOnCampaign()


def view(campaign: Campaign, totals: Totals) -> CampaignView:
    """A campaign, and what came in and went out."""
    return CampaignView(
        **{name: getattr(campaign, name) for name in ("id", "version", "status", "title", "purpose", "story")},
        goal=None if campaign.goal_minor is None else MoneyView.of_minor(campaign.goal_minor),
        starts_on=campaign.starts_on,
        ends_on=campaign.ends_on,
        centre_ids=[UUID(centre_id) for centre_id in campaign.centre_ids],
        received=MoneyView.of_minor(totals.received_minor),
        refunded=MoneyView.of_minor(totals.refunded_minor),
        disbursed=MoneyView.of_minor(totals.disbursed_minor),
        held=MoneyView.of_minor(totals.held_minor),
        balance=MoneyView.of_minor(totals.free_minor),
        goods_value=MoneyView.of_minor(totals.goods_minor),
    )


async def _views(tx: Transaction, *campaigns: Campaign) -> list[CampaignView]:
    totals = await queries.totals(tx, [campaign.id for campaign in campaigns])
    return [view(campaign, totals.get(campaign.id, Totals())) for campaign in campaigns]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(EndsBeforeItBegins, CentreUnknown, AlreadyExists),
    dependencies=[permits(Permission.MANAGE_CAMPAIGNS)],
)
async def draft_campaign(
    form: DraftCampaign, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> CampaignView:
    """Write a campaign down; it takes no gifts yet. The same request again answers 200 with the same campaign."""
    campaign, new = await commands.draft_campaign(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/campaigns/{campaign.id}"
    return view(campaign, Totals()) if new else (await _views(tx, campaign))[0]


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.MANAGE_CAMPAIGNS)],
)
async def draft_campaigns(batch: Batch[DraftCampaign], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Write up to 500 campaigns down; each row has its own answer."""

    async def look_up(rows: list[DraftCampaign]) -> None:
        await tx.load(KnownCentre, {centre_id for row in rows for centre_id in row.centre_ids})
        await tx.load(Campaign, [row.id for row in rows if row.id is not None])

    async def draft_one(form: DraftCampaign) -> UUID | Repeated:
        campaign, new = await commands.draft_campaign(tx, form, by=caller, seal=seal, now=now)
        return campaign.id if new else Repeated(campaign.id)

    return await batches.run(tx, batch, DraftCampaign, draft_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_CAMPAIGNS)])
async def list_campaigns(tx: Tx, page: AskedPage, status: CampaignStatus | None = None) -> Page[CampaignView]:
    """Campaigns, with what came in and went out."""
    found = await queries.list_campaigns(tx, page, status=status)
    chosen = page.page(found, lambda campaign: [str(campaign.id)])
    return Page(items=await _views(tx, *chosen.items), next=chosen.next)


@router.get("/{campaign_id}", responses=refusals(CampaignNotFound), dependencies=[permits(Permission.READ_CAMPAIGNS)])
async def read_campaign(campaign_id: UUID, tx: Tx) -> CampaignView:
    """One campaign."""
    campaign = await tx.get(Campaign, campaign_id)
    if campaign is None:
        raise CampaignNotFound
    return (await _views(tx, campaign))[0]


@router.put(
    "/{campaign_id}",
    responses=refusals(CampaignNotFound, CampaignHasReported, EndsBeforeItBegins, CentreUnknown),
    dependencies=[permits(Permission.MANAGE_CAMPAIGNS)],
)
async def change_campaign(campaign_id: UUID, form: ChangeCampaign, tx: Tx, caller: Caller, now: Now) -> CampaignView:
    """Give a campaign other titles, another goal, other days or centres."""
    return (await _views(tx, await commands.change_campaign(tx, campaign_id, form, by=caller, now=now)))[0]


def _add_step(path: str, step: str, says: str) -> None:
    """The routes of one step of a campaign: for one, and for up to 500."""

    async def decide(
        campaign_id: UUID, tx: Tx, caller: Caller, now: Now, form: DecideOnCampaign = _JUST_NOW
    ) -> CampaignView:
        return (await _views(tx, await commands.take_step(tx, campaign_id, step, form, by=caller, now=now)))[0]

    async def decide_many(batch: Batch[DecideOnCampaignRow], tx: Tx, caller: Caller, now: Now) -> Response:
        async def decide_one(row: DecideOnCampaignRow) -> UUID:
            return (await commands.take_step(tx, row.campaign_id, step, row, by=caller, now=now)).id

        return await batches.run(
            tx,
            batch,
            DecideOnCampaignRow,
            decide_one,
            prepare=lambda rows: tx.load(Campaign, [row.campaign_id for row in rows], lock=True),
            status=status.HTTP_200_OK,
        )

    router.post(
        f"/{{campaign_id}}/{path}",
        name=f"{step}_campaign",
        summary=says,
        responses=refusals(CampaignNotFound, StatusDoesNotAllow, MoneyIsStillHeld),
        dependencies=[permits(Permission.MANAGE_CAMPAIGNS)],
    )(decide)
    router.post(
        f"/{path}/batches",
        name=f"{step}_campaigns",
        summary=f"{says} Up to 500 at once.",
        status_code=status.HTTP_207_MULTI_STATUS,
        response_model=BatchAnswer,
        dependencies=[permits(Permission.MANAGE_CAMPAIGNS)],
    )(decide_many)


_add_step("openings", "open", "Let a campaign take gifts.")
_add_step("closures", "close", "Take no more gifts for a campaign.")
_add_step("reports", "report", "Note that a campaign has given its account; nothing of it changes any more.")
