"""Families and their members."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from services.charity import commands, queries
from services.charity.commands.families import IIN
from services.charity.domain import (
    CategoryUnknown,
    CentreIsClosed,
    CentreUnknown,
    DecidedBeforeRegistered,
    EndsBeforeItBegins,
    FamilyIsErased,
    FamilyNotFound,
    MemberKnown,
    MemberNotFound,
    MembershipHasEnded,
    StatusDoesNotAllow,
)
from services.charity.routes import views
from services.charity.schemas import (
    AddMember,
    AnyFamilyView,
    AnyMemberView,
    ArchiveFamily,
    ArchiveFamilyRow,
    EndMembership,
    FamilyDisclosure,
    FamilyStatus,
    RegisterFamily,
    VerifyFamily,
    VerifyFamilyRow,
)
from services.charity.tables import Family, KnownCentre
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.paging import AskedPage, InvalidCursor, Page
from shared.personal import Disclose, Erase, ErasureNotConfirmed, ErasureView
from shared.problems import refusals
from shared.requests import Sealing, Tx, needs_idempotency_key, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/families", tags=["families"])
_VERIFIED_TODAY = VerifyFamily()
_ARCHIVED_TODAY = ArchiveFamily()
_LEFT_TODAY = EndMembership()


async def _view(tx: Transaction, family: Family, caller: Principal, seal: Seal) -> AnyFamilyView:
    # What was just gathered must be seen.
    await tx.flush()
    members = (await queries.members_of_families(tx, [family.id])).get(family.id, ())
    return views.family(family, members, caller, seal)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(CategoryUnknown, CentreUnknown, CentreIsClosed, MemberKnown, AlreadyExists),
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
@needs_idempotency_key
async def register_family(
    form: RegisterFamily, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> AnyFamilyView:
    """Write a family down, as a draft. The same request again answers 200 with the same family."""
    family, new = await commands.register_family(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/families/{family.id}"
    return await _view(tx, family, caller, seal)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def register_families(batch: Batch[RegisterFamily], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Write up to 500 families down; each row has its own answer."""
    known_iins: set[bytes] = set()

    async def look_up(rows: list[RegisterFamily]) -> None:
        nonlocal known_iins
        await tx.load(KnownCentre, [row.centre_id for row in rows])
        await tx.load(Family, [row.id for row in rows if row.id is not None])
        iins = [member.iin for row in rows for member in row.members if member.iin is not None]
        known_iins = await queries.known_iins(tx, [seal.index(iin, place=IIN) for iin in iins])

    async def register_one(form: RegisterFamily) -> UUID | Repeated:
        family, new = await commands.register_family(tx, form, by=caller, seal=seal, now=now, known_iins=known_iins)
        return family.id if new else Repeated(family.id)

    return await batches.run(tx, batch, RegisterFamily, register_one, prepare=look_up)


@router.get("", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_FAMILIES)])
async def list_families(
    tx: Tx,
    page: AskedPage,
    seal: Sealing,
    caller: Caller,
    centre_id: UUID | None = None,
    status: FamilyStatus | None = None,
    number: Annotated[int | None, Query(ge=1)] = None,
) -> Page[AnyFamilyView]:
    """Families, of one centre or all."""
    found = await queries.list_families(tx, page, centre_id=centre_id, status=status, number=number)
    chosen = page.page(found, lambda family: [str(family.id)])
    members = await queries.members_of_families(tx, [family.id for family in chosen.items])
    return Page(items=[views.family(f, members.get(f.id, ()), caller, seal) for f in chosen.items], next=chosen.next)


@router.get(
    "/{family_id}", responses=refusals(FamilyNotFound, FamilyIsErased), dependencies=[permits(Permission.READ_FAMILIES)]
)
async def read_family(family_id: UUID, tx: Tx, seal: Sealing, caller: Caller) -> AnyFamilyView:
    """One family, with all who belong or belonged to it."""
    family = await commands.require_family(tx, family_id)
    members = (await queries.members_of_families(tx, [family_id])).get(family_id, ())
    return views.family(family, members, caller, seal)


