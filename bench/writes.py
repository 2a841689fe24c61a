"""The hot writes of a service against what PostgreSQL itself makes of them, many at once and one after the other."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from bench import writing
from bench.measure import Goal, Result, in_turn
from bench.servers import Servers
from bench.writing import Writing
from deploy.local import ports

_MANY, _SIGN_UP, _ONE, _TRACED = Goal(0.28, 0.55), Goal(0.25, 0.45), Goal(1.8, 1.2, at_most=True), Goal(0.85, 0.97)
_SAMPLED = 0.01
Writes = Callable[[Servers], contextlib.AbstractAsyncContextManager[Writing]]


def many(name: str, writes: Writes, goal: Goal = _MANY) -> Callable[[Servers], AsyncIterator[Result]]:
    """POSTs over 64 connections, against pgbench writing the very rows in one transaction."""

    async def measure(servers: Servers) -> AsyncIterator[Result]:
        async with writes(servers) as write:
            await write.require_the_same_rows()
            rates = await in_turn(lambda: _rate(write.asked()), lambda: _rate(write.limited()))
        yield Result(f"POST {name}", "/s", rates[0], goal, "pgbench, the same rows", rates[1])

    return measure


async def one_connection(servers: Servers) -> AsyncIterator[Result]:
    """How long half of the requests take at most, one after the other, against a transaction of one client's."""
    for name, writes in (("registration", writing.registrations), ("donation", writing.donations)):
        async with writes(servers) as write:
            times = await in_turn(
                lambda: _p50(write.asked(connections=1)),
                lambda: _p50(write.transacted()),
            )
        yield Result(f"POST {name}, one connection", "ms p50", times[0], _ONE, "a transaction of pgbench's", times[1])


async def telemetry(servers: Servers) -> AsyncIterator[Result]:
    """Registrations with one request in a hundred traced, against none."""
    async with writing.registrations(servers) as write, _collector() as endpoint:
        settings = write.settings.model_copy(
            update={"otlp_endpoint": endpoint, "trace_sample": _SAMPLED, "port": ports.free_port()}
        )
        async with servers.service("volunteers", settings, "api") as traced:
            rates = await in_turn(lambda: _rate(write.asked(of=traced)), lambda: _rate(write.asked()))
    yield Result("POST registration, 1 % traced", "/s", rates[0], _TRACED, "without traces", rates[1])


registration = many("registration", writing.registrations)
donation = many("donation", writing.donations)
sign_up = many("sign-up", writing.sign_ups, _SIGN_UP)


async def _rate(measured: Awaitable[writing.Load | writing.Limit]) -> float:
    return (await measured).rate


async def _p50(measured: Awaitable[writing.Load | writing.Limit]) -> float:
    return (await measured).p50_ms


@contextlib.asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """The address of a collector that takes traces and forgets them."""

    async def taken(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/traces", taken)
    runner = web.AppRunner(application)
    await runner.setup()
    port = ports.free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/v1/traces"
    finally:
        await runner.cleanup()
