"""Erasure: who somebody is goes, what reached them and what they gave stays, under ids that name nobody.

A gift's and a delivery's version counts what is announced of them, and of an erasure nothing is; so their rows are
changed by statements of their own.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from services.charity import domain, queries
from services.charity.commands.families import announce_change, archive_family, locked_family
from services.charity.schemas import ArchiveFamily
from services.charity.tables import Delivery, Donation, Member
from shared import idempotency, journal
from shared.access.principal import EVERYTHING, Principal
from shared.clock import civil_day
from shared.database import Transaction
from shared.personal import ACCOUNTED, COUNTED, Erase, ErasureView, kept
from shared.sealed import Seal

_OF_MEMBER = ("full_name", "born_on", "iin", "iin_index", "categories")
_OF_FAMILY = ("address", "referred_by", "categories", "made_from")
_FORGET_FORM = "UPDATE family SET made_from = NULL WHERE id = $1"
_FORGET_REASONS = "UPDATE statuschange SET reason = NULL WHERE of_id = ANY($1::uuid[])"
_FORGET_PICTURES = (
    "UPDATE delivery SET snapshot = NULL, description = NULL, void_reason = NULL, made_from = NULL WHERE family_id = $1"
)
_CHANGE_PICTURE = "UPDATE delivery SET snapshot = $2 WHERE id = $1"
_FORGET_NOTES = "UPDATE delivery SET description = NULL, void_reason = NULL WHERE id = ANY($1::uuid[])"
_FORGET_DONOR = "UPDATE donation SET donor = NULL, made_from = NULL, erased_on = $2 WHERE id = $1"
_FORGET_REFUNDS = "UPDATE refund SET reason = NULL, made_from = NULL WHERE donation_id = $1"
_REFUNDS = "SELECT count(*) FROM refund WHERE donation_id = $1"


async def erase_member(
    tx: Transaction, family_id: UUID, member_id: UUID, form: Erase, *, by: Principal, seal: Seal, now: datetime
) -> ErasureView:
    """Erase a person of a family, who has left it with that day. Unconfirmed, only tell what would go and stay.

    A repeat is the same erasure.

    Raises:
        FamilyNotFound, MemberNotFound
        ErasureNotConfirmed: the number is not the family's.
    """
    family = await locked_family(tx, family_id)
    member = await tx.get(Member, member_id, lock=True)
    if member is None or member.family_id != family_id:
        raise domain.MemberNotFound
    # Whichever centre has brought them something: they are to be forgotten there as well.
    async with tx.reaching(EVERYTHING):
        deliveries = await queries.deliveries_of_family(tx, family_id)
        helped = await queries.people_of_deliveries(tx, [delivery.id for delivery in deliveries])
    of_them = [delivery.id for delivery in deliveries if member_id in helped.get(delivery.id, ())]
    done = member.erased_on is not None
    if form.is_confirmed(family.number) and not done:
        on, stays = civil_day(now), member.until_on is None
        _empty_member(member, on=on)
        tx.update(member)
        family.made_from = None
        await tx.sql(_FORGET_FORM, family_id)
        if stays:
            await announce_change(tx, family, on=on, now=now, more=-1)
        async with tx.reaching(EVERYTHING):
            for delivery in deliveries:
                if (picture := _without(delivery, member_id, seal)) is not None:
                    await tx.sql(_CHANGE_PICTURE, delivery.id, picture)
            await tx.sql(_FORGET_NOTES, of_them)
            await tx.sql(_FORGET_REASONS, [member_id])
        # What the family was registered with named them too.
        await idempotency.forget_answers(tx, seal, naming=[member_id, family_id])
        _note(tx, f"member/{member_id}", form, by, now)
        done = True
    return ErasureView(
        id=member_id,
        done=done,
        erased=[*_OF_MEMBER, "relation", "their part of the pictures in deliveries"],
        kept=kept(("deliveries", len(of_them), COUNTED)),
    )


async def erase_family(
    tx: Transaction, family_id: UUID, form: Erase, *, by: Principal, seal: Seal, now: datetime
) -> ErasureView:
    """Erase a family and all who belong or belonged to it; it is archived with that day. Otherwise as `erase_member`.

    Raises:
        FamilyNotFound
        ErasureNotConfirmed: the number is not the family's.
    """
    family = await locked_family(tx, family_id)
    members = await _locked_members(tx, family_id)
    async with tx.reaching(EVERYTHING):
        deliveries = await queries.deliveries_of_family(tx, family_id)
    done = family.erased_on is not None
    if form.is_confirmed(family.number) and not done:
        on = max(civil_day(now), family.registered_on)
        family.erased_on = on
        for name in _OF_FAMILY:
            setattr(family, name, None)
        staying = sum(member.until_on is None for member in members)
        for member in members:
            if member.erased_on is None:
                _empty_member(member, on=on)
                tx.update(member)
        if family.status == "archived":
            await announce_change(tx, family, on=on, now=now, more=-staying)
        else:
            archival = ArchiveFamily(archived_on=on)
            await archive_family(tx, family_id, archival, by=by, seal=seal, now=now, members=0)
        records = [family_id, *(member.id for member in members), *(delivery.id for delivery in deliveries)]
        async with tx.reaching(EVERYTHING):
            await tx.sql(_FORGET_PICTURES, family_id)
            await tx.sql(_FORGET_REASONS, records)
        await idempotency.forget_answers(tx, seal, naming=records)
        _note(tx, f"family/{family_id}", form, by, now)
        done = True
    return ErasureView(
        id=family_id,
        done=done,
        erased=["address", "referred_by", "categories", "members", "reasons", "pictures and notes of deliveries"],
        kept=kept(("members", len(members), COUNTED), ("deliveries", len(deliveries), COUNTED)),
    )


async def erase_donor(
    tx: Transaction, donation_id: UUID, form: Erase, *, by: Principal, seal: Seal, now: datetime
) -> ErasureView:
    """Erase who gave; the gift, its receipt and the ledger stay. Otherwise as `erase_member`.

    Raises:
        DonationNotFound
        ErasureNotConfirmed: the number is not that of the receipt.
    """
    donation = await tx.get(Donation, donation_id, lock=True)
    if donation is None:
        raise domain.DonationNotFound
    done = donation.erased_on is not None
    if form.is_confirmed(donation.receipt_number) and not done:
        await tx.sql(_FORGET_DONOR, donation_id, civil_day(now))
        await tx.sql(_FORGET_REFUNDS, donation_id)
        await idempotency.forget_answers(tx, seal, naming=[donation_id])
        _note(tx, f"donation/{donation_id}", form, by, now)
        done = True
    [[refunds]] = await tx.sql(_REFUNDS, donation_id)
    return ErasureView(
        id=donation_id,
        done=done,
        erased=["donor", "reasons of refunds"],
        kept=kept(("amount_and_receipt", 1, ACCOUNTED), ("refunds", refunds, ACCOUNTED)),
    )


async def _locked_members(tx: Transaction, family_id: UUID) -> list[Member]:
    known = (await queries.members_of_families(tx, [family_id])).get(family_id, [])
    return list((await tx.load(Member, [member.id for member in known], lock=True)).values())


def _empty_member(member: Member, *, on: date) -> None:
    for name in _OF_MEMBER:
        setattr(member, name, None)
    member.relation, member.erased_on = "other", on
    if member.until_on is None:
        member.until_on = max(on, member.from_on or on)


def _without(delivery: Delivery, member_id: UUID, seal: Seal) -> bytes | None:
    """The picture of the family with nothing but the id of one person; None where it does not show them."""
    picture: dict[str, Any] = orjson.loads(seal.text(delivery, "snapshot") or '{"members": []}')
    shown = [person for person in picture["members"] if person["id"] == str(member_id)]
    for person in shown:
        person.clear()
        person["id"] = str(member_id)
    closed: bytes = seal.fields(Delivery, delivery.id, snapshot=orjson.dumps(picture))["snapshot"]
    return closed if shown else None


def _note(tx: Transaction, record: str, form: Erase, by: Principal, now: datetime) -> None:
    journal.write(tx, by=by, what="erased", record=record, purpose=form.purpose, now=now)
