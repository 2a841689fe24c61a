"""GET of the dashboard over 64 connections, against the same bytes from a plain ASGI application.

Once more with a thousand times the facts: of one day, and of a thousand, in 250 centres.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import asyncpg

from bench.load import wrk
from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Running, Servers
from deploy.local import ports
from services.gateway.domain import COUNTRY
from services.gateway.generations import schema_of
from services.gateway.settings import GatewaySettings
from shared.regions import REGIONS

_PATH = "/v1/dashboard?scope=kz"
_PLAIN = """
import sys, uvicorn
body = sys.stdin.buffer.read()
start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"),
         (b"content-length", str(len(body)).encode())]}
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(start)
        await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off")
"""


# Rows of the read model as the projector would have written them: scopes, days back from today.
_FACTS = """
INSERT INTO figureday (scope, day, volunteers_registered, donations, money_received_minor, deliveries)
SELECT scope, current_date - day, 3, 5, 1000000, 7
FROM (
    SELECT unnest($1::text[]) UNION ALL SELECT 'centre:' || gen_random_uuid() FROM generate_series(1, $2)
) AS _(scope), generate_series(0, $3 - 1) AS day;
"""
_TICKS = """
INSERT INTO tick (message_id, type, recorded_at, "on", region)
SELECT gen_random_uuid(), 'charity.donation.received.v1', now(), current_date, 'KZ-75' FROM generate_series(1, $1)
"""
_MOVED = """
INSERT INTO progress (id, revision, as_of) VALUES (1, $1, now())
ON CONFLICT (id) DO UPDATE SET revision = progress.revision + excluded.revision
"""
_CENTRES, _DAYS = 250, 1000


async def measure(servers: Servers) -> AsyncIterator[Result]:
    settings = GatewaySettings(
        **(await servers.settings("gateway")).model_dump(),
        volunteers_url=NOBODY,
        events_url=NOBODY,
        charity_url=NOBODY,
        anonymous_requests_per_minute=10**9,
    )
    async with servers.service("gateway", settings, "api") as gateway:
        model = await asyncpg.connect(servers.postgres.url("gateway"), server_settings={"search_path": schema_of(1)})
        try:
            await _happen(model, centres=_CENTRES, days=1)
            yield await _compared("GET dashboard", gateway)
            await model.execute("TRUNCATE figureday, tick")
            await _happen(model, centres=_CENTRES, days=_DAYS)
            yield await _compared("GET dashboard, 1 000x the facts", gateway)
        finally:
            await model.close()


async def _happen(model: asyncpg.Connection, *, centres: int, days: int) -> None:
    rows = int((await model.execute(_FACTS, [COUNTRY, *REGIONS], centres, days)).rsplit(" ", 1)[1])
    await model.execute(_TICKS, rows)
    await model.execute(_MOVED, rows)


async def _compared(name: str, gateway: Running) -> Result:
    async with gateway.session.get(_PATH) as answer:
        state = await answer.read()
    async with _plain(state) as plain:

        async def subject() -> float:
            return (await wrk(gateway.address + _PATH)).rate

        async def base() -> float:
            return (await wrk(plain + _PATH)).rate

        rates = await in_turn(subject, base)
    return Result(name, "/s", rates[0], Goal(0.30, 0.85), "the same bytes from plain ASGI", rates[1])


@contextlib.asynccontextmanager
async def _plain(body: bytes) -> AsyncGenerator[str]:
    """The address of a server that answers everything with these bytes."""
    port = ports.free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PLAIN, str(port), stdin=asyncio.subprocess.PIPE
    )
    try:
        if process.stdin is None:
            raise RuntimeError("no pipe to the plain application")
        process.stdin.write(body)
        process.stdin.close()
        address = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(address) as session:
            await _answering(session)
        yield address
    finally:
        process.terminate()
        await process.wait()


async def _answering(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(_PATH):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
