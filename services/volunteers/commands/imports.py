"""Volunteers from a sheet: begun as a job, then registered page by page by the same command as at the door."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from functools import partial
from uuid import UUID

from pydantic import ValidationError

from services.volunteers import domain, queries
from services.volunteers.commands.sheet_rows import identified, recognised, registration_of
from services.volunteers.commands.volunteers import register_volunteer
from services.volunteers.schemas import ImportDefaults, RegisterVolunteer
from services.volunteers.tables import Centre, Volunteer
from shared import batches, clock
from shared.access.principal import Principal
from shared.batches import Outcome, Repeated
from shared.database import Transaction
from shared.errors import AlreadyExists, Refusal
from shared.jobs import job as jobs
from shared.jobs.job import Job, Page
from shared.jobs.outcomes import Kept, added, already_there, refused
from shared.jobs.worker import Worked, seen_before
from shared.problems import problem_of, validation_problem
from shared.sealed import Seal
from shared.sheets import opened
from shared.sheets.limits import Row, SheetEmpty

IMPORT = "volunteers.import"


async def begin_import(
    tx: Transaction,
    content: bytes,
    defaults: ImportDefaults,
    *,
    media_type: str,
    validate_only: bool,
    by: Principal,
    seal: Seal,
    now: datetime,
) -> UUID:
    """Read a sheet and keep it as a job; answers the job's id.

    Raises:
        SheetUnreadable, OldOrProtectedWorkbook, MacrosInside, SheetTooLarge, SheetEmpty, HeadingsNotRecognised
    """
    async with aclosing(opened.pages(content, media_type=media_type)) as pages:
        first = await anext(pages)
        at, columns = recognised(first)
        asked = {"columns": columns, "defaults": defaults.model_dump(mode="json")}
        job = jobs.new_job(IMPORT, by=by, validate_only=validate_only, asked=asked)
        heading = [cell or "" for cell in first[at][1]]
        rows = await jobs.begin(tx, seal, job, heading=heading, pages=_below(first[at + 1 :], pages), now=now)
    if not rows:
        raise SheetEmpty
    return job.id


async def _below(first: list[Row], others: AsyncGenerator[list[Row]]) -> AsyncGenerator[list[Row]]:
    if first:
        yield first
    async for page in others:
        yield page


async def import_page(tx: Transaction, job: Job, page: Page, *, seal: Seal) -> Worked:
    """Register the volunteers of a page; a bad row never stands in the way of a good one."""
    columns = job.asked["columns"]
    defaults = {name: value for name, value in job.asked["defaults"].items() if value is not None}
    centres = await queries.centre_ids_by_name(tx) if "centre_id" in columns else {}
    kept: dict[int, Kept] = {}
    forms: dict[int, RegisterVolunteer] = {}
    for number, cells in page.rows:
        try:
            forms[number] = identified(registration_of(cells, columns, defaults, centres), seal)
        except Refusal as refusal:
            kept[number] = refused(number, partial(problem_of, refusal))
        except ValidationError as error:
            kept[number] = refused(number, partial(validation_problem, error.errors(include_url=False)))
    keys: list[bytes] = []
    if job.validate_only:
        known = await seen_before(tx, job, [key for form in forms.values() for key in _keys(form, seal)])
        for number in [number for number, form in forms.items() if known & set(_keys(form, seal))]:
            said, *_ = _keys(forms.pop(number), seal)
            kept[number] = already_there(number, None) if said in known else _known(number)
    outcomes = await _register(tx, forms, by=job.principal, seal=seal)
    for number, outcome in outcomes.items():
        kept[number] = _kept(number, outcome, rehearsed=job.validate_only)
        if job.validate_only and kept[number].outcome == "added":
            keys += _keys(forms[number], seal)
    return Worked([kept[number] for number, _ in page.rows], keys)


async def _register(
    tx: Transaction, forms: dict[int, RegisterVolunteer], *, by: Principal, seal: Seal
) -> dict[int, Outcome]:
    now = clock.now()

    async def prepare(rows: list[RegisterVolunteer]) -> None:
        await tx.load(Volunteer, [row.id for row in rows if row.id])
        await tx.load(Centre, [row.centre_id for row in rows])

    async def register(form: RegisterVolunteer) -> UUID | Repeated:
        volunteer, new = await register_volunteer(tx, form, by=by, seal=seal, now=now)
        return volunteer.id if new else Repeated(volunteer.id)

    # Someone who stands in the page twice is looked for again once the first row is there.
    rows = {form.id: (number, form) for number, form in reversed(forms.items())}
    firsts = sorted(rows.values(), key=lambda row: row[0])
    others = [(number, form) for number, form in forms.items() if rows[form.id][0] != number]
    return await batches.handle(tx, firsts, register, prepare=prepare) | await batches.handle(
        tx, others, register, prepare=prepare
    )


def _kept(number: int, outcome: Outcome, *, rehearsed: bool) -> Kept:
    match outcome:
        case AlreadyExists():
            # The id is of our making: it is the person who exists already, and is described otherwise.
            return _known(number)
        case Refusal():
            return refused(number, partial(problem_of, outcome))
        case Repeated():
            return already_there(number, outcome.id)
        case _:
            return added(number, None if rehearsed else outcome)


def _known(number: int) -> Kept:
    return refused(number, partial(problem_of, domain.AlreadyRegistered()))


def _keys(form: RegisterVolunteer, seal: Seal) -> list[bytes]:
    """Hashes by which a dry run knows a person again: first all that was said of them, then each thing alone."""
    said = f"{form.id}|{form.full_name}|{form.born_on}|{form.centre_id}"
    things = {"said": said, "id": str(form.id), "iin": form.iin, "phone": form.phone, "email": form.email}
    return [seal.index(thing, place=f"volunteer.import.{name}") for name, thing in things.items() if thing]
