"""GET of one centre through the gateway with an API key, against the service itself with the token that it makes of it.

Who asks is found out, their quota is counted, a token is signed, the request forwarded and the answer guarded.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp

from bench.measure import Result, in_turn
from bench.servers import BENCH, Servers
from services.gateway.commands import keys
from services.gateway.schemas.access import MakeKey
from services.gateway.settings import GatewaySettings
from services.gateway.tables import Base
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING
from shared.access.token import Signer
from shared.database import Database

REQUESTS = 3000
CLIENTS = 64
_CENTRE = {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"}


async def measure(servers: Servers) -> AsyncIterator[Result]:
    behind = await servers.settings("door_volunteers")
    outside = "http://127.0.0.1:1"
    settings = GatewaySettings.model_validate(
        (await servers.settings("door")).model_dump()
        | {"volunteers_url": f"http://{behind.host}:{behind.port}", "events_url": outside, "charity_url": outside}
        | {"key_requests_per_minute": 10**9}
    )
    async with (
        servers.service("volunteers", behind, "api") as direct,
        servers.service("gateway", settings, "api"),
        aiohttp.ClientSession(
            f"http://{settings.host}:{settings.port}",
            connector=aiohttp.TCPConnector(limit=CLIENTS),
        ) as through,
    ):
        key, signer = await _key(settings), Signer(servers.keys_dir)
        async with through.post("/v1/centres", json=_CENTRE, headers={"Authorization": f"Bearer {key}"}) as answer:
            answer.raise_for_status()
            path = f"/v1/centres/{(await answer.json())['id']}"
        rates = await in_turn(
            lambda: _rate(through, path, key),
            # A token of its own for each round: it lives for a minute.
            lambda: _rate(direct, path, signer.sign(BENCH, "volunteers")),
        )
    yield Result("GET through the gateway", "the service itself", "/s", *rates, goal="0.60, aim 0.80")


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


async def _rate(session: aiohttp.ClientSession, path: str, token: str) -> float:
    headers = {"Authorization": f"Bearer {token}"}
    requests = iter(range(REQUESTS))

    async def some() -> None:
        for _ in requests:
            async with session.get(path, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CLIENTS)))
    return REQUESTS / (time.perf_counter() - began)
