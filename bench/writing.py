"""The hot writes: a request to a service, and pgbench's script of the very rows that it stores (`limits/`)."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import asyncpg

from bench.load import Limit, Load, coming_run, pgbench, posting, wrk
from bench.servers import Running, Servers
from shared.clock import civil_day, now
from shared.ids import new_id
from shared.settings import Settings

_LIMITS = Path(__file__).parent / "limits"
_LOOKS = {
    "registration": "SELECT * FROM centre WHERE id = '$centre';",
    "donation": "SELECT * FROM campaign, knowncentre AS c WHERE campaign.id = '$campaign' AND c.id = '$centre';",
    "sign_up": "",
}
"""What a service looks at before it writes; of a sign-up it is in the script."""
_ALIKE = 0.25
"""By how much rows of pgbench may be larger or smaller than those of the service."""


@dataclass(frozen=True)
class Writing:
    """One kind of write, ready to be asked of its service and of pgbench."""

    servers: Servers
    service: Running
    settings: Settings
    path: str
    request: Path
    """wrk's script."""
    limit: Path
    """pgbench's script."""
    transaction: Path
    """The same as a transaction that first looks at what the service looks at, one round trip for each step."""

    async def asked(self, *, connections: int = 64, of: Running | None = None) -> Load:
        """What the service does of it."""
        service = of or self.service
        url = service.address + self.path
        return await wrk(url, headers=service.headers, script=self.request, connections=connections)

    async def limited(self, *, clients: int = 32) -> Limit:
        """What PostgreSQL does of it."""
        return await pgbench(self.servers.postgres, self.service.name, self.limit, clients=clients)

    async def transacted(self) -> Limit:
        """What PostgreSQL does of it for one client, step by step."""
        return await pgbench(self.servers.postgres, self.service.name, self.transaction, clients=1)

    async def require_the_same_rows(self) -> None:
        """Raises: RuntimeError: a transaction of pgbench's does not fill the columns that a request fills."""
        async with _connected(self.servers, self.service.name) as database:
            empty = await _filled(database)
            await self.asked(connections=1)
            by_service = await _filled(database)
            await self.limited(clients=1)
            by_pgbench = await _filled(database)
        wanted, found = _each(empty, by_service), _each(by_service, by_pgbench)
        for table in wanted.keys() | found.keys():
            mine, its = wanted.get(table, {}), found.get(table, {})
            sizes = mine.pop("bytes", 0.0), its.pop("bytes", 0.0)
            if mine != its or abs(sizes[0] - sizes[1]) > _ALIKE * sizes[0]:
                raise RuntimeError(f"pgbench writes other rows of {table}: {its}, {sizes[1]}; not {mine}, {sizes[0]}")


@contextlib.asynccontextmanager
async def registrations(servers: Servers) -> AsyncGenerator[Writing]:
    async with _service(servers, "volunteers") as (service, settings):
        centre = await service.make("/v1/centres", {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"})
        form = {
            "full_name": "Ерікті Ерікті", "language": "kk", "born_on": "1990-05-17", "phone": "+7{n}",
            "centre_id": centre["id"], "directions": ["ecology"],
            "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
        }  # fmt: skip
        yield _writing(servers, service, settings, "/v1/volunteers", "registration", form, centre=centre["id"])


@contextlib.asynccontextmanager
async def donations(servers: Servers) -> AsyncGenerator[Writing]:
    async with _service(servers, "charity") as (service, settings):
        centre = str(new_id())
        async with _connected(servers, "charity") as database:
            await database.execute("INSERT INTO knowncentre (id, region, kind) VALUES ($1, 'KZ-75', 'other')", centre)
        opened = {"title": {"kk": "Көмек"}, "starts_on": "2021-01-10", "centre_ids": []}
        campaign = (await service.make("/v1/campaigns", opened))["id"]
        async with _connected(servers, "charity") as database:
            await database.execute("UPDATE campaign SET status = 'open' WHERE id = $1", campaign)
        form = {
            "campaign_id": campaign, "centre_id": centre, "kind": "money", "method": "bank",
            "amount": {"amount": "5000.00", "currency": "KZT"}, "external_ref": "reference-{uuid}",
            "donor": {"kind": "person", "name": "Ерікті Ерікті"}, "occurred_on": f"{civil_day(now())}",
        }  # fmt: skip
        yield _writing(servers, service, settings, "/v1/donations", "donation", form, centre=centre, campaign=campaign)


@contextlib.asynccontextmanager
async def sign_ups(servers: Servers) -> AsyncGenerator[Writing]:
    async with _service(servers, "events") as (service, settings):
        made = {"centre": str(new_id()), "event": str(new_id())}
        async with _connected(servers, "events") as database:
            await database.execute(_filled_in("shifts_to_fill", made | {"run": str(coming_run())}))
        (servers.folder / "sign_up.lines").write_text("".join(f"{n:010}\n" for n in range(1, 1001)))
        form = {
            "shift_id": "00000000-0000-7000-8000-11{line}",
            "volunteer_id": "00000000-0000-7000-8000-00{n}",
        }
        yield _writing(servers, service, settings, "/v1/sign-ups", "sign_up", form, **made)


def _writing(
    servers: Servers,
    service: Running,
    settings: Settings,
    path: str,
    name: str,
    form: Mapping[str, object],
    **made: str,
) -> Writing:
    limit = servers.folder / f"{name}.sql"
    limit.write_text(_filled_in(name, made))
    transaction = servers.folder / f"{name}_transaction.sql"
    transaction.write_text(f"BEGIN;\n{Template(_LOOKS[name]).substitute(made)}\n{limit.read_text()}COMMIT;\n")
    return Writing(servers, service, settings, path, posting(servers.folder, name, form), limit, transaction)


def _filled_in(name: str, made: Mapping[str, str]) -> str:
    return Template((_LIMITS / f"{name}.sql").read_text()).substitute(made)


@contextlib.asynccontextmanager
async def _service(servers: Servers, name: str) -> AsyncGenerator[tuple[Running, Settings]]:
    settings = await servers.settings(name)
    async with servers.service(name, settings, "api") as service:
        yield service, settings


@contextlib.asynccontextmanager
async def _connected(servers: Servers, name: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """As the server's own role, which no policy binds."""
    connection = await asyncpg.connect(servers.postgres.url(name))
    try:
        yield connection
    finally:
        await connection.close()


Filled = dict[str, dict[str, float]]
_COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"


async def _filled(database: "asyncpg.Connection[asyncpg.Record]") -> Filled:
    """Of each table: how many rows there are, how many of them fill each column, and their bytes."""
    columns: dict[str, list[str]] = {}
    for table, column in await database.fetch(_COLUMNS):
        columns.setdefault(table, []).append(column)
    found: Filled = {}
    # All tables at one moment: the last request may still be on its way.
    async with database.transaction(isolation="repeatable_read"):
        for table, names in columns.items():
            counts = ", ".join(f'count("{name}") AS "{name}"' for name in names)
            size = f'coalesce(sum(pg_column_size("{table}".*)), 0)::float AS bytes'
            row = await database.fetchrow(f'SELECT count(*) AS rows, {counts}, {size} FROM "{table}"')  # noqa: S608
            found[table] = dict(row or {})
    return found


def _each(before: Filled, after: Filled) -> Filled:
    """What one request, or one transaction, has added: each announces one message."""
    times = after["outbox"]["rows"] - before["outbox"]["rows"]
    added = {
        table: {name: round((count - before[table][name]) / times, 2) for name, count in counts.items()}
        for table, counts in after.items()
    }
    return {table: counts for table, counts in added.items() if any(counts.values())}
