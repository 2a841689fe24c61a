"""Families: registered with their members, verified, changed, archived."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from services.charity import domain, queries
from services.charity.commands.centres import working_centre
from services.charity.commands.changes import note_change
from services.charity.commands.repeats import made_before, made_from
from services.charity.reference import CATEGORIES
from services.charity.schemas import AddMember, ArchiveFamily, EndMembership, RegisterFamily, VerifyFamily
from services.charity.tables import Family, Member, family_numbers
from shared.access.principal import Principal
from shared.clock import civil_day
from shared.contracts.charity import FamilyArchived, FamilyChanged, FamilyFact, FamilyRegistered, FamilyVerified
from shared.database import Transaction
from shared.ids import new_id
from shared.sealed import Seal

IIN = "member.iin"


async def register_family(
    tx: Transaction,
    form: RegisterFamily,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    known_iins: set[bytes] | None = None,
) -> tuple[Family, bool]:
    """Write a family down as a draft; answers it, and whether it is new: the same request makes it once.

    `known_iins` are those a batch has looked up for all its rows; the ones of this family are added to them.

    Raises:
        CategoryUnknown, CentreUnknown, CentreIsClosed
        MemberKnown (here or at commit): someone of them belongs to a family already. It does not say to which.
        AlreadyExists: another family has this id.
    """
    known = await made_before(tx, Family, form, seal)
    if known is not None:
        return known, False
    registered_on = form.registered_on or civil_day(now)
    _require_categories(form.categories, of_person=False)
    for member in form.members:
        _require_categories(member.categories, of_person=True)
    centre = await working_centre(tx, form.centre_id, on=registered_on)
    family_id = form.id or new_id()
    members = [_member(family_id, centre.id, member, seal) for member in form.members]
    iins = {member.iin_index for member in members if member.iin_index is not None}
    if known_iins is not None:
        if iins & known_iins:
            raise domain.MemberKnown(pointer="/members")
        known_iins |= iins
    family = Family(
        id=family_id,
        number=await tx.number(family_numbers),
        centre_id=centre.id,
        region=centre.region,
        lives_in=form.region or centre.region,
        registered_on=registered_on,
        made_from=made_from(form, seal),
        recorded_by=by.id,
        recorded_at=now,
        **seal.fields(
            Family,
            family_id,
            address=form.address,
            referred_by=form.referred_by,
            categories=_plain(form.categories),
        ),
    )
    tx.insert(family)
    tx.insert(*members)
    fact = _fact(FamilyRegistered, family, was=None, members=len(members), on=registered_on)
    tx.announce(fact, at=now, version=family.version)
    return family, True


async def verify_family(
    tx: Transaction, family_id: UUID, form: VerifyFamily, *, by: Principal, now: datetime, members: int | None = None
) -> Family:
    """Note that somebody has made sure that the family is in need: from now on it can be helped.

    `members` is how many belong to it, if a batch has counted them.

    Raises:
        FamilyNotFound, StatusDoesNotAllow
        DecidedBeforeRegistered
    """
    on = form.verified_on or civil_day(now)
    return await _step(tx, family_id, "verify", FamilyVerified, on=on, by=by, now=now, members=members)


async def archive_family(
    tx: Transaction,
    family_id: UUID,
    form: ArchiveFamily,
    *,
    by: Principal,
    seal: Seal,
    now: datetime,
    members: int | None = None,
) -> Family:
    """Note that the family is not looked after any more.

    Raises:
        FamilyNotFound, StatusDoesNotAllow
        DecidedBeforeRegistered
    """
    on = form.archived_on or civil_day(now)
    return await _step(
        tx, family_id, "archive", FamilyArchived, on=on, by=by, now=now, members=members, seal=seal, reason=form.reason
    )


async def add_member(
    tx: Transaction, family_id: UUID, form: AddMember, *, by: Principal, seal: Seal, now: datetime
) -> Member:
    """Add a person to a family.

    Raises:
        FamilyNotFound, CategoryUnknown
        StatusDoesNotAllow: the family is archived.
        MemberKnown (at commit): someone with this IIN belongs to a family already.
        AlreadyExists (at commit): another person has this id.
    """
    family = await locked_family(tx, family_id)
    if family.status == "archived":
        raise domain.StatusDoesNotAllow(
            "It is {status}; this needs {needed}.", status=family.status, needed="draft or verified"
        )
    _require_categories(form.categories, of_person=True)
    on = form.from_on or civil_day(now)
    member = _member(family_id, family.centre_id, form.model_copy(update={"from_on": on}), seal)
    tx.insert(member)
    note_change(tx, "member", member.id, centre_id=family.centre_id, was=None, status="joined", on=on, by=by, now=now)
    await announce_change(tx, family, on=on, now=now, more=1)
    return member


async def end_membership(
    tx: Transaction, family_id: UUID, member_id: UUID, form: EndMembership, *, by: Principal, now: datetime
) -> Member:
    """Note that a person does not belong to the family any more after a day. What reached them before stays theirs.

    Raises:
        FamilyNotFound, MemberNotFound, MembershipHasEnded, EndsBeforeItBegins
    """
    family = await locked_family(tx, family_id)
    member = await tx.get(Member, member_id, lock=True)
    if member is None or member.family_id != family_id:
        raise domain.MemberNotFound
    if member.until_on is not None:
        raise domain.MembershipHasEnded
    on = form.until_on or civil_day(now)
    if member.from_on is not None and on < member.from_on:
        raise domain.EndsBeforeItBegins(pointer="/until_on")
    member.until_on = on
    tx.update(member)
    note_change(tx, "member", member.id, centre_id=family.centre_id, was="joined", status="left", on=on, by=by, now=now)
    await announce_change(tx, family, on=on, now=now, more=-1)
    return member


async def _step(
    tx: Transaction,
    family_id: UUID,
    step: str,
    fact: type[FamilyFact],
    *,
    on: date,
    by: Principal,
    now: datetime,
    members: int | None,
    seal: Seal | None = None,
    reason: str | None = None,
) -> Family:
    family = await locked_family(tx, family_id)
    after = domain.next_status(domain.FAMILY_STEPS, step, now=family.status)
    if on < family.registered_on:
        raise domain.DecidedBeforeRegistered
    if members is None:
        members = (await queries.sizes_of_families(tx, [family_id])).get(family_id, 0)
    was, family.status = family.status, after
    tx.update(family)
    note_change(
        tx,
        "family",
        family.id,
        centre_id=family.centre_id,
        was=was,
        status=after,
        on=on,
        by=by,
        now=now,
        seal=seal,
        reason=reason,
    )
    tx.announce(_fact(fact, family, was=was, members=members, on=on), at=now, version=family.version)
    return family


async def announce_change(tx: Transaction, family: Family, *, on: date, now: datetime, more: int) -> None:
    """Tell that so many more belong to a family by this transaction, which the database does not see yet."""
    members = (await queries.sizes_of_families(tx, [family.id])).get(family.id, 0) + more
    tx.update(family)
    fact = _fact(FamilyChanged, family, was=family.status, members=members, on=on)
    tx.announce(fact, at=now, version=family.version)


async def locked_family(tx: Transaction, family_id: UUID) -> Family:
    """Raises: FamilyNotFound."""
    family = await tx.get(Family, family_id, lock=True)
    if family is None:
        raise domain.FamilyNotFound
    return family


def _require_categories(codes: Iterable[str], *, of_person: bool) -> None:
    for code in codes:
        category = CATEGORIES.get(code)
        if category is None or (of_person and category.of == "family"):
            raise domain.CategoryUnknown(pointer="/members" if of_person else "/categories")


def _member(family_id: UUID, centre_id: UUID, form: AddMember, seal: Seal) -> Member:
    member_id = form.id or new_id()
    return Member(
        id=member_id,
        family_id=family_id,
        centre_id=centre_id,
        iin_index=seal.index(form.iin, place=IIN) if form.iin else None,
        relation=form.relation,
        from_on=form.from_on,
        **seal.fields(
            Member,
            member_id,
            full_name=form.full_name,
            born_on=form.born_on.isoformat(),
            iin=form.iin,
            categories=_plain(form.categories),
        ),
    )


def codes(of: Family | Member, seal: Seal) -> list[str]:
    """The categories of a family or person, opened."""
    return orjson.loads(seal.text(of, "categories") or "[]")


def _plain(categories: Iterable[str]) -> bytes:
    return orjson.dumps(list(dict.fromkeys(categories)))


def _fact(fact: type[FamilyFact], family: Family, *, was: str | None, members: int, on: date) -> Any:
    return fact(
        family_id=family.id,
        centre_id=family.centre_id,
        region=family.region,
        was=was,
        status=family.status,
        members=members,
        on=on,
    )
