"""Deliveries."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson
from fastapi import Response, status

from services.charity import commands, queries
from services.charity.domain import (
    CampaignNeverOpened,
    CampaignUnknown,
    CentreIsClosed,
    CentreUnknown,
    DeliveryIsVoided,
    DeliveryNotFound,
    FamilyNotVerified,
    FamilyUnknown,
    NobodyToHelp,
    NotOfTheFamily,
)
from services.charity.schemas import (
    DeliveryDetail,
    DeliveryDisclosure,
    DeliveryView,
    MakeDelivery,
    VoidDelivery,
    VoidDeliveryRow,
)
from services.charity.tables import Campaign, Delivery, Family, KnownCentre, Member
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.money import MoneyView
from shared.paging import AskedPage, InvalidCursor, Page
from shared.personal import Disclose
from shared.problems import refusals
from shared.requests import Sealing, Tx, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/deliveries", tags=["deliveries"])
_MAKING = (
    FamilyUnknown,
    FamilyNotVerified,
    NotOfTheFamily,
    NobodyToHelp,
    CampaignUnknown,
    CampaignNeverOpened,
    CentreUnknown,
    CentreIsClosed,
    AlreadyExists,
)


def view(delivery: Delivery, caller: Principal, seal: Seal) -> DeliveryView:
    """A delivery; what was noted of it only for those who look after the family."""
    close = caller.may(Permission.READ_PERSONAL_DATA)
    return DeliveryView(
        id=delivery.id,
        version=delivery.version,
        campaign_id=delivery.campaign_id,
        family_id=delivery.family_id,
        centre_id=delivery.centre_id,
        region=delivery.region,
        kind=delivery.kind,
        value=MoneyView.of_minor(delivery.value_minor),
        description=seal.text(delivery, "description") if close else None,
        event_id=delivery.event_id,
        occurred_on=delivery.occurred_on,
        voided_on=delivery.voided_on,
        void_reason=seal.text(delivery, "void_reason") if close else None,
        recorded_at=delivery.recorded_at,
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_MAKING),
    dependencies=[permits(Permission.RECORD_DELIVERIES)],
)
async def make_delivery(
    form: MakeDelivery, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DeliveryView:
    """Record help that has reached a family. The same request again answers 200 with the same delivery."""
    delivery, new = await commands.make_delivery(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/deliveries/{delivery.id}"
    return view(delivery, caller, seal)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.RECORD_DELIVERIES)],
)
async def make_deliveries(batch: Batch[MakeDelivery], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Record up to 500 deliveries; each row has its own answer."""
    members: Mapping[UUID, Sequence[Member]] = {}

    async def look_up(rows: list[MakeDelivery]) -> None:
        nonlocal members
        await tx.load(KnownCentre, [row.centre_id for row in rows])
        await tx.load(Campaign, [row.campaign_id for row in rows if row.campaign_id is not None])
        await tx.load(Delivery, [row.id for row in rows if row.id is not None])
        families = await tx.load(Family, [row.family_id for row in rows], lock=True)
        members = await queries.members_of_families(tx, families)

    async def make_one(form: MakeDelivery) -> UUID | Repeated:
        delivery, new = await commands.make_delivery(tx, form, by=caller, seal=seal, now=now, members=members)
        return delivery.id if new else Repeated(delivery.id)

    return await batches.run(tx, batch, MakeDelivery, make_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_FAMILIES)])
async def list_deliveries(
    tx: Tx,
    page: AskedPage,
    seal: Sealing,
    caller: Caller,
    campaign_id: UUID | None = None,
    centre_id: UUID | None = None,
    family_id: UUID | None = None,
) -> Page[DeliveryView]:
    """Deliveries, of one campaign, centre or family or all."""
    found = await queries.list_deliveries(tx, page, campaign_id=campaign_id, centre_id=centre_id, family_id=family_id)
    shown = [view(delivery, caller, seal) for delivery in found]
    return page.page(shown, lambda delivery: [str(delivery.id)])


@router.get("/{delivery_id}", responses=refusals(DeliveryNotFound), dependencies=[permits(Permission.READ_FAMILIES)])
async def read_delivery(delivery_id: UUID, tx: Tx, seal: Sealing, caller: Caller) -> DeliveryDetail:
    """One delivery, and whom it helped."""
    delivery = await tx.get(Delivery, delivery_id)
    if delivery is None:
        raise DeliveryNotFound
    helped = await queries.people_of_deliveries(tx, [delivery_id])
    return DeliveryDetail(**dict(view(delivery, caller, seal)), person_ids=helped.get(delivery_id, []))


@router.post(
    "/{delivery_id}/disclosures",
    responses=refusals(DeliveryNotFound),
    dependencies=[permits(Permission.READ_PERSONAL_DATA)],
)
@never_remembered
async def disclose_delivery(
    delivery_id: UUID, form: Disclose, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DeliveryDisclosure:
    """Read in clear how the family was when it was helped, for a purpose that is written in the journal."""
    delivery = await commands.disclose_delivery(tx, delivery_id, form, by=caller, now=now)
    return DeliveryDisclosure(id=delivery.id, snapshot=orjson.loads(seal.text(delivery, "snapshot") or "null"))


@router.post(
    "/{delivery_id}/voids",
    responses=refusals(DeliveryNotFound, DeliveryIsVoided),
    dependencies=[permits(Permission.RECORD_DELIVERIES)],
)
async def void_delivery(
    delivery_id: UUID, form: VoidDelivery, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> DeliveryView:
    """Take back a delivery that was entered by mistake."""
    delivery = await commands.void_delivery(tx, delivery_id, form, by=caller, seal=seal, now=now)
    return view(delivery, caller, seal)


@router.post(
    "/voids/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.RECORD_DELIVERIES)],
)
async def void_deliveries(batch: Batch[VoidDeliveryRow], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Take back up to 500 deliveries; each row has its own answer."""
    helped: Mapping[UUID, Sequence[UUID]] = {}

    async def look_up(rows: list[VoidDeliveryRow]) -> None:
        nonlocal helped
        await tx.load(Delivery, [row.delivery_id for row in rows], lock=True)
        helped = await queries.people_of_deliveries(tx, [row.delivery_id for row in rows])

    async def void_one(row: VoidDeliveryRow) -> UUID:
        delivery_id = row.delivery_id
        return (await commands.void_delivery(tx, delivery_id, row, by=caller, seal=seal, now=now, helped=helped)).id

    return await batches.run(tx, batch, VoidDeliveryRow, void_one, prepare=look_up, status=status.HTTP_200_OK)
