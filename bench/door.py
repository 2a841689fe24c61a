"""GET of one centre through the gateway with an API key, against the service itself with the token that it makes of it.

Who asks is found out, their quota is counted, a token is signed, the request forwarded and the answer guarded.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from bench.load import wrk
from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Servers
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
        key = {"Authorization": f"Bearer {await _key(settings)}"}
        path = f"/v1/centres/{(await service.make('/v1/centres', _CENTRE))['id']}"
        cpu: tuple[list[float], list[float]] = ([], [])

        async def through() -> float:
            before = gateway.cpu_s() + service.cpu_s()
            load = await wrk(gateway.address + path, headers=key)
            cpu[0].append((gateway.cpu_s() + service.cpu_s() - before) / load.requests * 1e6)
            return load.rate

        async def direct() -> float:
            before = service.cpu_s()
            load = await wrk(service.address + path, headers=service.headers)
            cpu[1].append((service.cpu_s() - before) / load.requests * 1e6)
            return load.rate

        rates = await in_turn(through, direct)
    yield Result("GET through the gateway", "/s", rates[0], Goal(0.60, 0.80), "the service itself", rates[1])
    yield Result(
        "CPU of a GET through the gateway",
        "us",
        cpu[0][1:],
        Goal(1.6, 1.3, at_most=True),
        "the service itself",
        cpu[1][1:],
    )


async def _key(settings: GatewaySettings) -> str:
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
