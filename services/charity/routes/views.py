"""Families and donors as each audience sees them. Every field is named: nothing new is ever shown by itself."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import orjson

from services.charity.commands.families import codes
from services.charity.schemas import (
    AnyFamilyView,
    AnyMemberView,
    DonorView,
    FamilyDisclosure,
    FamilyOutline,
    FamilyView,
    MemberDisclosure,
    MemberOutline,
    MemberView,
)
from services.charity.tables import Donation, Family, Member, StatusChange
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.people import masked_iin, masked_name
from shared.sealed import Seal

_ALSO_SEALED = ("address", "referred_by", "categories")


def member(who: Member, caller: Principal, seal: Seal) -> AnyMemberView:
    """Masked for those who look after the family; for others only that there is somebody."""
    if who.erased_on is None and caller.may(Permission.READ_PERSONAL_DATA):
        return _masked(who, seal)
    return MemberOutline(id=who.id, from_on=who.from_on, until_on=who.until_on)


def family(what: Family, members: Sequence[Member], caller: Principal, seal: Seal) -> AnyFamilyView:
    """With its people, masked, for those who look after it; for others without."""
    common: dict[str, Any] = {
        "id": what.id,
        "version": what.version,
        "number": what.number,
        "status": what.status,
        "centre_id": what.centre_id,
        "region": what.region,
        "lives_in": what.lives_in,
        "registered_on": what.registered_on,
        "recorded_at": what.recorded_at,
        "members": [member(who, caller, seal) for who in members],
    }
    if not caller.may(Permission.READ_PERSONAL_DATA):
        return FamilyOutline(**common)
    return FamilyView(**common, sealed=[name for name in _ALSO_SEALED if getattr(what, name) is not None])


def disclosed_family(
    what: Family, members: Iterable[Member], reasons: Iterable[StatusChange], seal: Seal
) -> FamilyDisclosure:
    """For staff with a purpose."""
    return FamilyDisclosure(
        id=what.id,
        address=seal.text(what, "address"),
        referred_by=seal.text(what, "referred_by"),
        categories=codes(what, seal),
        members=[disclosed_member(who, seal) for who in members],
        reasons=[seal.text(change, "reason") or "" for change in reasons],
    )


def disclosed_member(who: Member, seal: Seal) -> MemberDisclosure:
    born_on = seal.text(who, "born_on")
    return MemberDisclosure(
        id=who.id,
        full_name=seal.text(who, "full_name"),
        born_on=date.fromisoformat(born_on) if born_on else None,
        iin=seal.text(who, "iin"),
        relation=who.relation,
        categories=codes(who, seal),
    )


def donor(of: Donation, caller: Principal, seal: Seal) -> DonorView:
    """An organisation whole; a person masked for those who record gifts, and for others not at all."""
    found = disclosed_donor(of, seal)
    if found.kind == "person":
        found.name = masked_name(found.name or "") if caller.may(Permission.RECORD_DONATIONS) else None
    return found


def disclosed_donor(of: Donation, seal: Seal) -> DonorView:
    """For staff with a purpose."""
    known = orjson.loads(seal.text(of, "donor") or "{}")
    return DonorView(anonymous=of.anonymous, kind=known.get("kind"), name=known.get("name"), bin=known.get("bin"))


def _masked(who: Member, seal: Seal) -> MemberView:
    iin = seal.text(who, "iin")
    return MemberView(
        id=who.id,
        from_on=who.from_on,
        until_on=who.until_on,
        name=masked_name(seal.text(who, "full_name") or ""),
        born_in=(seal.text(who, "born_on") or "")[:7],
        iin=iin and masked_iin(iin),
        relation=who.relation,
    )
