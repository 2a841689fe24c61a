"""A read model as the tests fold and read it."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

from pyroaring import BitMap

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
        # Much quicker than TRUNCATE where tables are as good as empty.
        names = ["public.feed", *(table.name for table in ReadModel.metadata.sorted_tables)]
        await self.database.pool.execute("; ".join(f"DELETE FROM {name}" for name in names))  # noqa: S608
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
        [figures] = (await queries.figures(self.database.pool, [scope], Period(start, end), today=today)).values()
        return {name: value for name, value in figures.items() if value}

    async def everything(self) -> dict[str, Any]:
        """All that the read model knows, without the order in which it heard it."""

        async def rows(query: str) -> list[dict[str, Any]]:
            return [dict(row) for row in await self.database.pool.fetch(query)]

        ids = {row["number"]: row["id"] for row in await rows("SELECT number, id FROM member")}
        helped = {
            (row["scope"], row["span"], row["starts_on"], who): {ids[number] for number in BitMap.deserialize(row[who])}
            for row in await rows("SELECT * FROM helped")
            for who in ("families", "people")
        }
        # A day on which all was taken back is as good as one on which nothing happened.
        days = await rows("SELECT * FROM figureday ORDER BY scope, day")
        return {
            "days": [day for day in days if any(list(day.values())[2:])],
            "helped": {key: members for key, members in helped.items() if members},
            "progress": await rows("SELECT revision, as_of FROM progress"),
            "feed": await rows("SELECT message_id, body FROM public.feed ORDER BY message_id"),
            "ticks": await rows("SELECT message_id, type, amount_minor, number FROM tick ORDER BY message_id"),
            "centres": await rows("SELECT * FROM centre ORDER BY id"),
            "campaigns": await rows("SELECT * FROM campaign ORDER BY id"),
            "parked": await rows("SELECT aggregate, version FROM parked"),
        }
