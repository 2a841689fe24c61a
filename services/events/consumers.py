"""What the events service listens to."""

from services.events import commands
from shared import clock
from shared.contracts.charity import CampaignChanged, CampaignClosed, CampaignDrafted, CampaignOpened, CampaignReported
from shared.contracts.envelope import Message
from shared.contracts.volunteers import (
    CentreChanged,
    CentreClosed,
    CentreFact,
    CentreOpened,
    VolunteerActivated,
    VolunteerApproved,
    VolunteerErased,
    VolunteerFact,
    VolunteerLeft,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerRejected,
    VolunteerResumed,
)
from shared.database import Transaction
from shared.messaging.consumer import Consumer

consumer = Consumer("events")

Campaign = CampaignDrafted | CampaignOpened | CampaignChanged | CampaignClosed | CampaignReported


async def know_centre(tx: Transaction, message: Message[CentreFact]) -> None:
    fact = message.data
    if fact.centre_id is None or fact.region is None:
        raise ValueError("a centre without id or region")
    closed_on = fact.closed_on if isinstance(fact, CentreClosed) else None
    await commands.know_centre(tx, fact.centre_id, region=fact.region, closed_on=closed_on)


async def know_volunteer(tx: Transaction, message: Message[VolunteerFact]) -> None:
    fact = message.data
    await commands.know_volunteer(
        tx,
        fact.volunteer_id,
        centre_id=fact.centre_id,
        status=fact.status,
        born_in=fact.born_in,
        consent=fact.consent,
    )


async def forget_volunteer(tx: Transaction, message: Message[VolunteerErased]) -> None:
    await commands.forget_volunteer(tx, message.data.volunteer_id, now=clock.now())


async def know_campaign(tx: Transaction, message: Message[Campaign]) -> None:
    await commands.know_campaign(tx, message.data.campaign_id, status=message.data.status)


for centre_fact in (CentreOpened, CentreChanged, CentreClosed):
    consumer.on(centre_fact, know_centre)
for volunteer_fact in (
    VolunteerRegistered,
    VolunteerApproved,
    VolunteerRejected,
    VolunteerActivated,
    VolunteerPaused,
    VolunteerResumed,
    VolunteerLeft,
):
    consumer.on(volunteer_fact, know_volunteer)
consumer.on(VolunteerErased, forget_volunteer)
for campaign_fact in (CampaignDrafted, CampaignOpened, CampaignChanged, CampaignClosed, CampaignReported):
    consumer.on(campaign_fact, know_campaign)
