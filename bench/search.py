"""Finding volunteers by the beginnings of their names' words among very many, against one that is found by its id.

In the service's own transactions, within an administrator's and a coordinator's reach, and without HTTP in between,
which would cost both alike.
"""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median
from typing import Any
from uuid import UUID

import anyio.to_thread

from bench.measure import Goal, Result, in_turn
from bench.servers import BENCH, Servers
from services.volunteers import queries
from services.volunteers.app import Volunteers
from services.volunteers.schemas import SearchVolunteers
from services.volunteers.tables import Base, Volunteer
from shared.access.permissions import Permission, Role
from shared.access.principal import Reach, person
from shared.database import Database
from shared.ids import new_id
from shared.people import ALPHABET
from shared.sealed import Seal

SIZES = (10_000, 100_000, 1_000_000)
CENTRES = 200
LOOKS = 300
"""How many a round's median is of."""
_SYLLABLES = ["ал", "ба", "га", "да", "ер", "жа", "ка", "ла", "ма", "на", "ра", "са", "та", "ша", "аи", "нур"]
_CENTRES = """
INSERT INTO centre (id, version, kind, name, region, opened_on, changed_by, changed_at)
SELECT id, 1, 'other', '{}', 'KZ-75', '2020-01-01', 'bench', now() FROM unnest($1::uuid[]) AS id
"""
# Few names are many people's, and many are few people's. Numbers above zero are for those who register themselves.
_VOLUNTEERS = """
WITH part AS MATERIALIZED (
    SELECT row_number() OVER () AS n, a || b || c AS word
    FROM unnest($1::text[]) AS a, unnest($1::text[]) AS b, unnest($1::text[]) AS c
), chosen AS MATERIALIZED (
    SELECT n, 1 + floor(power(random(), 1.5) * 4096)::int AS surname,
        1 + floor(power(random(), 1.5) * 4096)::int AS own,
        1 + floor(random() * 4096)::int AS father FROM generate_series($2::int, $3::int) AS n
), named AS (
    SELECT chosen.n, surname.word || 'ов ' || own.word || ' ' || father.word || 'улы' AS name FROM chosen
    JOIN part AS surname ON surname.n = surname JOIN part AS own ON own.n = own JOIN part AS father ON father.n = father
)
INSERT INTO volunteer (id, version, number, status, full_name, sort_key, name_folded, language, born_in, born_on,
    affiliation, phone_index, centre_id, region, directions, skills, languages_spoken, applied_on, status_on,
    registered_at)
SELECT uuidv7(), 1, -n, 'approved', initcap(name), translate(name, $4, $5), name, 'kk', '1990-05',
    sha256(n::text::bytea), sha256(n::text::bytea), substr(sha256(n::text::bytea), 1, 16), ($6::uuid[])[1 + n % $7],
    'KZ-75', '["ecology"]', '[]', '[]', current_date, current_date, now() FROM named
"""


async def measure(servers: Servers) -> AsyncIterator[Result]:
    """Among a hundred thousand."""
    many = Many(servers)
    async with many:
        await many.grow(SIZES[1])
        for result in await many.compared():
            yield result


class Many:
    """A database of very many volunteers."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._seal = Seal(servers.keys_dir)
        self._centres = [new_id() for _ in range(CENTRES)]
        self._size = 0
        self._some: list[tuple[UUID, UUID, str]] = []
        """Id, centre and folded name of some of them."""

    async def __aenter__(self) -> "Many":
        self.settings = await self._servers.settings("volunteers_search")
        await anyio.to_thread.run_sync(Volunteers(self.settings).process.migrate)
        self._database = Database(self.settings.database_url, Base.metadata)
        self._free = Database(self._servers.postgres.url("volunteers_search"), Base.metadata)
        await self._database.open()
        await self._free.open()
        await self._free.pool.execute(_CENTRES, self._centres)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.close()
        await self._free.close()

    async def grow(self, size: int) -> None:
        sorted_as = "".join(chr(ord("A") + n) for n in range(len(ALPHABET)))
        numbers = self._size + 1, size
        await self._free.pool.execute(
            _VOLUNTEERS, _SYLLABLES, *numbers, ALPHABET, sorted_as, self._centres, CENTRES, timeout=600
        )
        self._size = size
        for table in ("volunteer", "volunteerword"):
            await self._free.pool.execute(f"VACUUM ANALYZE {table}", timeout=600)
        some = """
            SELECT id, centre_id, name_folded FROM volunteer TABLESAMPLE SYSTEM (20) WHERE number < 0
            ORDER BY random() LIMIT 1000
        """
        self._some = [tuple(row) for row in await self._free.pool.fetch(some)]

    def somebody(self) -> tuple[UUID, UUID]:
        """The ids of a volunteer and of their centre."""
        return self._some[0][:2]

    async def compared(self) -> list[Result]:
        """Of an administrator and of a coordinator of one centre."""
        centre = self._centres[0]
        coordinator = person("person:c", Role.COORDINATOR, centres=[centre]).reach(Permission.READ_VOLUNTEERS)
        everything = BENCH.reach(Permission.READ_VOLUNTEERS)
        return [
            await self._compared("administrator", everything, self._some),
            await self._compared("coordinator", coordinator, [one for one in self._some if one[1] == centre]),
        ]

    async def _compared(self, who: str, reach: Reach, some: list[tuple[UUID, UUID, str]]) -> Result:
        async def by_name() -> None:
            sought, _, name = secrets.choice(some)
            # As people type: two words, the second one not to its end.
            form = SearchVolunteers(name=name.rsplit(" ", 1)[0][:-1])
            async with self._database.transaction(reach) as tx:
                found = await queries.find_volunteers(tx, form, after=None, fetch=200, seal=self._seal)
            if sought not in {volunteer.id for volunteer in found}:
                raise RuntimeError("a volunteer is not found by name")

        async def by_id() -> None:
            async with self._database.transaction(reach) as tx:
                if await tx.get(Volunteer, secrets.choice(some)[0]) is None:
                    raise RuntimeError("a volunteer is out of reach")

        times = await in_turn(_median_ms(by_name), _median_ms(by_id))
        goal = Goal(5, 2, at_most=True)
        return Result(f"search among {self._size:,}, {who}", "ms p50", times[0], goal, "by id", times[1])


def _median_ms(look: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[float]]:
    async def measured() -> float:
        took: list[float] = []
        for _ in range(LOOKS):
            began = time.perf_counter()
            await look()
            took.append((time.perf_counter() - began) * 1000)
        return median(took)

    return measured
