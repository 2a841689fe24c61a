"""Every question the gateway answers from its read model; never writes, never asks another service."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Protocol

import asyncpg

from services.gateway import domain
from services.gateway.domain import COUNTRY, FLOWS, STOCKS, Period, Scope
from services.gateway.helped import union
from shared.database import Database, DatabaseUnavailable
from shared.regions import REGIONS

HELPED = ("families_helped", "people_helped")
REGION_FIGURES = ("volunteers_registered", "events_held", "money_net_minor", "deliveries")
SERIES = (
    "volunteers_registered",
    "events_held",
    "hours_minutes",
    "money_net_minor",
    "money_disbursed_minor",
    "deliveries",
)
TICKS = 20

# $2 first day, $3 last day, $4 the day at whose end stocks are counted, $5 today.
_SUMS = f"""
SELECT scope,
    {", ".join(f"coalesce(sum({name}) FILTER (WHERE day <= $4), 0)::bigint AS {name}" for name in STOCKS)},
    {", ".join(f"coalesce(sum({name}) FILTER (WHERE day >= $2), 0)::bigint AS {name}" for name in FLOWS)},
    coalesce(sum(events_planned) FILTER (WHERE day >= greatest($2, $5)), 0)::bigint AS events_coming
FROM figureday WHERE scope = ANY($1::text[]) AND day <= $3 GROUP BY scope
"""  # noqa: S608  # names from this module
_SERIES = """
SELECT day, volunteers_registered, events_held, hours_minutes,
    money_received_minor - money_refunded_minor AS money_net_minor, money_disbursed_minor, deliveries
