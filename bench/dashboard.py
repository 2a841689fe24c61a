"""GET of the dashboard over 64 connections, against the same bytes from a plain ASGI application."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp

from bench.load import wrk
from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Servers
from deploy.local import ports
from services.gateway.settings import GatewaySettings

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
    settings = GatewaySettings(
        **(await servers.settings("gateway")).model_dump(),
        volunteers_url=NOBODY,
        events_url=NOBODY,
        charity_url=NOBODY,
        anonymous_requests_per_minute=10**9,
    )
    async with servers.service("gateway", settings, "api") as gateway:
        async with gateway.session.get(_PATH) as answer:
            state = await answer.read()
        async with _plain(state) as plain:

            async def subject() -> float:
                return (await wrk(gateway.address + _PATH)).rate

            async def base() -> float:
                return (await wrk(plain + _PATH)).rate

            rates = await in_turn(subject, base)
    yield Result("GET dashboard", "/s", rates[0], Goal(0.30, 0.85), "the same bytes from plain ASGI", rates[1])


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
