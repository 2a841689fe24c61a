"""Deliveries: help that reached a family, and its taking back where it was entered by mistake."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.charity import domain, queries
from services.charity.commands.centres import working_centre
from services.charity.commands.changes import note_change
from services.charity.commands.families import codes
from services.charity.commands.repeats import made_before, made_from
from services.charity.schemas import MakeDelivery, VoidDelivery
from services.charity.tables import Campaign, Delivery, Family, Member
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import DeliveryFact, DeliveryMade, DeliveryVoided
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal


async def make_delivery(
    tx: Transaction,
    form: MakeDelivery,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    members: Mapping[UUID, Sequence[Member]] | None = None,
) -> tuple[Delivery, bool]:
    """Record help that reached a family, and keep how the family was then; answers it, and whether it is new.

    The family is locked, so that nobody joins, leaves or archives it between the look and the picture.
    `members` are those a batch has read, by family. A delivery is not money paid out: that is a disbursement.

    Raises:
        FamilyUnknown, FamilyNotVerified, NotOfTheFamily, NobodyToHelp, CentreUnknown, CentreIsClosed
        CampaignUnknown, CampaignNeverOpened
        AlreadyExists: another delivery has this id.
    """
    known = await made_before(tx, Delivery, form, seal)
    if known is not None:
        return known, False
    occurred_on = form.occurred_on or civil_day(now)
    family = await tx.get(Family, form.family_id, lock=True)
    if family is None:
        raise domain.FamilyUnknown(pointer="/family_id")
    if family.status != "verified":
        raise domain.FamilyNotVerified(pointer="/family_id")
    centre = await working_centre(tx, form.centre_id, on=occurred_on)
    await _require_campaign(tx, form.campaign_id)
    if members is None:
        members = await queries.members_of_families(tx, [family.id])
    everybody = members.get(family.id, ())
    helped = domain.helped(everybody, form.member_ids, on=occurred_on)
    delivery_id = form.id or new_id()
    there = domain.present(everybody, on=occurred_on)
    delivery = Delivery(
        id=delivery_id,
        campaign_id=form.campaign_id,
        family_id=family.id,
        centre_id=centre.id,
        region=centre.region,
        kind=form.kind,
        value_minor=form.value.minor if form.value else 0,
        event_id=form.event_id,
        occurred_on=occurred_on,
        made_from=made_from(form, seal),
        recorded_by=by.id,
        recorded_at=now,
        **seal.fields(Delivery, delivery_id, description=form.description, snapshot=_snapshot(family, there, seal)),
    )
    tx.insert(delivery)
    for member in helped:
        tx.insert_values("helped", {"delivery_id": delivery_id, "person_id": member.id, "centre_id": centre.id})
    tx.announce(_fact(DeliveryMade, delivery, [member.id for member in helped]), at=now, version=delivery.version)
    return delivery, True


async def void_delivery(
    tx: Transaction,
    delivery_id: UUID,
    form: VoidDelivery,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    helped: Mapping[UUID, Sequence[UUID]] | None = None,
) -> Delivery:
    """Take back a delivery that was entered by mistake: on its own day, as if it had never been.

    `helped` is whom the deliveries of a batch helped.

    Raises:
        DeliveryNotFound, DeliveryIsVoided
    """
    delivery = await tx.get(Delivery, delivery_id, lock=True)
    if delivery is None:
        raise domain.DeliveryNotFound
    if delivery.voided_on is not None:
        raise domain.DeliveryIsVoided
    if helped is None:
        helped = await queries.people_of_deliveries(tx, [delivery_id])
    delivery.voided_on = civil_day(now)
    delivery.void_reason = seal.fields(Delivery, delivery.id, void_reason=form.reason)["void_reason"]
    tx.update(delivery)
    note_change(
        tx,
        "delivery",
        delivery.id,
        centre_id=delivery.centre_id,
        was="made",
        status="voided",
        on=delivery.voided_on,
        by=by,
        now=now,
        seal=seal,
        reason=form.reason,
    )
    tx.announce(_fact(DeliveryVoided, delivery, helped.get(delivery_id, ())), at=now, version=delivery.version)
    return delivery


async def _require_campaign(tx: Transaction, campaign_id: UUID | None) -> None:
    if campaign_id is None:
        return
    campaign = await tx.get(Campaign, campaign_id)
    if campaign is None:
        raise domain.CampaignUnknown(pointer="/campaign_id")
    if campaign.status == "draft":
        raise domain.CampaignNeverOpened(pointer="/campaign_id")


def _snapshot(family: Family, members: Iterable[Member], seal: Seal) -> bytes:
    """The family as it is; no IINs: nobody needs them to know who was helped."""
    return orjson.dumps(
        {
            "number": family.number,
            "address": seal.text(family, "address"),
            "referred_by": seal.text(family, "referred_by"),
            "categories": codes(family, seal),
            "members": [
                {
                    "id": str(member.id),
                    "full_name": seal.text(member, "full_name"),
                    "born_on": seal.text(member, "born_on"),
                    "relation": member.relation,
                    "categories": codes(member, seal),
                }
                for member in members
            ],
        }
    )


def _fact(fact: type[DeliveryFact], delivery: Delivery, person_ids: Sequence[UUID]) -> Any:
    return fact(
        delivery_id=delivery.id,
        campaign_id=delivery.campaign_id,
        family_id=delivery.family_id,
        person_ids=list(person_ids),
        centre_id=delivery.centre_id,
        region=delivery.region,
        kind=delivery.kind,
        value_minor=delivery.value_minor,
        event_id=delivery.event_id,
        on=delivery.occurred_on,
    )
