"""`asar subscribers`: who outside is told of what, at a running NATS and in the file of one in a container."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats
import pytest

from deploy.bus import configuration, streams
from deploy.local import files, state
from deploy.local.installation import Installation
from deploy.local.nats import EmbeddedNats
from deploy.local.state import PartState, SystemState
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.topology import assert_stream, stream_of
from tests.deploy.programs import beside_python, run

ASAR = [sys.executable, "-c", "from deploy.operate.cli import main; main()"]
CENTRE = "0199d3a0-0000-7000-8000-000000000001"


def asar(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return run(*ASAR, *words, env={"NO_COLOR": "1", "COLUMNS": "200"})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Installation]:
    """An installation of which NATS runs, and the supervisor that would run it holds the folder."""
    installation = Installation(tmp_path / "its data")
    with installation.hold():
        server = installation.nats.start()
        assert server.process is not None
        part = PartState(pid=server.process.pid, port=server.port)
        told = SystemState(supervisor_pid=os.getpid(), address="", started_at=datetime.now(UTC), parts={"nats": part})
        state.publish(installation.state_file, told)
        yield installation
        server.stop()


async def test_one_who_is_added_hears_until_revoked(running: Installation) -> None:
    there = ("--data-dir", running.data_dir)
    added = await asyncio.to_thread(asar, "subscribers", "add", "a-ministry", "--region", "kz-75", "--json", *there)
    assert added.returncode == 0, added.stderr
    told: dict[str, Any] = json.loads(added.stdout)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    put_out = asyncio.Event()

    async def lost() -> None:
        put_out.set()

    async def quiet(_: Exception) -> None:
        """It is told why."""

    subscriber = await nats.connect(
        told["address"], nkeys_seed_str=told["seed"], disconnected_cb=lost, error_cb=quiet, allow_reconnect=False
    )
    service = await connect(running.nats.url("charity"))
    try:
        await assert_stream(service, "charity", replicas=1)
        await subscriber.subscribe("asar.>", cb=heard.put)
        await subscriber.flush(timeout=60)
        for region in ("kz-71", "kz-75"):
            await service.jetstream().publish(f"asar.charity.donation.received.{region}.{CENTRE}", b"{}")
        message = await asyncio.wait_for(heard.get(), timeout=60)

        listed = await asyncio.to_thread(asar, "subscribers", "list", *there)
        revoked = await asyncio.to_thread(asar, "subscribers", "revoke", "a-ministry", *there)
        await asyncio.wait_for(put_out.wait(), timeout=60)
    finally:
        await subscriber.close()
        await service.close()

    assert message.subject == f"asar.charity.donation.received.kz-75.{CENTRE}"
    assert heard.empty()
    assert "a-ministry" in listed.stdout
    assert "asar.charity.*.*.kz-75.*" in listed.stdout
    assert told["seed"] not in listed.stdout
    assert revoked.returncode == 0
    assert running.nats.subscribers.all() == []


def test_what_is_kept_tells_nobody_the_key(running: Installation) -> None:
    added = asar("subscribers", "add", "a-ministry", "--everything", "--json", "--data-dir", running.data_dir)

    seed = json.loads(added.stdout)["seed"]

    kept = [file for file in running.data_dir.rglob("*") if file.is_file() and seed.encode() in file.read_bytes()]
    assert kept == []
    assert running.nats.subscribers.file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["one", "--everything", "--region", "KZ-75"], "only one of these"),
        (["one", "--centre", CENTRE, "--region", "KZ-75"], "only one of these"),
        (["one"], "Say what it may hear"),
        (["One Two", "--everything"], "small letters"),
        (["one", "--region", "KZ-99"], "There is no region KZ-99"),
        (["one", "--centre", "almaty"], "not the id of a centre"),
        (["one", "--everything", "--service", "gateway"], "There is no service gateway"),
        (["taken", "--everything"], "already"),
    ],
)
def test_what_cannot_be_granted_is_refused_in_a_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    config = tmp_path / "subscribers.conf"
    assert asar("subscribers", "add", "taken", "--everything", "--config", config).returncode == 0
    before = config.read_bytes()

    refused = asar("subscribers", "add", *words, "--config", config)

    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert config.read_bytes() == before


def test_one_who_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    refused = asar("subscribers", "revoke", "nobody", "--config", tmp_path / "subscribers.conf")

    assert (refused.returncode, "There is no subscriber nobody" in refused.stderr) == (1, True)


def test_a_nats_in_a_container_takes_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "subscribers"
    folder.mkdir()
    (tmp_path / "nats.conf").write_text(configuration.for_containers(), encoding="utf-8")
    limits = {configuration.variable(user): f"of-{user}" for user in ("volunteers", "events", "charity", "gateway")}
    limits |= {configuration.variable(OPERATOR): "of-it", "NATS_FILE_STORE_MAX": "1GB"}

    for name in ("one", "two"):
        added = asar("subscribers", "add", name, "--centre", CENTRE, "--config", folder / "subscribers.conf")
        assert added.returncode == 0, added.stderr
    done = run(beside_python("nats-server"), "-t", "-c", tmp_path / "nats.conf", env=limits)

    assert done.returncode == 0, done.stderr
    assert (folder / "subscribers.conf").stat().st_mode & 0o777 == 0o644


async def test_streams_of_a_version_without_accounts_are_taken_over(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats", secrets=tmp_path / "secrets")
    server.initialise()
    told = server.config.read_text(encoding="utf-8")
    head = told[: told.index("system_account")]
    files.write_private(server.config, f"{head}authorization {{ user: asar, password: before }}\n")
    before = await asyncio.create_subprocess_exec(*server.argv, stderr=subprocess.DEVNULL)
    try:
        while not await asyncio.to_thread(server.is_ready):
            assert before.returncode is None
        old = await nats.connect(f"nats://asar:before@127.0.0.1:{server.port}")
        without = stream_of("charity", replicas=1)
        without.republish = None
        await old.jetstream().add_stream(without)
        await old.jetstream().publish("asar.charity.x.y.-.-", b"kept")
        await old.close()
    finally:
        before.terminate()
        await before.wait()

    await asyncio.to_thread(server.start)
    changed = [await streams.bring_up_to_date(server.url(OPERATOR)) for _ in range(2)]
    service = await connect(server.url("charity"))
    info = await assert_stream(service, "charity", replicas=1)
    await service.close()
    await asyncio.to_thread(server.stop)

    assert changed == [["ASAR_CHARITY"], []]
    assert info.state.messages == 1
