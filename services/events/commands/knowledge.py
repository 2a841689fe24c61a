"""What other services have told and this one needs: centres, volunteers, campaigns."""

from datetime import date
from uuid import UUID

from services.events.tables import KnownCampaign, KnownCentre, KnownVolunteer
from shared.database import Transaction


async def know_centre(tx: Transaction, centre_id: UUID, *, region: str, closed_on: date | None) -> None:
    tx.put(KnownCentre(id=centre_id, region=region, closed_on=closed_on))


async def know_volunteer(
    tx: Transaction, volunteer_id: UUID, *, centre_id: UUID | None, status: str, born_in: str, consent: bool
) -> None:
    tx.put(KnownVolunteer(id=volunteer_id, centre_id=centre_id, status=status, born_in=born_in, consent=consent))


async def know_campaign(tx: Transaction, campaign_id: UUID, *, status: str) -> None:
    tx.put(KnownCampaign(id=campaign_id, status=status))
