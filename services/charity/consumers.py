"""What the charity service listens to."""

from uuid import UUID

from services.charity import commands
from shared.contracts.envelope import Message
from shared.contracts.volunteers import CentreChanged, CentreClosed, CentreFact, CentreOpened
from shared.database import Transaction
from shared.messaging.consumer import Consumer

consumer = Consumer("charity")


async def know_centre(tx: Transaction, message: Message[CentreOpened] | Message[CentreChanged]) -> None:
    centre_id, region = _where(message.data)
    await commands.know_centre(tx, centre_id, region=region, kind=message.data.kind)


async def know_centre_is_closed(tx: Transaction, message: Message[CentreClosed]) -> None:
    centre_id, region = _where(message.data)
    fact = message.data
    await commands.know_centre_is_closed(tx, centre_id, region=region, kind=fact.kind, closed_on=fact.closed_on)


def _where(fact: CentreFact) -> tuple[UUID, str]:
    if fact.centre_id is None or fact.region is None:
        raise ValueError("a centre without id or region")
    return fact.centre_id, fact.region


consumer.on(CentreOpened, know_centre)
consumer.on(CentreChanged, know_centre)
consumer.on(CentreClosed, know_centre_is_closed)
