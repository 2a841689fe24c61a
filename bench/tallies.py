"""A tally of one centre and month among very many deliveries, against one among few.

As many deliveries and gifts are of that centre and month either way: what grows is the number of centres. Which centre
and month it is changes with every look, so not only what was just looked at is found at hand.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from statistics import median
from typing import Self
from uuid import UUID

import anyio.to_thread

from bench.measure import Goal, Growth, Result, in_turn
from bench.servers import Servers
from services.charity import queries
from services.charity.app import Charity
from services.charity.queries import Scope
from services.charity.tables import Base
from shared.access.principal import EVERYTHING
from shared.database import Database
from shared.ids import new_id

FEW, MANY = 10_000, 1_000_000
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
OF_A_CENTRE = 5_000
"""Deliveries of each centre in these years: a hundred a month."""
YEARS = (2021, 2022, 2023, 2024)
GIFTS = 0.1
"""For each delivery."""
LOOKS = 100
_FILL_S = 900
# A centre's rows are as far from each other in the table as rows are that centres enter day by day, side by side.
_DELIVERIES = """
INSERT INTO delivery (id, version, family_id, centre_id, region, kind, value_minor, occurred_on, recorded_by,
    recorded_at)
SELECT uuidv7(), 1, ($3::uuid[])[1 + n * 7919::bigint % array_length($3::uuid[], 1)],
    ($2::uuid[])[1 + n % array_length($2::uuid[], 1)], 'KZ-75', 'goods', 100000,
    date '2021-01-01' + (n * 1461::bigint / $1)::int, 'bench', now() FROM generate_series(0, $1 - 1) AS n
"""
_HELPED = "INSERT INTO helped (delivery_id, person_id, centre_id) SELECT id, family_id, centre_id FROM delivery"
_LEGS = """
INSERT INTO leg (entry_id, position, account, amount_minor, campaign_id, centre_id, region, occurred_on)
SELECT id, position, account, CASE account WHEN 'donors' THEN -500000 ELSE 500000 END, family_id, centre_id, region,
    occurred_on
FROM (SELECT * FROM delivery WHERE random() < $1) AS delivery,
    (VALUES (1, 'donors'), (2, 'cash')) AS side(position, account)
"""
_TABLES = ("delivery", "helped", "leg")
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = ANY($1) AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


async def measure(servers: Servers) -> AsyncIterator[Result]:
    """Among a million."""
    async with Deliveries(servers, FEW) as few, Deliveries(servers, MANY) as many:
        yield await _compared(many, few)


async def growth(servers: Servers) -> AsyncIterator[Result | Growth]:
    """Up to ten million, of which the goal is."""
    async with AsyncExitStack() as stack:
        few, *others = [await stack.enter_async_context(Deliveries(servers, size)) for size in SIZES]
        results = [await _compared(other, few) for other in others]
    yield results[-1]
    figures = [median(results[-1].base), *(median(result.subject) for result in results)]
    yield Growth("tally of a centre and month", "ms", "deliveries", SIZES, figures)


async def _compared(many: "Deliveries", few: "Deliveries") -> Result:
    times = await in_turn(many.tally_ms, few.tally_ms)
    name = f"tally of a centre and month among {many.size:,}"
    return Result(name, "ms p50", times[0], Goal(2, 1.1, at_most=True), f"among {few.size:,}", times[1])


class Deliveries:
    """A database of so many deliveries."""

    def __init__(self, servers: Servers, size: int) -> None:
        self._servers = servers
        self.size = size
        self._centres = [new_id() for _ in range(size // OF_A_CENTRE)]

    async def __aenter__(self) -> Self:
        name = f"charity_{self.size}"
        settings = await self._servers.settings(name)
        await anyio.to_thread.run_sync(Charity(settings).process.migrate)
        free = Database(self._servers.postgres.url(name), Base.metadata)
        await free.open()
        families = [new_id() for _ in range(max(self.size // 20, 1))]
        async with free.pool.acquire() as connection:
            # Families, entries and the sums of legs are not what is measured; and indexes are made faster at the end.
            await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
            indexes = await connection.fetch(_INDEXES, list(_TABLES))
            await connection.execute("; ".join(f"DROP INDEX {index['indexname']}" for index in indexes))
            await connection.execute(_DELIVERIES, self.size, self._centres, families, timeout=_FILL_S)
            await connection.execute(_HELPED, timeout=_FILL_S)
            await connection.execute(_LEGS, GIFTS, timeout=_FILL_S)
            for index in indexes:
                await connection.execute(index["indexdef"], timeout=_FILL_S)
            for table in _TABLES:
                await connection.execute(f"VACUUM ANALYZE {table}", timeout=_FILL_S)
        await free.close()
        self._database = Database(settings.database_url, Base.metadata)
        await self._database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()

    async def tally_ms(self) -> float:
        """The median of a round."""
        took: list[float] = []
        for _ in range(LOOKS):
            scope = _some_month(secrets.choice(self._centres))
            began = time.perf_counter()
            async with self._database.transaction(EVERYTHING) as tx:
                figures = await queries.tally(tx, scope)
            took.append((time.perf_counter() - began) * 1000)
            if not figures.people or not figures.received_minor:
                raise RuntimeError("nothing was tallied")
        return median(took)


def _some_month(centre_id: UUID) -> Scope:
    year, month = secrets.choice(YEARS), 1 + secrets.randbelow(12)
    return Scope(start=date(year, month, 1), end=date(year, month, 28), centre_id=centre_id)
