"""Campaigns: drafted, changed, opened, closed, reported."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.charity import domain, queries
from services.charity.commands.changes import note_change
from services.charity.commands.repeats import made_before, made_from
from services.charity.schemas import ChangeCampaign, DecideOnCampaign, DraftCampaign
from services.charity.tables import Campaign, KnownCentre
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import (
    CampaignChanged,
    CampaignClosed,
    CampaignDrafted,
    CampaignFact,
    CampaignOpened,
    CampaignReported,
)
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal

FACTS: dict[str, type[CampaignFact]] = {"open": CampaignOpened, "close": CampaignClosed, "report": CampaignReported}
"""What is announced of each step in `domain.CAMPAIGN_STEPS`."""


async def draft_campaign(
    tx: Transaction, form: DraftCampaign, *, by: Principal, seal: Seal, now: datetime
) -> tuple[Campaign, bool]:
    """Write a campaign down; answers it, and whether it is new: the same request makes it once.

    Raises:
        EndsBeforeItBegins, CentreUnknown
        AlreadyExists: another campaign has this id.
    """
    known = await made_before(tx, Campaign, form, seal)
    if known is not None:
        return known, False
    await _require_plan(tx, form)
    campaign = Campaign(
        id=form.id or new_id(), **_plan(form), made_from=made_from(form, seal), recorded_by=by.id, recorded_at=now
    )
    tx.insert(campaign)
    tx.announce(CampaignDrafted(**_fact(campaign, was=None)), at=now, version=campaign.version)
    return campaign, True


async def change_campaign(
    tx: Transaction, campaign_id: UUID, form: ChangeCampaign, *, by: Principal, now: datetime
) -> Campaign:
    """Give a campaign other titles, another goal, other days or centres.

    Raises:
        CampaignNotFound, EndsBeforeItBegins, CentreUnknown
        CampaignHasReported: its account is given.
    """
    campaign = await _locked(tx, campaign_id)
    if campaign.status == "reported":
        raise domain.CampaignHasReported
    await _require_plan(tx, form)
    for name, value in _plan(form).items():
        setattr(campaign, name, value)
    tx.update(campaign)
    _note(tx, campaign, campaign.status, on=civil_day(now), by=by, now=now)
    tx.announce(CampaignChanged(**_fact(campaign, was=campaign.status)), at=now, version=campaign.version)
    return campaign


async def take_step(
    tx: Transaction, campaign_id: UUID, step: str, form: DecideOnCampaign, *, by: Principal, now: datetime
) -> Campaign:
    """Open, close or report a campaign (`domain.CAMPAIGN_STEPS`), and announce it.

    Raises:
        CampaignNotFound, StatusDoesNotAllow
        MoneyIsStillHeld: it cannot report while disbursements are neither paid nor voided.
    """
    campaign = await _locked(tx, campaign_id)
    after = domain.next_status(domain.CAMPAIGN_STEPS, step, now=campaign.status)
    if step == "report" and await queries.holds_money(tx, campaign_id):
        raise domain.MoneyIsStillHeld
    was, campaign.status = campaign.status, after
    tx.update(campaign)
    _note(tx, campaign, was, on=form.decided_on or civil_day(now), by=by, now=now)
    tx.announce(FACTS[step](**_fact(campaign, was=was)), at=now, version=campaign.version)
    return campaign


async def _require_plan(tx: Transaction, form: ChangeCampaign) -> None:
    if form.ends_on is not None and form.ends_on < form.starts_on:
        raise domain.EndsBeforeItBegins(pointer="/ends_on")
    if form.centre_ids and len(await tx.load(KnownCentre, form.centre_ids)) < len(set(form.centre_ids)):
        raise domain.CentreUnknown(pointer="/centre_ids")


async def _locked(tx: Transaction, campaign_id: UUID) -> Campaign:
    campaign = await tx.get(Campaign, campaign_id, lock=True)
    if campaign is None:
        raise domain.CampaignNotFound
    return campaign


def _plan(form: ChangeCampaign) -> dict[str, Any]:
    return {
        "title": form.title.filled(),
        "purpose": form.purpose,
        "story": form.story.filled() if form.story else None,
        "goal_minor": form.goal.minor if form.goal else None,
        "starts_on": form.starts_on,
        "ends_on": form.ends_on,
        "centre_ids": [str(centre_id) for centre_id in dict.fromkeys(form.centre_ids)],
    }


def _note(tx: Transaction, campaign: Campaign, was: str, *, on: date, by: Principal, now: datetime) -> None:
    note_change(tx, "campaign", campaign.id, centre_id=None, was=was, status=campaign.status, on=on, by=by, now=now)


def _fact(campaign: Campaign, *, was: str | None) -> dict[str, Any]:
    return {
        "campaign_id": campaign.id,
        "was": was,
        "status": campaign.status,
        "title": campaign.title,
        "goal_minor": campaign.goal_minor,
        "starts_on": campaign.starts_on,
        "ends_on": campaign.ends_on,
        "centre_ids": campaign.centre_ids,
    }
