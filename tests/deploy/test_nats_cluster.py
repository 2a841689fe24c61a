"""The values for NATS's chart, given to three real servers as the chart would write them down."""

import asyncio
import contextlib
import copy
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from nats.js.errors import NoStreamResponseError

from deploy.bus import configuration
from deploy.local import loopback, ports
from shared.messaging.connection import connect
from shared.messaging.permissions import users
from shared.messaging.topology import assert_stream
from tests.deploy import chart
from tests.deploy.programs import beside_python, run

NATS_SERVER = beside_python("nats-server")
PASSWORDS = {configuration.variable(user.name): f"of-{user.name}" for user in users()}
DEADLINE_S = 60


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """What the chart would configure, with the files that it includes where a pod mounts them."""
    (tmp_path / "asar").mkdir()
    for name in ("accounts.conf", "subscribers.conf"):
        shutil.copy(chart.VALUES.with_name(name), tmp_path / "asar")
    return chart.configuration(yaml.safe_load(chart.VALUES.read_text(encoding="utf-8")))


def write(folder: Path, name: str, config: dict[str, Any]) -> Path:
    file = folder / "nats-config" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(chart.written(config), encoding="utf-8")
    return file


def test_nats_takes_what_the_chart_would_write(config: dict[str, Any], tmp_path: Path) -> None:
    done = run(NATS_SERVER, "-t", "-c", write(tmp_path, "nats.conf", config), env=PASSWORDS | {"POD_NAME": "nats-0"})

    assert done.returncode == 0, done.stderr


def test_nats_refuses_a_misspelt_value(config: dict[str, Any], tmp_path: Path) -> None:
    config["jetstream"]["sync_intervall"] = config["jetstream"].pop("sync_interval")

    done = run(NATS_SERVER, "-t", "-c", write(tmp_path, "nats.conf", config), env=PASSWORDS | {"POD_NAME": "nats-0"})

    assert done.returncode != 0
    assert "sync_intervall" in done.stderr


@pytest.fixture
def servers(config: dict[str, Any], tmp_path: Path) -> Iterator[dict[int, "subprocess.Popen[bytes]"]]:
    """Three servers by the port of each: the same configuration but for addresses, folders and names."""
    chosen = ports.free_ports(9)
    numbers = [dict(zip(("client", "http", "cluster"), chosen[at::3], strict=True)) for at in range(3)]
    started: dict[int, subprocess.Popen[bytes]] = {}
    for index, own in enumerate(numbers):
        mine = copy.deepcopy(config) | {"host": "127.0.0.1", "port": own["client"], "http_port": own["http"]}
        mine["cluster"] |= {"host": "127.0.0.1", "port": own["cluster"]}
        mine["cluster"]["routes"] = [f"nats://127.0.0.1:{other['cluster']}" for other in numbers]
        mine["jetstream"] |= {"store_dir": str(tmp_path / f"data-{index}"), "max_file_store": "<< 1GB >>"}
        file = write(tmp_path, f"nats-{index}.conf", mine)
        started[own["client"]] = subprocess.Popen(
            [NATS_SERVER, "-c", file],
            env=os.environ | PASSWORDS | {"POD_NAME": f"nats-{index}"},
            stderr=subprocess.DEVNULL,
        )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not all(loopback.is_ok(own["http"], "/healthz") for own in numbers):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.wait()


async def test_three_servers_keep_each_message_three_times(servers: dict[int, "subprocess.Popen[bytes]"]) -> None:
    client = await connect(",".join(f"nats://charity:of-charity@127.0.0.1:{port}" for port in servers))
    try:
        async with asyncio.timeout(DEADLINE_S):
            info = await assert_stream(client, "charity", replicas=3)
            while True:
                # As the relay does: the server that this client has may not have heard of the stream yet.
                with contextlib.suppress(NoStreamResponseError):
                    acknowledged = await client.jetstream().publish("asar.charity.x.y.-.-", b"x")
                    break
                await asyncio.sleep(0.05)
            # Asked for again as it stands, it is no drift.
            assert (await assert_stream(client, "charity", replicas=3)).config.num_replicas == 3
    finally:
        await client.close()

    assert info.config.num_replicas == 3
    assert info.cluster is not None
    assert len(info.cluster.replicas or []) == 2
    assert acknowledged.seq == 1
