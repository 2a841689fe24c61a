"""A process of a service: starts when its parts do, tells how it is, stops when it is told to."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from deploy.local.nats import EmbeddedNats
from deploy.local.ports import free_port
from shared.access.token import Signer
from shared.database import Database
from shared.messaging.connection import Bus
from shared.messaging.mending import Mending
from shared.messaging.relay import Relay
from shared.messaging.topology import assert_stream
from tests.shared.conftest import DEADLINE_S, until
from tests.shared.kites import Kites
from tests.shared.streams import announce, make_anew, unsent
from tests.systems import ADMINISTRATOR, ServiceUnderTest, make_settings

KITES = """
import sys
from shared.settings import Settings
from tests.shared.kites import Kites
Kites(Settings()).run(sys.argv[1:])
"""


class Running:
    """A process of the kites service, as the supervisor would start it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.address = f"http://127.0.0.1:{port}"

    async def get(self, path: str) -> httpx.Response | None:
        """The answer, or None where nobody listens."""
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient() as client:
                return await client.get(f"{self.address}{path}", timeout=5)
        return None

    async def is_live(self) -> bool:
        return (await self.get("/health/live")) is not None

    async def status(self) -> dict[str, Any]:
        answer = await self.get("/health/status")
        assert answer is not None
        return answer.json()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        async with asyncio.timeout(60):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def running(
    *arguments: str, database_url: str, nats_url: str, keys_dir: Path, **settings: str
) -> AsyncIterator[Running]:
    make_settings(database_url, nats_url, keys_dir)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ASAR_")},
        "ASAR_DATABASE_URL": database_url,
        "ASAR_NATS_URL": nats_url,
        "ASAR_KEYS_DIR": str(keys_dir),
        "ASAR_PORT": str(port),
        **{f"ASAR_{name.upper()}": value for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KITES, *arguments,
        env=environment, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Running(process, port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_process_relays_what_it_announces_and_ends_with_nothing_when_it_is_told_to(
    kites_url: str, nats_url: str, tmp_path: Path, database: Database
) -> None:
    await announce(database)
    async with running(database_url=kites_url, nats_url=nats_url, keys_dir=tmp_path / "keys") as service:
        await until(service.is_live)
        await until(lambda: _none_is_unsent(database))
        status = await service.status()

        assert (status["service"], status["parts"]) == ("kites", ["api", "relay", "consume"])
        assert (status["nats"], status["unsent"]) == (True, 0)
        assert await service.stop() == 0
        assert service.process.stderr is not None
        assert b"error" not in await service.process.stderr.read()


async def _none_is_unsent(database: Database) -> bool:
    return await unsent(database) == 0


async def test_a_process_that_serves_only_tells_a_relay_elsewhere(
    kites_url: str, nats_url: str, tmp_path: Path, bus: Bus
) -> None:
    keys_dir = tmp_path / "keys"
    heard = asyncio.Event()

    async def hear(_: object) -> None:
        heard.set()

    await bus.client.subscribe("hint.asar.kites", cb=hear)
    await bus.client.flush()
    async with running("api", database_url=kites_url, nats_url=nats_url, keys_dir=keys_dir) as service:
        await until(service.is_live)
        token = Signer(keys_dir).sign(ADMINISTRATOR, "kites")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            n = 0
            while not heard.is_set():  # a hint may be lost while the connection is being made
                n += 1
                answer = await client.post(f"{service.address}/v1/kites", json={"name": f"kite {n}"})
                assert answer.status_code == 201
        assert (await service.status())["parts"] == ["api"]
        assert (await service.status())["unsent"] == n
        assert await service.stop(signal.SIGINT) == 0


async def test_a_process_waits_for_its_database_and_can_be_stopped_meanwhile(tmp_path: Path, nats_url: str) -> None:
    nowhere = f"postgresql://nobody@/none?host={tmp_path}"
    async with running(database_url=nowhere, nats_url=nats_url, keys_dir=tmp_path / "keys") as service:
        assert service.process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            assert b"database is not reachable yet" in await service.process.stderr.readline()

        assert await service.stop() == 0


async def test_a_process_whose_database_refuses_it_ends_with_an_error(
    kites_url: str, nats_url: str, tmp_path: Path
) -> None:
    wrong = kites_url.replace("@/", "x@/", 1)
    async with (
        asyncio.timeout(DEADLINE_S),
        running(database_url=wrong, nats_url=nats_url, keys_dir=tmp_path / "keys") as service,
    ):
        assert await service.process.wait() != 0


async def test_nats_is_not_needed_to_serve(kites_url: str, nats: EmbeddedNats, tmp_path: Path) -> None:
    nobody = f"nats://127.0.0.1:{free_port()}"
    async with running(database_url=kites_url, nats_url=nobody, keys_dir=tmp_path / "keys") as service:
        await until(service.is_live)

        assert (await service.status())["nats"] is False
        assert await service.stop() == 0


def test_an_unknown_word_is_answered_with_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.telemetry.set_up", lambda *_: None)  # it is for the whole process

    with pytest.raises(SystemExit, match=r"usage: python -m services.kites \[api\|relay\|consume"):
        Kites(make_settings("postgresql://", "nats://", tmp_path / "keys")).run(["fly"])


async def test_the_operator_s_audit_says_what_was_missing(
    database: Database, bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    await assert_stream(bus.client, "kites", replicas=1)
    await announce(database)
    await Relay("kites", database, bus).relay_batch()
    await make_anew(bus)
    mending = Mending("kites", lambda: database, None, as_json=False)

    for _ in range(2):
        await mending.audit(database, bus.client)
    assert await Relay("kites", database, bus).relay_batch() == 3
    await mending.audit(database, bus.client)

    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kites: ")]
    assert said == [
        "kites: 3 messages were missing in the stream and are sent again",
        "kites: 0 messages were missing in the stream",
        "kites: 0 messages were missing in the stream",
    ]


# --- health ---------------------------------------------------------------------------------------------------------


async def test_a_process_is_live_whatever_its_database_does_and_ready_only_with_it(kites: ServiceUnderTest) -> None:
    await kites.process.database.close()

    live = await kites.client.get("/health/live")
    ready = await kites.client.get("/health/ready")
    status = await kites.client.get("/health/status")

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert ready.json()["parts"]["database"] == "DatabaseUnavailable"
    assert status.json() == {"service": "kites", "parts": [], "nats": False}


async def test_a_database_that_was_not_migrated_is_not_ready(kites: ServiceUnderTest) -> None:
    ready = await kites.client.get("/health/ready")

    assert ready.status_code == 503
    assert ready.json()["parts"] == {"database": "ok", "migrations": "UndefinedTableError"}


async def test_health_needs_no_token_and_tells_no_secret(kites: ServiceUnderTest) -> None:
    for path in ("/health/live", "/health/ready", "/health/status", "/version", "/metrics"):
        answer = await kites.client.get(path, headers={"Authorization": ""})
        assert answer.status_code in (200, 503)
        assert "postgresql://" not in answer.text
    assert orjson.loads((await kites.client.get("/version")).content)["service"] == "kites"


async def test_jobs_go_on_until_nothing_is_left_and_survive_a_failure(
    kites: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([5, 3, 0])
    done: list[int] = []

    async def job(_: object) -> int:
        if not done:
            done.append(-1)
            raise ValueError
        done.append(next(left))
        return done[-1]

    task = asyncio.create_task(kites.process._regularly(0.001, job))  # noqa: SLF001  # a part of a running process
    await until(lambda: 0 in done)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert done[:4] == [-1, 5, 3, 0]


@pytest.mark.parametrize("ahead_s", ["10800", "-10800"])
async def test_on_a_machine_that_is_hours_wrong_the_time_is_the_database_s(
    kites_url: str, nats_url: str, tmp_path: Path, ahead_s: str
) -> None:
    keys_dir = tmp_path / "keys"
    async with running(
        "api", database_url=kites_url, nats_url=nats_url, keys_dir=keys_dir, clock_ahead_s=ahead_s
    ) as service:
        await until(service.is_live)
        token = Signer(keys_dir).sign(ADMINISTRATOR, "kites")

        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            answer = await client.post(f"{service.address}/v1/kites", json={"name": "a"})

        assert answer.status_code == 201, answer.text
