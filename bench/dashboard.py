"""GET of the dashboard over 64 connections, against the same bytes from a plain ASGI application."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

from bench.measure import Result, in_turn
from bench.servers import Servers
from deploy.local import ports
from services.gateway.settings import GatewaySettings

REQUESTS = 3000
CLIENTS = 64
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


async def measure(servers: Servers) -> AsyncIterator[Result]:
    outside = "http://127.0.0.1:1"
    settings = GatewaySettings(
        **(await servers.settings("gateway")).model_dump(),
        volunteers_url=outside,
        events_url=outside,
        charity_url=outside,
        anonymous_requests_per_minute=10**9,
    )
    async with servers.service("gateway", settings, "api") as session:
        async with session.get(_PATH) as answer:
            state = await answer.read()
        port = ports.free_port()
        plain = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PLAIN, str(port), stdin=asyncio.subprocess.PIPE
        )
        if plain.stdin is None:
            raise RuntimeError("no pipe to the plain application")
        plain.stdin.write(state)
        plain.stdin.close()
        try:
            async with aiohttp.ClientSession(
                f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=CLIENTS)
            ) as other:
                await _answering(other)
                rates = await in_turn(lambda: _rate(session), lambda: _rate(other))
        finally:
            plain.terminate()
            await plain.wait()
    yield Result("GET dashboard", "the same bytes from plain ASGI", "/s", *rates, goal="0.30, aim 0.85")


async def _answering(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(_PATH):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def _rate(session: aiohttp.ClientSession) -> float:
    requests = iter(range(REQUESTS))

    async def some() -> None:
        for _ in requests:
            async with session.get(_PATH) as answer:
                await answer.read()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(CLIENTS)))
    return REQUESTS / (time.perf_counter() - began)
