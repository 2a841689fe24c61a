"""A read model as the tests fold and read it."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from services.gateway import queries
from services.gateway.consumers import consumer
from services.gateway.domain import Period, Scope
from services.gateway.generations import Generations
from services.gateway.settings import GatewaySettings
from services.gateway.tables import Base, ReadModel
from shared.contracts.envelope import DomainEvent
from shared.database import Database
from shared.messaging.pull import Delivery
from tests.gateway.facts import Announcer

TODAY = date(2026, 11, 22)


class ReadModelUnderTest:
    """The read model in use, folded by hand."""

    def __init__(self, generations: Generations) -> None:
        self.generations = generations
        self.announce = Announcer()

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: GatewaySettings) -> AsyncGenerator["ReadModelUnderTest"]:
        database = Database(settings.database_url, Base.metadata, pool_size=2)
        await database.open()
        generations = Generations(settings, database, consumer)
        await generations.open()
        try:
            yield cls(generations)
        finally:
            await generations.close()
            await database.close()

    @property
    def database(self) -> Database:
        return self.generations.active

    async def tell(self, *facts: DomainEvent) -> list[Delivery]:
        """Let facts happen and fold them, a page of their own; returns the messages."""
        page = [self.announce(fact) for fact in facts]
        await self.fold(page)
        return page

    async def fold(self, page: Iterable[Delivery]) -> int:
        return await consumer.apply(self.database, page)

    async def forget(self) -> None:
        """Empty it, for the next example of a property."""
        names = ", ".join(table.name for table in ReadModel.metadata.sorted_tables)
        await self.database.pool.execute(f"TRUNCATE {names}, public.feed RESTART IDENTITY")
        self.announce = Announcer()

    async def state(
        self, scope: str = "kz", start: date | None = None, end: date | None = None, *, today: date = TODAY
    ) -> dict[str, Any]:
        async with queries.snapshot(self.database) as reader:
            return await queries.state(reader, Scope.parse(scope), Period(start, end), today=today)

    async def figures(
        self, scope: str = "kz", start: date | None = None, end: date | None = None, *, today: date = TODAY
    ) -> dict[str, Any]:
        """The figures that are not zero, whatever the scope, and nothing withheld."""
        [figures] = (
            await queries.figures(self.database.pool, [scope], Period(start, end), today=today)
        ).values()
        return {name: value for name, value in figures.items() if value}

    async def everything(self) -> dict[str, Any]:
        """All that the read model says, but for the order in which it heard it."""
        days = await self.database.pool.fetch("SELECT * FROM figureday ORDER BY scope, day")
        helped = await self.database.pool.fetch("SELECT scope, span, starts_on FROM helped ORDER BY 1, 2, 3")
        rows = [
            (dict(row), await self.figures(row["scope"], row["starts_on"], row["starts_on"]))
            for row in helped
            if row["span"] == "day"
        ]
        progress = await self.database.pool.fetchrow("SELECT revision, as_of FROM progress")
        return {
            # A day on which all was taken back is as good as one on which nothing happened.
            "days": [dict(row) for row in days if any(list(row)[2:])],
            "helped": [row for row in rows if row[1].keys() & {"families_helped", "people_helped"}],
            "revision": dict(progress) if progress else None,
            "feed": sorted(row[0] for row in await self.database.pool.fetch("SELECT message_id FROM public.feed")),
            "centres": [dict(row) for row in await self.database.pool.fetch("SELECT * FROM centre ORDER BY id")],
            "campaigns": [dict(row) for row in await self.database.pool.fetch("SELECT * FROM campaign ORDER BY id")],
        }
