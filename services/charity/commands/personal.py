"""What is done with people's data beyond the daily work: read in clear."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.charity import domain, queries
from services.charity.tables import Delivery, Donation, Family, Member, StatusChange
from shared import journal
from shared.access.principal import Principal
from shared.database import Transaction
from shared.personal import Disclose, Export


async def require_family(tx: Transaction, family_id: UUID) -> Family:
    """A family that is known.

    Raises:
        FamilyNotFound, FamilyIsErased
    """
    family = await tx.get(Family, family_id)
    if family is None:
        raise domain.FamilyNotFound
    if family.erased_on is not None:
        raise domain.FamilyIsErased
    return family


async def disclose_family(
    tx: Transaction, family_id: UUID, form: Disclose, *, by: Principal, now: datetime
) -> tuple[Family, Sequence[Member], Sequence[StatusChange]]:
    """Read a family, its people and the reasons of its statuses, to be opened.

    Raises:
        FamilyNotFound, FamilyIsErased
    """
    family = await require_family(tx, family_id)
    _note(tx, f"family/{family_id}", form, by, now)
    members = (await queries.members_of_families(tx, [family_id])).get(family_id, [])
    return family, members, await queries.reasons_of(tx, [family_id, *(member.id for member in members)])


async def export_family(
    tx: Transaction, family_id: UUID, form: Export, *, by: Principal, now: datetime
) -> tuple[Family, Sequence[Member]]:
    """Give out a family and its people, in the transaction that writes it down.

    Raises:
        FamilyNotFound, FamilyIsErased, PurposeMissing
    """
    form.require_purpose(own=False)
    family = await require_family(tx, family_id)
    await _note_export(tx, f"family/{family_id}", form, by, now)
    return family, (await queries.members_of_families(tx, [family_id])).get(family_id, [])


async def export_member(
    tx: Transaction, family_id: UUID, member_id: UUID, form: Export, *, by: Principal, now: datetime
) -> Member:
    """Give out one person of a family, likewise.

    Raises:
        FamilyNotFound, FamilyIsErased, MemberNotFound, PurposeMissing
    """
    form.require_purpose(own=False)
    await require_family(tx, family_id)
    member = await tx.get(Member, member_id)
    if member is None or member.family_id != family_id:
        raise domain.MemberNotFound
    await _note_export(tx, f"member/{member_id}", form, by, now)
    return member


async def disclose_delivery(
    tx: Transaction, delivery_id: UUID, form: Disclose, *, by: Principal, now: datetime
) -> Delivery:
    """Read a delivery, to open the picture of the family in it.

    Raises:
        DeliveryNotFound
    """
    delivery = await tx.get(Delivery, delivery_id)
    if delivery is None:
        raise domain.DeliveryNotFound
    _note(tx, f"delivery/{delivery_id}", form, by, now)
    return delivery


async def disclose_donor(
    tx: Transaction, donation_id: UUID, form: Disclose, *, by: Principal, now: datetime
) -> Donation:
    """Read a gift, to open who gave it.

    Raises:
        DonationNotFound
    """
    donation = await tx.get(Donation, donation_id)
    if donation is None:
        raise domain.DonationNotFound
    _note(tx, f"donation/{donation_id}", form, by, now)
    return donation


async def _note_export(tx: Transaction, record: str, form: Export, by: Principal, now: datetime) -> None:
    journal.write(tx, by=by, what="exported", record=record, purpose=form.purpose, now=now)
    # Who reads the export sees that it was made.
    await tx.flush()


def _note(tx: Transaction, record: str, form: Disclose, by: Principal, now: datetime) -> None:
    # In the transaction that reads: nobody is shown anything that is not written down.
    journal.write(tx, by=by, what="disclosed", record=record, purpose=form.purpose, now=now)
