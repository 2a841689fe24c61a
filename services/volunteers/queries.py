"""Every question the volunteers service answers; never writes."""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, all_, any_, bindparam, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
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
    given: dict[str, Any] = {
        name: value for name in ("number", "centre_id", "status") if (value := getattr(form, name)) is not None
    }
    for name in ("phone", "iin", "email"):
        if value := getattr(form, name):
            given[f"{name}_index"] = seal.index(value, place=f"volunteer.{name}")
    given |= {name: [value] for name, value in (("directions", form.direction), ("skills", form.skill)) if value}
    if after is not None:
        given |= {"after_key": after[0], "after_id": UUID(after[1])}
    if form.name is not None:
        words = re.findall(r"[а-яa-z0-9]+", folded(form.name))
        if not words:
            return []
        given["words"] = [f"% {word}%" for word in words]
        if (named := await _named(tx, words)) is not None:
            given["named"] = named
    found = await tx.fetch(_search(frozenset(given)), **given, fetch=fetch)
    return [restored(Volunteer, record) for record in found]


@lru_cache(maxsize=256)
def _search(given: frozenset[str]) -> Any:
    """The statement for searches of which these parts are given."""
    name, key = literal(" ") + col(Volunteer.name_folded), tuple_(col(Volunteer.sort_key), col(Volunteer.id))
    conditions: dict[str, ColumnElement[bool]] = {
        "words": name.like(all_(bindparam("words", type_=ARRAY(Text)))),
        "named": col(Volunteer.id) == any_(bindparam("named", type_=ARRAY(Uuid))),
        "after_key": key > tuple_(bindparam("after_key", type_=Text), bindparam("after_id", type_=Uuid)),
        "directions": col(Volunteer.directions).op("@>")(bindparam("directions", type_=JSONB)),
        "skills": col(Volunteer.skills).op("@>")(bindparam("skills", type_=JSONB)),
    }
    for exact in ("number", "centre_id", "status", "phone_index", "iin_index", "email_index"):
        column = getattr(Volunteer, exact)
        conditions[exact] = column == bindparam(exact, type_=column.type)
    return (
        select(Volunteer)
        .where(col(Volunteer.status) != ERASED, *(conditions[name] for name in sorted(given & conditions.keys())))
        .order_by(col(Volunteer.sort_key), col(Volunteer.id))
        .limit(bindparam("fetch"))
    )


FEW = 10_000
"""So many are looked at one by one and sorted; of more, the first in the alphabet are soon met."""
_ASKED_WORDS_MAX = 4
# Who reaches some centres asks for the words of these alone, so that how long it takes tells nothing of the others'
# names. Compared as rows: `centre_id = … AND word >= …` might be looked up by the word first.
_BEGINNING = """
(SELECT volunteer_id FROM volunteerword WHERE (SELECT reaches_every_centre()) AND word >= ${0} AND word < ${1}
 UNION ALL
 SELECT volunteer_id FROM unnest((SELECT reached_centres())) AS reached(id), volunteerword
 WHERE NOT (SELECT reaches_every_centre())
     AND (centre_id, word) >= (reached.id, ${0}) AND (centre_id, word) < (reached.id, ${1}))
"""


async def _named(tx: Transaction, words: list[str]) -> list[UUID] | None:
    """Those whose names have words that begin so, and the caller themselves; None where they are more than a few."""
    # The longest are the rarest; the others are compared anyway.
    asked = sorted(words, key=len, reverse=True)[:_ASKED_WORDS_MAX]
    ends = [word[:-1] + chr(ord(word[-1]) + 1) for word in asked]
    found = await tx.sql(naming(len(asked)), FEW + 1, *(text for two in zip(asked, ends, strict=True) for text in two))
    return None if len(found) > FEW else [row["volunteer_id"] for row in found]


@lru_cache(maxsize=_ASKED_WORDS_MAX)
def naming(words: int) -> str:
    """The statement for so many beginnings of words: a limit, then from and below what each of them is."""
    each = [_BEGINNING.format(2 * n + 2, 2 * n + 3) for n in range(words)]
    own = "SELECT own_volunteer() WHERE own_volunteer() IS NOT NULL"
    return f"({' INTERSECT '.join(each)}) UNION ALL ({own}) LIMIT $1"


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
