"""A GET of one centre and a POST of another through the gateway with an API key, against the service itself.

Who asks is found out, their quota is counted, a token is signed, the request forwarded and the answer guarded.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from bench.load import posting, wrk
from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Running, Servers
from services.gateway.commands import keys
from services.gateway.schemas.access import MakeKey
from services.gateway.settings import GatewaySettings
from services.gateway.tables import Base
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING
from shared.database import Database

_CENTRE = {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"}


async def measure(servers: Servers) -> AsyncIterator[Result]:
    behind = await servers.settings("door_volunteers")
    settings = GatewaySettings.model_validate(
        (await servers.settings("door")).model_dump()
        | {"volunteers_url": f"http://{behind.host}:{behind.port}", "events_url": NOBODY, "charity_url": NOBODY}
        | {"key_requests_per_minute": 10**9}
    )
    async with (
        servers.service("volunteers", behind, "api") as service,
        servers.service("gateway", settings, "api") as gateway,
    ):
        key = {"Authorization": f"Bearer {await key_of_an_administrator(settings)}"}
        centre = await service.make("/v1/centres", _CENTRE)
        for result in await _compared("GET", f"/v1/centres/{centre['id']}", None, service, gateway, key):
            yield result
        script = posting(servers.folder, "door", _CENTRE)
        for result in await _compared("POST", "/v1/centres", script, service, gateway, key):
            yield result


async def _compared(
    method: str, path: str, script: Path | None, service: Running, gateway: Running, key: dict[str, str]
) -> list[Result]:
    """The rate and the CPU of both processes, through the gateway and without it."""
    cpu: tuple[list[float], list[float]] = ([], [])

    async def through() -> float:
        before = gateway.cpu_s() + service.cpu_s()
        load = await wrk(gateway.address + path, headers=key, script=script)
        cpu[0].append((gateway.cpu_s() + service.cpu_s() - before) / load.requests * 1e6)
        return load.rate

    async def direct() -> float:
        before = service.cpu_s()
        load = await wrk(service.address + path, headers=service.headers, script=script)
        cpu[1].append((service.cpu_s() - before) / load.requests * 1e6)
        return load.rate

    rates = await in_turn(through, direct)
    itself = "the service itself"
    return [
        Result(f"{method} through the gateway", "/s", rates[0], Goal(0.60, 0.80), itself, rates[1]),
        # The round before the others is not counted.
        Result(
            f"CPU of a {method} through the gateway",
            "us",
            cpu[0][1:],
            Goal(1.6, 1.3, at_most=True),
            itself,
            cpu[1][1:],
        ),
    ]


async def key_of_an_administrator(settings: GatewaySettings) -> str:
    """A key that may do everything, as an operator makes one."""
    wanted = MakeKey(name="bench", role=Role.ADMINISTRATOR, centres=None)
    database = Database(settings.database_url, Base.metadata)
    await database.open()
    try:
        async with database.transaction(EVERYTHING) as tx:
            _, text = await keys.make(
                tx, wanted, account_id=None, by="operator", environment=settings.environment, now=datetime.now(UTC)
            )
    finally:
        await database.close()
    return text
