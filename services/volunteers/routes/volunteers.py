"""Volunteers: registration, decisions, look-up."""

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response, status

from services.volunteers import commands, queries
from services.volunteers.domain import (
    AlreadyRegistered,
    BornInTheFuture,
    CentreIsClosed,
    CentreUnknown,
    ConsentInTheFuture,
    DecidedBeforeApplied,
    DirectionUnknown,
    GuardianConsentMissing,
    StatusDoesNotAllow,
    VolunteerIsErased,
    VolunteerNotFound,
)
from services.volunteers.routes import views
from services.volunteers.schemas import (
    AnyVolunteerView,
    Decide,
    DecideRow,
    RegisterVolunteer,
    SearchVolunteers,
    Status,
    VolunteerDisclosure,
)
from services.volunteers.tables import Centre, Volunteer
from shared import batches
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.access.principal import Principal
from shared.batches import Batch, BatchAnswer, Repeated
from shared.clock import Now
from shared.errors import AlreadyExists
from shared.paging import AskedPage, InvalidCursor, Page
from shared.personal import Disclose, Erase, ErasureNotConfirmed, ErasureView
from shared.problems import refusals
from shared.requests import Sealing, Tx, needs_idempotency_key, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/volunteers", tags=["volunteers"])
_REGISTERING = (
    BornInTheFuture,
    GuardianConsentMissing,
    ConsentInTheFuture,
    DirectionUnknown,
    CentreUnknown,
    CentreIsClosed,
    AlreadyRegistered,
    AlreadyExists,
)


def view(volunteer: Volunteer, caller: Principal, seal: Seal) -> AnyVolunteerView:
    """A volunteer as this caller may see them: in clear the person themselves, masked those who look after them."""
    if caller.volunteer_id == volunteer.id:
        return views.own(volunteer, seal)
    if caller.may(Permission.READ_PERSONAL_DATA):
        return views.masked(volunteer, seal)
    return views.outline(volunteer)


