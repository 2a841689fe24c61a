"""The rates of requests while there is more and more in the database: each size is ten times the one before.

Rows are put in by SQL, as wide as those that requests make, and analysed, so that the planner knows of them.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from bench.door import key_of_an_administrator
from bench.load import posting, wrk
from bench.measure import Growth, Result
from bench.search import SIZES as VOLUNTEERS
from bench.search import Many
from bench.servers import NOBODY, Running, Servers
from services.gateway.settings import GatewaySettings
from shared.ids import new_id
from shared.settings import Settings

ROUNDS = 3
_FILL_S = 900
GIFTS = (10_000, 100_000, 1_000_000)
FACTS = (1_000, 10_000, 100_000)
"""On the dashboard; one with a million would be of ten thousand scopes and years of days."""
_UNLIMITED: dict[str, Any] = dict.fromkeys(
    ("key_requests_per_minute", "anonymous_requests_per_minute", "requests_at_once"), 10**9
)
_DONATIONS = """
INSERT INTO donation (id, version, campaign_id, centre_id, region, kind, method, amount_minor, refunded_minor,
    anonymous, donor, external_ref, occurred_on, receipt_year, receipt_number, recorded_by, recorded_at)
SELECT gen_random_uuid(), 1, $1, $2, 'KZ-75', 'money', 'bank', 500000, 0, false, sha256(n::text::bytea), 'was-' || n,
    date '2021-01-01' + n % 1461, 2021 + n % 1461 / 366, n, 'bench', now()
FROM generate_series($3::int, $4::int) AS n
"""
_ENTRIES = """
INSERT INTO entry (id, kind, centre_id, occurred_on, recorded_by, recorded_at)
SELECT id, 'gift', centre_id, occurred_on, recorded_by, recorded_at FROM donation
WHERE receipt_number BETWEEN $1 AND $2
"""
_LEGS = """
INSERT INTO leg (entry_id, position, account, amount_minor, campaign_id, centre_id, region, occurred_on)
SELECT id, position, account, sign * amount_minor, campaign_id, centre_id, region, occurred_on
FROM donation, (VALUES (1, 'donors', -1), (2, 'cash', 1)) AS side(position, account, sign)
WHERE receipt_number BETWEEN $1 AND $2
"""
_TICKS = """
INSERT INTO projection_1.tick (message_id, type, recorded_at, "on", region, amount_minor)
SELECT gen_random_uuid(), 'charity.donation.received.v1', now() - make_interval(mins => n), current_date, 'KZ-75',
    500000
