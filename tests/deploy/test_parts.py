"""A service in two processes, as a cluster runs it: one answers requests, one does the rest."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nats as nats_client
import nats.js.errors
import pytest
from httpx import AsyncClient, HTTPError

from deploy.local import ports
from deploy.local.installation import CODE
from services.volunteers.app import Volunteers
from shared import telemetry
from shared.access import keys
from shared.access.token import Signer
from shared.messaging.subjects import stream_name
from tests.deploy.programs import run
from tests.systems import ADMINISTRATOR, make_settings

SERVICE = "volunteers"
DEADLINE_S = 120


@pytest.fixture
def environment(database_url: str, nats_url: str, tmp_path: Path) -> dict[str, str]:
    keys.make_missing(tmp_path / "keys")
    return {"ASAR_DATABASE_URL": database_url, "ASAR_NATS_URL": nats_url, "ASAR_KEYS_DIR": str(tmp_path / "keys")}


@pytest.fixture
def parts(environment: dict[str, str]) -> Iterator[dict[str, tuple[int, "subprocess.Popen[bytes]"]]]:
    """Both processes with their ports; whatever a test leaves running is ended."""
    migrated = run(sys.executable, "-m", f"services.{SERVICE}", "migrate", env=environment)
    assert migrated.returncode == 0, migrated.stderr
    started: dict[str, tuple[int, subprocess.Popen[bytes]]] = {}
    for part in ("api", "worker"):
        port = ports.free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{SERVICE}", part],
            env=os.environ | environment | {"ASAR_PORT": str(port)},
            cwd=CODE,
            stderr=subprocess.DEVNULL,
        )
        started[part] = (port, process)
    yield started
    for _, process in started.values():
        process.kill()
        process.wait()


async def answer(client: AsyncClient, url: str) -> dict[str, object]:
    """What a process says as soon as it says anything."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return (await client.get(url)).json()
            except HTTPError:
                await asyncio.sleep(0.05)


async def test_what_the_api_announces_the_worker_sends(
    parts: dict[str, tuple[int, "subprocess.Popen[bytes]"]], environment: dict[str, str]
) -> None:
    token = Signer(Path(environment["ASAR_KEYS_DIR"])).sign(ADMINISTRATOR, SERVICE)
    api, worker = (f"http://127.0.0.1:{parts[part][0]}" for part in ("api", "worker"))
    centre = {"kind": "volunteer_centre", "name": {"kk": "Бір", "ru": "Раз", "en": "One"}, "region": "KZ-75"}

    async with AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        does_api = (await answer(client, f"{api}/health/status"))["parts"]
        does_worker = (await answer(client, f"{worker}/health/status"))["parts"]
        opened = await client.post(f"{api}/v1/centres", json=centre)
    assert (does_api, does_worker) == (["api"], ["relay", "consume"])
    assert opened.status_code == 201, opened.text

    bus = await nats_client.connect(environment["ASAR_NATS_URL"])
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    message = await bus.jetstream().get_last_msg(stream_name(SERVICE), "asar.volunteers.centre.>")
                    break
                except nats.js.errors.NotFoundError:
                    await asyncio.sleep(0.05)
    finally:
        await bus.close()
    assert opened.json()["id"] in (message.data or b"").decode()

    for _, process in parts.values():
        process.send_signal(signal.SIGTERM)
    assert [process.wait(DEADLINE_S) for _, process in parts.values()] == [0, 0]


def test_a_part_that_there_is_not_is_answered_with_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "set_up", lambda *_: None)
    volunteers = Volunteers(make_settings("postgresql://nowhere", "nats://nowhere", tmp_path))

    with pytest.raises(SystemExit) as refused:
        volunteers.run(["wrker"])

    assert "[api|relay|consume|worker|migrate|audit|parked|redrive|replay|step-back|reseal|seals]" in str(refused.value)