def _sort_key(volunteer: Volunteer) -> list[str]:
    return [volunteer.sort_key, str(volunteer.id)]


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=refusals(*_REGISTERING),
    dependencies=[permits(Permission.WRITE_VOLUNTEERS)],
)
@needs_idempotency_key
async def register_volunteer(
    form: RegisterVolunteer, response: Response, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> AnyVolunteerView:
    """Register as a volunteer."""
    volunteer, new = await commands.register_volunteer(tx, form, by=caller, seal=seal, now=now)
    response.status_code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
    response.headers["Location"] = f"/v1/volunteers/{volunteer.id}"
    return view(volunteer, caller, seal)


@router.post(
    "/batches",
    status_code=status.HTTP_207_MULTI_STATUS,
    response_model=BatchAnswer,
    dependencies=[permits(Permission.WRITE_VOLUNTEERS)],
)
async def register_volunteers(
    batch: Batch[RegisterVolunteer], tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> Response:
    """Register up to 500 volunteers; each row has its own answer."""

    async def prepare(rows: list[RegisterVolunteer]) -> None:
        await tx.load(Volunteer, [row.id for row in rows if row.id])
        await tx.load(Centre, [row.centre_id for row in rows])

    async def register_one(form: RegisterVolunteer) -> UUID | Repeated:
        volunteer, new = await commands.register_volunteer(tx, form, by=caller, seal=seal, now=now)
        return volunteer.id if new else Repeated(volunteer.id)

    return await batches.run(tx, batch, RegisterVolunteer, register_one, prepare=prepare)


@router.post("/searches", responses=refusals(InvalidCursor), dependencies=[permits(Permission.READ_VOLUNTEERS)])
async def search_volunteers(
    form: SearchVolunteers, request: Request, tx: Tx, seal: Sealing, caller: Caller
) -> Page[AnyVolunteerView]:
    """Find volunteers by the beginnings of a name's words, in any script people type, or by phone, IIN, email, …"""
    cursors, purpose = request.app.state.cursors, f"search {form.model_dump_json(exclude={'cursor', 'limit'})}"
    after = cursors.decode(form.cursor, of=purpose) if form.cursor else None
    rows = await queries.find_volunteers(tx, form, after=after, fetch=form.limit + 1, seal=seal)
    following = cursors.encode(_sort_key(rows[form.limit - 1]), of=purpose) if len(rows) > form.limit else None
    return Page(items=[view(row, caller, seal) for row in rows[: form.limit]], next=following)


@router.get("", dependencies=[permits(Permission.READ_VOLUNTEERS)])
async def list_volunteers(
    tx: Tx, page: AskedPage, seal: Sealing, caller: Caller, status: Status | None = None, centre_id: UUID | None = None
) -> Page[AnyVolunteerView]:
    """Volunteers in Kazakh alphabetical order."""
    form = SearchVolunteers(status=status, centre_id=centre_id)
    rows = await queries.find_volunteers(tx, form, after=page.after, fetch=page.fetch, seal=seal)
    chosen = page.page(rows, _sort_key)
    return Page(items=[view(row, caller, seal) for row in chosen.items], next=chosen.next)


@router.get(
    "/{volunteer_id}",
    responses=refusals(VolunteerNotFound, VolunteerIsErased),
    dependencies=[permits(Permission.READ_VOLUNTEERS)],
)
async def read_volunteer(volunteer_id: UUID, tx: Tx, seal: Sealing, caller: Caller) -> AnyVolunteerView:
    """One volunteer."""
    volunteer = await commands.require_volunteer(tx, volunteer_id)
    return view(volunteer, caller, seal)


@router.post(
    "/{volunteer_id}/disclosures",
    responses=refusals(VolunteerNotFound, VolunteerIsErased),
    dependencies=[permits(Permission.READ_PERSONAL_DATA)],
)
@never_remembered
async def disclose_volunteer(
    volunteer_id: UUID, form: Disclose, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> VolunteerDisclosure:
    """Read in clear what is sealed of a volunteer, for a purpose that is written in the journal."""
    volunteer, reasons = await commands.disclose_volunteer(tx, volunteer_id, form, by=caller, now=now)
    return views.disclosed(volunteer, reasons, seal)


@router.post(
    "/{volunteer_id}/erasures",
    responses=refusals(VolunteerNotFound, ErasureNotConfirmed),
    dependencies=[permits(Permission.ERASE_PERSON)],
)
async def erase_volunteer(
    volunteer_id: UUID, form: Erase, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> ErasureView:
    """Erase who a volunteer is. Asked without their number it only tells what would go, and what stays and why."""
    return await commands.erase_volunteer(tx, volunteer_id, form, by=caller, seal=seal, now=now)


def _add_decision(
    path: Literal["approvals", "rejections", "activations", "pauses", "resumptions", "departures"],
    action: str,
    says: str,
) -> None:
    """The routes of one decision on a volunteer's status: for one, and for up to 500."""

    async def decide(
        volunteer_id: UUID, form: Decide, tx: Tx, seal: Sealing, caller: Caller, now: Now
    ) -> AnyVolunteerView:
        volunteer = await commands.change_status(tx, volunteer_id, action, form, by=caller, seal=seal, now=now)
        return view(volunteer, caller, seal)

    async def decide_many(batch: Batch[DecideRow], tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
        async def decide_one(row: DecideRow) -> UUID:
            volunteer_id = row.volunteer_id
            return (await commands.change_status(tx, volunteer_id, action, row, by=caller, seal=seal, now=now)).id

        return await batches.run(
            tx,
            batch,
            DecideRow,
            decide_one,
            prepare=lambda rows: tx.load(Volunteer, [row.volunteer_id for row in rows], lock=True),
            status=200,
        )

    _route(router, f"/{{volunteer_id}}/{path}", decide, f"{action}_volunteer", says)
    _route(router, f"/{path}/batches", decide_many, f"{action}_volunteers", f"{says} Up to 500 at once.", many=True)


def _route(
    routes: APIRouter, path: str, endpoint: Callable[..., Any], name: str, says: str, *, many: bool = False
) -> None:
    routes.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        name=name,
        summary=says,
        status_code=207 if many else 200,
        response_model=BatchAnswer if many else AnyVolunteerView,
        responses={} if many else refusals(VolunteerNotFound, StatusDoesNotAllow, DecidedBeforeApplied),
        dependencies=[permits(Permission.WRITE_VOLUNTEERS)],
    )


_add_decision("approvals", "approve", "Accept an application: the volunteer is officially registered.")
_add_decision("rejections", "reject", "Do not accept an application.")
_add_decision("activations", "activate", "Note that an approved volunteer has begun to help.")
_add_decision("pauses", "pause", "Note that a volunteer takes a pause.")
_add_decision("resumptions", "resume", "Note that a volunteer is back from a pause.")
_add_decision("departures", "leave", "Note that a volunteer has left.")