@router.post(
    "/{family_id}/disclosures",
    responses=refusals(FamilyNotFound, FamilyIsErased),
    dependencies=[permits(Permission.READ_PERSONAL_DATA)],
)
@never_remembered
async def disclose_family(
    family_id: UUID, form: Disclose, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> FamilyDisclosure:
    """Read in clear what is sealed of a family and its people, for a purpose that is written in the journal."""
    family, members, reasons = await commands.disclose_family(tx, family_id, form, by=caller, now=now)
    return views.disclosed_family(family, members, reasons, seal)


@router.post(
    "/{family_id}/verifications",
    responses=refusals(FamilyNotFound, StatusDoesNotAllow, DecidedBeforeRegistered),
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def verify_family(
    family_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now, form: VerifyFamily = _VERIFIED_TODAY
) -> AnyFamilyView:
    """Note that somebody has made sure that the family is in need."""
    return await _view(tx, await commands.verify_family(tx, family_id, form, by=caller, now=now), caller, seal)


@router.post(
    "/verifications/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def verify_families(batch: Batch[VerifyFamilyRow], tx: Tx, caller: Caller, now: Now) -> Response:
    """Verify up to 500 families; each row has its own answer."""
    sizes: dict[UUID, int] = {}

    async def look_up(rows: list[VerifyFamilyRow]) -> None:
        nonlocal sizes
        sizes = await _locked_sizes(tx, [row.family_id for row in rows])

    async def verify_one(row: VerifyFamilyRow) -> UUID:
        size = sizes.get(row.family_id, 0)
        return (await commands.verify_family(tx, row.family_id, row, by=caller, now=now, members=size)).id

    return await batches.run(tx, batch, VerifyFamilyRow, verify_one, prepare=look_up, status=status.HTTP_200_OK)


@router.post(
    "/{family_id}/archivals",
    responses=refusals(FamilyNotFound, StatusDoesNotAllow, DecidedBeforeRegistered),
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def archive_family(
    family_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now, form: ArchiveFamily = _ARCHIVED_TODAY
) -> AnyFamilyView:
    """Note that the family is not looked after any more."""
    family = await commands.archive_family(tx, family_id, form, by=caller, seal=seal, now=now)
    return await _view(tx, family, caller, seal)


@router.post(
    "/archivals/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def archive_families(batch: Batch[ArchiveFamilyRow], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """Archive up to 500 families; each row has its own answer."""
    sizes: dict[UUID, int] = {}

    async def look_up(rows: list[ArchiveFamilyRow]) -> None:
        nonlocal sizes
        sizes = await _locked_sizes(tx, [row.family_id for row in rows])

    async def archive_one(row: ArchiveFamilyRow) -> UUID:
        size = sizes.get(row.family_id, 0)
        family_id = row.family_id
        return (await commands.archive_family(tx, family_id, row, by=caller, seal=seal, now=now, members=size)).id

    return await batches.run(tx, batch, ArchiveFamilyRow, archive_one, prepare=look_up, status=status.HTTP_200_OK)


@router.post(
    "/{family_id}/members",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(FamilyNotFound, StatusDoesNotAllow, CategoryUnknown, MemberKnown, AlreadyExists),
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
@needs_idempotency_key
async def add_member(
    family_id: UUID, form: AddMember, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> AnyMemberView:
    """Add a person to a family."""
    member = await commands.add_member(tx, family_id, form, by=caller, seal=seal, now=now)
    return views.member(member, caller, seal)


@router.post(
    "/{family_id}/members/{member_id}/endings",
    responses=refusals(FamilyNotFound, MemberNotFound, MembershipHasEnded, EndsBeforeItBegins),
    dependencies=[permits(Permission.WRITE_FAMILIES)],
)
async def end_membership(
    family_id: UUID,
    member_id: UUID,
    tx: Tx,
    seal: Sealing,
    caller: Caller,
    now: Now,
    form: EndMembership = _LEFT_TODAY,
) -> AnyMemberView:
    """Note that a person does not belong to the family any more."""
    member = await commands.end_membership(tx, family_id, member_id, form, by=caller, now=now)
    return views.member(member, caller, seal)


@router.post(
    "/{family_id}/erasures",
    responses=refusals(FamilyNotFound, ErasureNotConfirmed),
    dependencies=[permits(Permission.ERASE_PERSON)],
)
async def erase_family(family_id: UUID, form: Erase, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> ErasureView:
    """Erase who a family and its people are. Asked without its number it only tells what would go, and what stays."""
    return await commands.erase_family(tx, family_id, form, by=caller, seal=seal, now=now)


@router.post(
    "/{family_id}/members/{member_id}/erasures",
    responses=refusals(FamilyNotFound, MemberNotFound, ErasureNotConfirmed),
    dependencies=[permits(Permission.ERASE_PERSON)],
)
async def erase_member(
    family_id: UUID, member_id: UUID, form: Erase, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> ErasureView:
    """Erase who a person of a family is. Asked without the family's number it only tells what would go."""
    return await commands.erase_member(tx, family_id, member_id, form, by=caller, seal=seal, now=now)


async def _locked_sizes(tx: Transaction, family_ids: list[UUID]) -> dict[UUID, int]:
    """How many belong to each family, once all are locked: nobody joins in between."""
    await tx.load(Family, family_ids, lock=True)
    return await queries.sizes_of_families(tx, family_ids)