FROM figureday WHERE scope = $1 AND day BETWEEN $2 AND $3 ORDER BY day
"""
_HELPED = """
SELECT scope, families, people FROM helped
JOIN unnest($2::text[], $3::date[]) AS asked(span, starts_on) USING (span, starts_on) WHERE scope = ANY($1::text[])
"""
_REVISION = "SELECT revision, as_of FROM progress"
# Those that worked on at least one day of the period.
_CENTRES = """
SELECT id, kind, region, name FROM centre
WHERE region = $1 AND opened_on <= $2 AND (closed_on IS NULL OR closed_on >= $3) ORDER BY id
"""
_CAMPAIGNS = (
    "SELECT id, title, status, goal_minor, starts_on FROM campaign WHERE status <> 'draft' ORDER BY starts_on, id"
)
_TICKS = {
    "country": "SELECT * FROM tick ORDER BY position DESC LIMIT $1",
    "region": "SELECT * FROM tick WHERE region = $2 ORDER BY position DESC LIMIT $1",
    "centre": "SELECT * FROM tick WHERE centre_id = $2 ORDER BY position DESC LIMIT $1",
    "campaign": "SELECT * FROM tick WHERE campaign_id = $2 ORDER BY position DESC LIMIT $1",
}
_MESSAGES = "SELECT position, message_id, body FROM public.feed WHERE position > $1 ORDER BY position LIMIT $2"
_POSITION = "SELECT position FROM public.feed WHERE message_id = $1"
_END = date(2199, 12, 31)

Figures = dict[str, int | None]


class Reader(Protocol):
    """What answers a query: a pool, or one connection for several queries at one moment."""

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]: ...

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None: ...


@asynccontextmanager
async def snapshot(model: Database) -> AsyncGenerator[Reader]:
    """The read model at one moment: between two queries nothing is folded in."""
    async with (
        model.pool.acquire(timeout=10) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def revision(reader: Reader) -> tuple[int, datetime | None]:
    """How far the read model is: its revision, and when the newest message in it was recorded.

    Raises:
        DatabaseUnavailable: it is of a version that this one cannot read, and its successor is being built.
    """
    try:
        row = await reader.fetchrow(_REVISION)
    except asyncpg.UndefinedTableError as error:
        raise DatabaseUnavailable("The figures are being counted anew.") from error
    return (row["revision"], row["as_of"]) if row else (0, None)


async def figures(reader: Reader, scopes: Sequence[str], period: Period, *, today: date) -> dict[str, Figures]:
    """All figures of each scope: stocks as at the end of the period, flows and distinct counts within it."""
    start, end = period.start or domain.BEGINNING, period.end or _END
    rows = await reader.fetch(_SUMS, list(scopes), start, end, period.stands_at(today=today), today)
    sums = {row["scope"]: row for row in rows}
    sets: dict[str, list[asyncpg.Record]] = {}
    spans = domain.cover(period, today=today)
    for row in await reader.fetch(_HELPED, list(scopes), [s for s, _ in spans], [d for _, d in spans]):
        sets.setdefault(row["scope"], []).append(row)
    answer: dict[str, Figures] = {}
    for scope in scopes:
        values: Figures = dict.fromkeys((*STOCKS, *FLOWS, "events_coming"), 0)
        if scope in sums:
            values |= {name: value for name, value in sums[scope].items() if name != "scope"}
        del values["events_planned"]
        received, refunded = values["money_received_minor"] or 0, values["money_refunded_minor"] or 0
        values["money_net_minor"] = received - refunded
        values["money_on_hand_minor"] = received - refunded - (values["money_disbursed_minor"] or 0)
        values["families_helped"] = union(row["families"] for row in sets.get(scope, []))
        values["people_helped"] = union(row["people"] for row in sets.get(scope, []))
        answer[scope] = values
    return answer


def public(values: Figures) -> tuple[Figures, list[str]]:
    """Figures as anybody may see them in a scope smaller than the country, and which were withheld."""
    withheld = domain.hidden(values, HELPED)
    return values | dict.fromkeys(withheld), withheld


async def state(reader: Reader, scope: Scope, period: Period, *, today: date) -> dict[str, Any]:
    """The whole state of a scope in a period, as the dashboard shows it; give it a `snapshot`.

    Raises:
        ScopeUnknown: there is no such region, centre or campaign.
    """
    number, as_of = await revision(reader)
    named = await _named(reader, scope)
    stands_at = period.stands_at(today=today)
    # A report on 2021 shows the regions of 2021.
    existing = [code for code, region in REGIONS.items() if region.exists(min(stands_at, today))]
    region_codes = existing if scope.kind == "country" else []
    centres: list[asyncpg.Record] = []
    if scope.kind == "region":
        centres = await reader.fetch(_CENTRES, scope.code, stands_at, period.start or domain.BEGINNING)
    campaigns = await _campaigns(reader, scope)
    asked = [scope.code, *region_codes, *(f"centre:{c['id']}" for c in centres), *(code for code, _ in campaigns)]
    every = await figures(reader, asked, period, today=today)
    shown, withheld = (every[scope.code], []) if scope.kind == "country" else public(every[scope.code])
    return {
        "scope": named,
        "period": {"from": period.start, "to": period.end},
        "revision": number,
        "as_of": as_of,
        "today": today,
        "figures": shown,
        "hidden": withheld,
        "regions": [{"code": code, **_smaller(every[code], REGION_FIGURES)} for code in region_codes],
        "centres": [
            {
                "id": str(centre["id"]),
                "kind": centre["kind"],
                "region": centre["region"],
                "name": centre["name"],
                **_smaller(every[f"centre:{centre['id']}"], REGION_FIGURES),
            }
            for centre in centres
        ],
        "campaigns": [_campaign(campaign, every[code], scope) for code, campaign in campaigns],
        "series": await _series(reader, scope, period),
        "ticker": await _ticks(reader, scope),
    }


def _smaller(values: Figures, names: Iterable[str]) -> dict[str, Any]:
    shown, withheld = public(values)
    return {**{name: shown[name] for name in (*names, *HELPED)}, "hidden": withheld}


async def _campaigns(reader: Reader, scope: Scope) -> list[tuple[str, asyncpg.Record]]:
    """The campaigns to list, each with the scope that its figures are counted in."""
    if scope.kind == "centre":
        return []
    rows = await reader.fetch(_CAMPAIGNS)
    if scope.kind == "campaign":
        rows = [row for row in rows if row["id"] == scope.id]
    if scope.kind == "region":
        return [(domain.within(scope.code, row["id"]), row) for row in rows]
    return [(f"campaign:{row['id']}", row) for row in rows]


def _campaign(campaign: asyncpg.Record, values: Figures, scope: Scope) -> dict[str, Any]:
    shown, withheld = public(values)
    return {
        "id": str(campaign["id"]),
        "title": campaign["title"],
        "status": campaign["status"],
        # A region has no goal of its own.
        "goal_minor": campaign["goal_minor"] if scope.kind != "region" else None,
        "received_minor": shown["money_net_minor"],
        "disbursed_minor": shown["money_disbursed_minor"],
        "families_helped": shown["families_helped"],
        "deliveries": shown["deliveries"],
        "hidden": [name for name in withheld if name == "families_helped"],
    }


async def _named(reader: Reader, scope: Scope) -> dict[str, Any]:
    """The scope with its names and what it lies in."""
    country = {"code": COUNTRY, "name": {"kk": "Қазақстан", "ru": "Казахстан", "en": "Kazakhstan"}}
    if scope.kind == "country":
        return {**country, "kind": scope.kind, "path": []}
    if scope.kind == "region":
        if scope.code not in REGIONS:
            raise domain.ScopeUnknown
        return {"code": scope.code, "kind": scope.kind, "name": REGIONS[scope.code].name, "path": [country]}
    if scope.kind == "centre":
        row = await reader.fetchrow("SELECT name, region FROM centre WHERE id = $1", scope.id)
        if row is None:
            raise domain.ScopeUnknown
        region = {"code": row["region"], "name": REGIONS[row["region"]].name}
        return {"code": scope.code, "kind": scope.kind, "name": row["name"], "path": [country, region]}
    row = await reader.fetchrow("SELECT title FROM campaign WHERE id = $1", scope.id)
    if row is None:
        raise domain.ScopeUnknown
    return {"code": scope.code, "kind": scope.kind, "name": row["title"], "path": [country]}


async def _series(reader: Reader, scope: Scope, period: Period) -> dict[str, list[Any]]:
    """Days on which something happened, and what; the days between are zero."""
    rows = await reader.fetch(_SERIES, scope.code, period.start or domain.BEGINNING, period.end or _END)
    rows = [row for row in rows if any(row[name] for name in SERIES)]
    return {"days": [row["day"] for row in rows], **{name: [row[name] for row in rows] for name in SERIES}}


async def _ticks(reader: Reader, scope: Scope) -> list[dict[str, Any]]:
    identity = {"country": [], "region": [scope.code]}.get(scope.kind)
    rows = await reader.fetch(_TICKS[scope.kind], TICKS, *([scope.id] if identity is None else identity))
    return [
        {
            "id": str(row["message_id"]),
            "type": row["type"],
            "at": row["recorded_at"],
            "on": row["on"],
            "region": row["region"],
            "centre_id": str(row["centre_id"]) if row["centre_id"] else None,
            **({"amount_minor": row["amount_minor"]} if row["amount_minor"] is not None else {}),
            **({"number": row["number"]} if row["number"] is not None else {}),
        }
        for row in rows
    ]


async def messages_after(reader: Reader, position: int, limit: int) -> list[asyncpg.Record]:
    """Messages in the order of application: position, message id and body."""
    return await reader.fetch(_MESSAGES, position, limit)


async def position_of(reader: Reader, message_id: str | None) -> int:
    """Where a message stands; 0 for none, the beginning.

    Raises:
        MessageUnknown
    """
    if message_id is None:
        return 0
    row = await reader.fetchrow(_POSITION, message_id)
    if row is None:
        raise domain.MessageUnknown
    return int(row["position"])
