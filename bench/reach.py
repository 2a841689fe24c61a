"""What it costs to hold every caller to their reach: registrations and reads by id, against the same without.

"Without" is the code's own way for tables that are open to all, as a role that no policy binds.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import anyio.to_thread

from bench.measure import Goal, Result, in_turn
from bench.servers import BENCH, Servers
from services.volunteers.app import Volunteers
from services.volunteers.commands import open_centre, register_volunteer
from services.volunteers.schemas import OpenCentre, RegisterVolunteer
from services.volunteers.tables import Base, Volunteer
from shared.access.permissions import Permission, Role
from shared.access.principal import Reach, person
from shared.database import Database
from shared.sealed import Seal

REQUESTS = 1500
AT_ONCE = 16
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
_serial = count(1)


async def measure(servers: Servers) -> AsyncIterator[Result]:
    settings = await servers.settings("volunteers_reach")
    await anyio.to_thread.run_sync(Volunteers(settings).process.migrate)
    held = Database(settings.database_url, Base.metadata)
    free = Database(servers.postgres.url("volunteers_reach"), Base.metadata)
    free.is_scoped = False
    seal = Seal(servers.keys_dir)
    await held.open()
    await free.open()
    try:
        async with free.transaction(BENCH.reach(Permission.MANAGE_CENTRES)) as tx:
            form = OpenCentre.model_validate({"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"})
            centre, _ = await open_centre(tx, form, by=BENCH, now=NOW)
        everything = BENCH.reach(Permission.WRITE_VOLUNTEERS)
        one = person("person:c", Role.COORDINATOR, centres=[centre.id]).reach(Permission.WRITE_VOLUNTEERS)
        ids: list[UUID] = []

        async def register(database: Database, reach: Reach) -> None:
            async with database.transaction(reach) as tx:
                volunteer, _ = await register_volunteer(tx, _form(centre.id), by=BENCH, seal=seal, now=NOW)
            ids.append(volunteer.id)

        async def read(database: Database, reach: Reach) -> None:
            async with database.transaction(reach) as tx:
                if await tx.get(Volunteer, ids[next(_serial) % len(ids)]) is None:
                    raise RuntimeError("a volunteer is out of reach")

        for what, do, must in (("register", register, 0.8), ("read by id", read, 0.5)):
            for who, reach in (("administrator", everything), ("coordinator", one)):
                subject, base = _rate(do, held, reach), _without(_rate(do, free, reach))
                rates = await in_turn(subject, base)
                yield Result(f"{what}, {who}", "/s", rates[0], Goal(must, 1), "without reach", rates[1])
    finally:
        await held.close()
        await free.close()


def _rate(
    do: Callable[[Database, Reach], Awaitable[None]], database: Database, reach: Reach
) -> Callable[[], Awaitable[float]]:
    async def some() -> None:
        for _ in range(REQUESTS // AT_ONCE):
            await do(database, reach)

    async def rate() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return REQUESTS / (time.perf_counter() - began)

    return rate


def _without(rate: Callable[[], Awaitable[float]]) -> Callable[[], Awaitable[float]]:
    async def without() -> float:
        with _tables_say_nothing():
            return await rate()

    return without


@contextlib.contextmanager
def _tables_say_nothing() -> Generator[None]:
    said: dict[str, dict[Any, Any]] = {name: dict(table.info) for name, table in Base.metadata.tables.items()}
    for table in Base.metadata.tables.values():
        table.info.clear()
    try:
        yield
    finally:
        for name, table in Base.metadata.tables.items():
            table.info.update(said[name])


def _form(centre_id: UUID) -> RegisterVolunteer:
    n = next(_serial)
    return RegisterVolunteer.model_validate({
        "full_name": f"Ерікті {n}", "language": "kk", "born_on": "1990-05-17", "phone": f"+7701{n:07d}",
        "centre_id": str(centre_id), "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
    })  # fmt: skip