FROM generate_series($1::int, $2::int) AS n
"""
_FIGURES = """
INSERT INTO projection_1.figureday (scope, day, donations, money_received_minor)
SELECT scope, current_date - n, 10, 5000000
FROM generate_series($1::int, $2::int) AS n, unnest(ARRAY['kz', 'KZ-75', 'KZ-71', 'KZ-10']) AS scope
WHERE n % 20 = 0 ON CONFLICT DO NOTHING
"""


async def volunteers(servers: Servers) -> AsyncIterator[Growth | Result]:
    """Finding by name, of which the goal is told of the largest; registering; reading one through the gateway."""
    found: dict[str, list[float]] = {"administrator": [], "coordinator": []}
    registered, read, compared = list[float](), list[float](), list[Result]()
    async with Many(servers) as many:
        for size in VOLUNTEERS:
            await many.grow(size)
            compared = await many.compared()
            for figures, result in zip(found.values(), compared, strict=True):
                figures.append(median(result.subject))
            gateway_settings = await _gateway(servers, volunteers_url=_address(many.settings))
            async with (
                servers.service("volunteers", many.settings, "api") as service,
                servers.service("gateway", gateway_settings, "api") as gateway,
            ):
                volunteer, centre = many.somebody()
                key = {"Authorization": f"Bearer {await key_of_an_administrator(gateway_settings)}"}
                script = posting(servers.folder, "registration", _registration(centre))
                registered.append(await _rate(service, "/v1/volunteers", service.headers, script))
                read.append(await _rate(gateway, f"/v1/volunteers/{volunteer}", key))
    for result in compared:
        yield result
    for who, figures in found.items():
        yield Growth(f"search by name, {who}", "ms", "volunteers", VOLUNTEERS, figures)
    yield Growth("POST registration", "/s", "volunteers", VOLUNTEERS, registered, more_is_better=True)
    yield Growth("GET volunteer through the gateway", "/s", "volunteers", VOLUNTEERS, read, more_is_better=True)


async def donations(servers: Servers) -> AsyncIterator[Growth]:
    """Gifts to one campaign, of which the others are as well."""
    rates: list[float] = []
    settings = await servers.settings("charity")
    centre, there = new_id(), 0
    async with servers.service("charity", settings, "api") as service, _free(servers, "charity") as free:
        await free.execute("INSERT INTO knowncentre (id, region, kind) VALUES ($1, 'KZ-75', 'other')", centre)
        campaign = await service.make(
            "/v1/campaigns", {"title": {"kk": "Көмек"}, "starts_on": "2021-01-10", "centre_ids": []}
        )
        await free.execute("UPDATE campaign SET status = 'open'")
        script = posting(servers.folder, "donation", _donation(campaign["id"], centre))
        for size in GIFTS:
            numbers = there + 1, size
            # Each sum is right by itself: to be checked row by row, a million would take minutes.
            await free.execute("SET session_replication_role = replica")
            await free.execute(_DONATIONS, UUID(campaign["id"]), centre, *numbers, timeout=_FILL_S)
            for statement in (_ENTRIES, _LEGS):
                await free.execute(statement, *numbers, timeout=_FILL_S)
            await free.execute("SET session_replication_role = origin")
            for table in ("donation", "entry", "leg"):
                await free.execute(f"VACUUM ANALYZE {table}", timeout=_FILL_S)
            there = size
            rates.append(await _rate(service, "/v1/donations", service.headers, script))
    yield Growth("POST donation", "/s", "donations", GIFTS, rates, more_is_better=True)


async def dashboard(servers: Servers) -> AsyncIterator[Growth]:
    """The country's figures and what just happened."""
    rates: list[float] = []
    there = 0
    settings = await _gateway(servers)
    for size in FACTS:
        async with servers.service("gateway", settings, "api"), _free(servers, "gateway") as free:
            for statement in (_TICKS, _FIGURES):
                await free.execute(statement, there + 1, size, timeout=_FILL_S)
            there = size
        # A process that has seen none of it yet.
        async with servers.service("gateway", settings, "api") as gateway:
            rates.append(await _rate(gateway, "/v1/dashboard?scope=kz", {}))
    yield Growth("GET dashboard", "/s", "facts", FACTS, rates, more_is_better=True)


async def _rate(service: Running, path: str, headers: Mapping[str, str], script: Path | None = None) -> float:
    """Answers a second, the median of some rounds; one before is not counted."""
    url = service.address + path
    return median([(await wrk(url, headers=headers, script=script)).rate for _ in range(ROUNDS + 1)][1:])


async def _gateway(servers: Servers, **urls: str) -> GatewaySettings:
    nowhere = dict.fromkeys(("volunteers_url", "events_url", "charity_url"), NOBODY)
    return GatewaySettings.model_validate(
        (await servers.settings("gateway")).model_dump() | nowhere | urls | _UNLIMITED
    )


def _address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


@contextlib.asynccontextmanager
async def _free(servers: Servers, database: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection that no policy holds."""
    connection = await asyncpg.connect(servers.postgres.url(database))
    try:
        yield connection
    finally:
        await connection.close()


def _registration(centre: UUID) -> dict[str, object]:
    return {
        "full_name": "Ерікті Ерікті", "language": "kk", "born_on": "1990-05-17", "phone": "+7{n}",
        "centre_id": str(centre), "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
    }  # fmt: skip


def _donation(campaign: str, centre: UUID) -> dict[str, object]:
    return {
        "campaign_id": campaign, "centre_id": str(centre), "kind": "money", "method": "bank",
        "amount": {"amount": "5000.00", "currency": "KZT"}, "external_ref": "reference-{uuid}",
        "donor": {"kind": "person", "name": "Ерікті Ерікті"}, "occurred_on": "2024-01-10",
    }  # fmt: skip
