"""Every question the volunteers service answers; never writes."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import and_, bindparam, func, literal_column, select, tuple_
from sqlmodel import col

from services.volunteers.domain import ERASED
from services.volunteers.reference import plain
from services.volunteers.schemas import SearchVolunteers
from services.volunteers.tables import Assignment, Centre, Consent, Declaration, HoursEntry, StatusChange, Volunteer
from shared.access.principal import EVERYTHING
from shared.database import Transaction
from shared.paging import Paging
from shared.people import folded
from shared.rows import restored
from shared.sealed import Seal

Rows = list[asyncpg.Record]

LATEST_DECLARATION = (
    select(col(Declaration.number), col(Declaration.declared_on), col(Declaration.recorded_at))
    .where(col(Declaration.centre_id) == bindparam("centre_id"))
    # Not by the id: it may be the caller's, made long before.
    .order_by(col(Declaration.declared_on).desc(), col(Declaration.recorded_at).desc())
    .limit(1)
)
DUE_HOURS = (
    select(col(HoursEntry.id))
    .where(col(HoursEntry.announced_at).is_(None), col(HoursEntry.earned_at) <= bindparam("now"))
    .order_by(col(HoursEntry.earned_at))
    .limit(bindparam("at_once"))
)
_KEPT = """
SELECT (SELECT count(*) FROM consent WHERE volunteer_id = $1) AS consents,
    (SELECT count(*) FROM statuschange WHERE volunteer_id = $1) AS status_changes,
    (SELECT count(*) FROM hoursentry WHERE volunteer_id = $1) AS hours
"""
_WORDS = func.to_tsvector(literal_column("'simple'"), col(Volunteer.name_folded))


async def list_centres(tx: Transaction, page: Paging, *, kind: str | None, region: str | None) -> Rows:
    """Centres in the order of their ids, one more than the page."""
    query = select(Centre).order_by(col(Centre.id)).limit(page.fetch)
    if kind is not None:
        query = query.where(col(Centre.kind) == kind)
    if region is not None:
        query = query.where(col(Centre.region) == region)
    if page.after is not None:
        query = query.where(col(Centre.id) > UUID(page.after[0]))
    return await tx.fetch(query)


async def centre_ids_by_name(tx: Transaction) -> dict[str, UUID | None]:
    """The centres by their plain names in each language; None where a name is several centres'."""
    found: dict[str, UUID | None] = {}
    for centre in await tx.fetch(select(col(Centre.id), col(Centre.name))):
        for name in {plain(text) for text in centre["name"].values()}:
            found[name] = None if name in found else centre["id"]
    return found


async def list_assignments(tx: Transaction, page: Paging, *, centre_id: UUID | None) -> Rows:
    query = select(Assignment).order_by(col(Assignment.id)).limit(page.fetch)
    if centre_id is not None:
        query = query.where(col(Assignment.centre_id) == centre_id)
    if page.after is not None:
        query = query.where(col(Assignment.id) > UUID(page.after[0]))
    return await tx.fetch(query)


async def list_declarations(tx: Transaction, page: Paging, *, centre_id: UUID | None) -> Rows:
    query = select(Declaration).order_by(col(Declaration.id)).limit(page.fetch)
    if centre_id is not None:
        query = query.where(col(Declaration.centre_id) == centre_id)
    if page.after is not None:
        query = query.where(col(Declaration.id) > UUID(page.after[0]))
    return await tx.fetch(query)


async def find_volunteers(
    tx: Transaction, form: SearchVolunteers, *, after: list[Any] | None, fetch: int, seal: Seal
) -> list[Volunteer]:
    """Volunteers in Kazakh alphabetical order, `fetch` of them at most, beginning after a sort key."""
    order = tuple_(col(Volunteer.sort_key), col(Volunteer.id))
    query = (
        select(Volunteer)
        .where(col(Volunteer.status) != ERASED)
        .order_by(col(Volunteer.sort_key), col(Volunteer.id))
        .limit(fetch)
    )
    if form.name is not None:
        words = re.findall(r"[а-яa-z0-9]+", folded(form.name))
        query = query.where(
            _WORDS.op("@@")(func.to_tsquery(literal_column("'simple'"), " & ".join(f"{w}:*" for w in words)))
        )
    for name in ("phone", "iin", "email"):
        value = getattr(form, name)
        if value is not None:
            query = query.where(getattr(Volunteer, f"{name}_index") == seal.index(value, place=f"volunteer.{name}"))
    exact = {"number": form.number, "centre_id": form.centre_id, "status": form.status}
    query = query.where(
        and_(True, *(getattr(Volunteer, name) == value for name, value in exact.items() if value is not None))
    )
    for column, value in ((col(Volunteer.directions), form.direction), (col(Volunteer.skills), form.skill)):
        if value is not None:
            query = query.where(column.op("@>")([value]))
    if after is not None:
        query = query.where(order > tuple_(after[0], UUID(after[1])))
    return [restored(Volunteer, record) for record in await tx.fetch(query)]


async def kept_of_volunteer(tx: Transaction, volunteer_id: UUID) -> Mapping[str, int]:
    """How many rows, of all centres, tell of a volunteer by their id alone."""
    async with tx.reaching(EVERYTHING):
        [row] = await tx.sql(_KEPT, volunteer_id)
    return dict(row)


async def consents_of_volunteer(tx: Transaction, volunteer_id: UUID) -> list[Consent]:
    query = select(Consent).where(col(Consent.volunteer_id) == volunteer_id).order_by(col(Consent.id))
    return [restored(Consent, record) for record in await tx.fetch(query)]


async def changes_of_volunteer(tx: Transaction, volunteer_id: UUID) -> list[StatusChange]:
    query = select(StatusChange).where(col(StatusChange.volunteer_id) == volunteer_id).order_by(col(StatusChange.id))
    return [restored(StatusChange, record) for record in await tx.fetch(query)]


async def all_hours_of_volunteer(tx: Transaction, volunteer_id: UUID) -> list[HoursEntry]:
    query = select(HoursEntry).where(col(HoursEntry.volunteer_id) == volunteer_id).order_by(col(HoursEntry.earned_on))
    return [restored(HoursEntry, record) for record in await tx.fetch(query)]


async def reasons_of_volunteer(tx: Transaction, volunteer_id: UUID) -> list[StatusChange]:
    """The changes of status that somebody gave a reason for, oldest first."""
    query = select(StatusChange).where(col(StatusChange.volunteer_id) == volunteer_id)
    query = query.where(col(StatusChange.reason).is_not(None)).order_by(col(StatusChange.id))
    return [restored(StatusChange, record) for record in await tx.fetch(query)]


async def hours(
    tx: Transaction, *, volunteer_id: UUID | None, centre_id: UUID | None, start: date | None, end: date | None
) -> tuple[int, Rows]:
    """Minutes earned between two civil days, both included, and the newest entries behind the sum."""
    query = select(HoursEntry).where(col(HoursEntry.announced_at).is_not(None))
    if volunteer_id is not None:
        query = query.where(col(HoursEntry.volunteer_id) == volunteer_id)
    if centre_id is not None:
        query = query.where(col(HoursEntry.centre_id) == centre_id)
    if start is not None:
        query = query.where(col(HoursEntry.earned_on) >= start)
    if end is not None:
        query = query.where(col(HoursEntry.earned_on) <= end)
    chosen = query.subquery()
    total = await tx.scalar(select(func.coalesce(func.sum(chosen.c.minutes), 0)))
    rows = await tx.fetch(query.order_by(col(HoursEntry.earned_on).desc(), col(HoursEntry.id).desc()).limit(200))
    return int(total), rows
