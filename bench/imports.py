"""Import of volunteers from a CSV file, from its first byte to the last page done, against COPY of the very rows.

COPY is as the superuser, whom no policy holds, and each of its rows is one that an import has made: of the volunteer,
their words, their consent, their status and what is announced. The job's own pages are extra.
"""

import io
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio.to_thread
import asyncpg

from bench.measure import Goal, Growth, Result, in_turn
from bench.servers import BENCH, Servers
from services.volunteers import commands
from services.volunteers.app import Volunteers
from services.volunteers.schemas import ImportDefaults, OpenCentre
from shared.access.permissions import Permission
from shared.database import Database
from shared.garbage import leave_alone_what_is_there
from shared.sheets.limits import CSV_TYPE

ROWS, MANY = 10_000, 100_000
GROWN = (1_000, 10_000, 100_000)
TABLES = ("volunteer", "consent", "statuschange", "outbox")
_EMPTY = "TRUNCATE volunteer, volunteerword, consent, statuschange, outbox, job, job_page, job_key"
_NAMES = ("Қасымова Айгүл", "Бөлекбаев Нұрлан", "Сәрсенова Гүлнұр", "Мысалов Дәурен")
_CENTRE = {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"}


async def measure(servers: Servers) -> AsyncIterator[Result]:
    async with Importing(servers) as importing:
        yield await importing.compared(ROWS)


async def growth(servers: Servers) -> AsyncIterator[Result | Growth]:
    """As many rows as a file may have; and the rate with files of other sizes, and with as many volunteers there."""
    async with Importing(servers) as importing:
        yield await importing.compared(MANY, rounds=2)
        await importing.empty()
        rates: list[float] = []
        there = 0
        for size in GROWN:
            await importing.imported(size - there, first=there)
            there = size
            rates.append(await importing.imported(ROWS // 2, first=there))
            there += ROWS // 2
        yield Growth("import of volunteers", "rows/s", "volunteers", GROWN, rates, more_is_better=True)


class Importing:
    """A service into whose database sheets are imported."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def __aenter__(self) -> "Importing":
        settings = await self._servers.settings("imports")
        self._volunteers = Volunteers(settings)
        await anyio.to_thread.run_sync(self._volunteers.process.migrate)
        self._resources = self._volunteers.process.resources()
        await self._resources.__aenter__()
        self._free = await asyncpg.connect(self._servers.postgres.url("imports"))
        # As a worker's own process does.
        leave_alone_what_is_there()
        async with self._database.transaction(BENCH.reach(Permission.MANAGE_CENTRES)) as tx:
            centre, _ = await commands.open_centre(tx, OpenCentre.model_validate(_CENTRE), by=BENCH, now=_now())
        self._defaults = ImportDefaults.model_validate({
            "centre_id": str(centre.id), "language": "kk", "applied_on": "2021-03-01",
            "consent_version": "2021-1", "consent_given_on": "2021-02-28", "consent_how": "paper",
        })  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._free.close()
        await self._resources.__aexit__(None, None, None)

    @property
    def _database(self) -> Database:
        return self._volunteers.process.database

    async def empty(self) -> None:
        await self._free.execute(_EMPTY)

    async def compared(self, rows: int, **rounds: int) -> Result:
        await self.imported(rows)
        made = {table: await self._taken_out(table) for table in TABLES}

        async def subject() -> float:
            await self.empty()
            return await self.imported(rows)

        async def base() -> float:
            await self.empty()
            began = time.perf_counter()
            async with self._free.transaction():
                for table, content in made.items():
                    await self._free.copy_to_table(table, source=io.BytesIO(content), format="binary")
            return rows / (time.perf_counter() - began)

        rates = await in_turn(subject, base, **rounds)
        return Result(f"import of {rows:,} volunteers", "rows/s", rates[0], Goal(0.15, 0.40), "COPY", rates[1])

    async def imported(self, rows: int, *, first: int = 0) -> float:
        """Rows a second of one import."""
        process, content = self._volunteers.process, _sheet(first, rows)
        began = time.perf_counter()
        async with self._database.transaction(BENCH.reach(Permission.WRITE_VOLUNTEERS)) as tx:
            job_id = await commands.begin_import(
                tx, content, self._defaults, media_type=CSV_TYPE, validate_only=False, by=BENCH, seal=process.seal,
                now=_now(),
            )  # fmt: skip
        if process.worker is None:
            raise RuntimeError("volunteers has a worker")
        while await process.worker.turn(self._database):
            pass
        took_s = time.perf_counter() - began
        outcomes = await self._database.pool.fetchval("SELECT outcomes FROM job WHERE id = $1", job_id)
        if outcomes != {"added": rows}:
            raise RuntimeError(f"not all were added: {outcomes}")
        return rows / took_s

    async def _taken_out(self, table: str) -> bytes:
        out = io.BytesIO()
        await self._free.copy_from_table(table, output=out, format="binary")
        return out.getvalue()


def _sheet(first: int, rows: int) -> bytes:
    """As coordinators write them: a name, a day, a phone, an address, two directions in words."""
    lines = ["Аты-жөні;Туған күні;Телефон;Электрондық пошта;Бағыттар"]
    lines += [
        f"{_NAMES[n % 4]} {n};{1 + n % 28:02}.{1 + n % 12:02}.{1960 + n % 45};8 (701) {n:07};e{n}@example.org;"
        "экология, жастармен жұмыс"
        for n in range(first, first + rows)
    ]
    return "\r\n".join(lines).encode()


def _now() -> datetime:
    return datetime.now(UTC)
