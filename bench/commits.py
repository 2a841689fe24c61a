"""From the commit of a registration to that of the read model it is counted in, at a hundred a second.

A service and a gateway run as processes of their own. PostgreSQL keeps when each transaction was committed, so both
ends are told by one clock; no client is in the way.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import count
from statistics import median
from typing import Any

import asyncpg

from bench.measure import ROUNDS, Goal, Result
from bench.servers import NOBODY, Running, Servers
from services.gateway.settings import GatewaySettings
from shared.ids import new_id

A_SECOND, SECONDS = 100, 4
_ARRIVES_S = 10
_serial = count(7_000_000_000)
# What is announced is marked as sent later; the volunteer's row is as it was committed.
_BEGAN = """
SELECT message_id::text, extract(epoch FROM pg_xact_commit_timestamp(volunteer.xmin)) * 1000 AS at
FROM outbox JOIN volunteer ON aggregate = 'volunteers.volunteer/' || volunteer.id WHERE volunteer.number > $1
"""
_ENDED = "SELECT message_id::text, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 AS at FROM feed"


async def measure(servers: Servers) -> AsyncIterator[Result]:
    await _keep_commit_times(servers)
    behind = await servers.settings("volunteers")
    gateway_settings = GatewaySettings.model_validate(
        (await servers.settings("gateway")).model_dump()
        | {"volunteers_url": NOBODY, "events_url": NOBODY, "charity_url": NOBODY}
    )
    # The gateway first: it reads the stream as soon as there is one.
    async with servers.service("volunteers", behind) as service, servers.service("gateway", gateway_settings):
        rounds = [await _round(servers, service) for _ in range(ROUNDS + 1)][1:]
    p50s, p99s = [median(took) for took in rounds], [took[math.ceil(len(took) * 0.99) - 1] for took in rounds]
    yield Result(f"commit to read model, {A_SECOND}/s", "ms p50", p50s, Goal(10, 2, at_most=True))
    yield Result(f"commit to read model, {A_SECOND}/s", "ms p99", p99s, Goal(50, 10, at_most=True))


async def _keep_commit_times(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.postgres.url("postgres"))
    await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await connection.close()
    servers.postgres.stop()
    servers.postgres.start()


async def _round(servers: Servers, service: Running) -> list[float]:
    """How many milliseconds each registration took to be counted, sorted."""
    centre = await service.make("/v1/centres", {"kind": "other", "name": {"kk": "Орталық"}, "region": "KZ-75"})
    announced = await asyncpg.connect(servers.postgres.url("volunteers"))
    applied = await asyncpg.connect(servers.postgres.url("gateway"))
    try:
        last: int = await announced.fetchval("SELECT coalesce(max(number), 0) FROM volunteer")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in range(A_SECOND * SECONDS):
                # By the clock, not by the answers: a slow one delays no other.
                await asyncio.sleep(begun + number / A_SECOND - loop.time())
                group.create_task(service.make("/v1/volunteers", _form(centre["id"])))
        began = _times(await announced.fetch(_BEGAN, last))
        async with asyncio.timeout(_ARRIVES_S):
            while began.keys() - (ended := _times(await applied.fetch(_ENDED))).keys():  # noqa: ASYNC110  # a process's
                await asyncio.sleep(0.1)
        return sorted(ended[message] - at for message, at in began.items())
    finally:
        await announced.close()
        await applied.close()


def _times(rows: list[asyncpg.Record]) -> dict[str, float]:
    return {row["message_id"]: float(row["at"]) for row in rows}


def _form(centre_id: str) -> dict[str, Any]:
    number = next(_serial)
    return {
        "id": str(new_id()), "full_name": f"Ерікті {number}", "language": "kk", "born_on": "1990-05-17",
        "phone": f"+7{number}", "centre_id": centre_id, "directions": ["ecology"],
        "consent": {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"},
    }  # fmt: skip
