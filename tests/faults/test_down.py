"""One service is down, or the figures stand still: the others answer, and what is old says so."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
import orjson
import pytest

from tests.faults.behind import not_folding
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults
OTHERS = {
    "charity": ("/v1/volunteers", "/v1/events", "/v1/dashboard"),
    "volunteers": ("/v1/donations", "/v1/events", "/v1/dashboard"),
    "events": ("/v1/donations", "/v1/volunteers", "/v1/dashboard"),
}
OWN = {"charity": "/v1/donations", "volunteers": "/v1/volunteers", "events": "/v1/events"}


@asynccontextmanager
async def _kept_down(system: RunningSystem, part: str) -> AsyncGenerator[None]:
    """Kill it, and whatever the supervisor starts in its place."""

    async def keep_down() -> None:
        while True:
            pid = system.pid_of(part)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.05)

    keeping = asyncio.create_task(keep_down())
    try:
        yield
    finally:
        keeping.cancel()
    # The longer it was down, the longer the supervisor waits before it tries once more.
    await system.wait_ready()


@pytest.mark.fault(18, "kept down")
@pytest.mark.parametrize(
    "service", ["charity", *(pytest.param(name, marks=pytest.mark.slow) for name in ("volunteers", "events"))]
)
async def test_when_one_service_is_down_the_others_answer(
    running_system: RunningSystem, verdict: Verdict, service: str
) -> None:
    async with (
        under_load(running_system, verdict),
        running_system.client(timeout_s=10) as client,
        _kept_down(running_system, service),
    ):

        async def refused_for_now() -> bool:
            answer = await client.get(OWN[service])
            return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in answer.headers

        await until(f"{service} is down", refused_for_now)
        for _ in range(5):
            for path in OTHERS[service]:
                assert (await client.get(path)).status_code == httpx.codes.OK, path
        assert await refused_for_now()


@pytest.mark.fault(18, "kept down: gateway")
async def test_when_the_gateway_is_down_the_services_go_on(running_system: RunningSystem, verdict: Verdict) -> None:
    async with (
        under_load(running_system, verdict),
        httpx.AsyncClient(timeout=5) as client,
        _kept_down(running_system, "gateway"),
    ):

        async def down() -> bool:
            try:
                await client.get(f"{running_system.address}/health/live")
            except httpx.HTTPError:
                return True
            return False

        await until("the gateway is down", down)
        for service in OWN:
            port = running_system.installation.port_of(service)
            assert (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success


@pytest.mark.fault(18, "figures that stand still say how old they are")
async def test_old_figures_say_so(running_system: RunningSystem, verdict: Verdict) -> None:
    async with (
        under_load(running_system, verdict) as life,
        running_system.client() as client,
        not_folding(running_system),
    ):
        stopped_at = datetime.fromisoformat((await client.get("/v1/dashboard")).json()["as_of"])
        await life.goes_on()

        assert datetime.fromisoformat((await client.get("/v1/dashboard")).json()["as_of"]) == stopped_at

        async def says_so() -> bool:
            # None while something that it asks does not answer in time.
            return (orjson.loads(await running_system.asar("status", "--json"))["figures_age_s"] or 0) > 0

        await until("the status says so", says_so)
