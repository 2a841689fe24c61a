"""A data folder: private, remembered, and refused in a sentence where it cannot serve."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo import trickle as activity
from deploy.local import installation as places
from deploy.local import processes, system
from deploy.local.installation import Installation
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.refusals import CannotRun
from deploy.operate import demonstration


def test_it_is_closed_to_others_and_remembers_ports_and_passwords(tmp_path: Path) -> None:
    first = Installation(tmp_path / "a b" / "c")
    second = Installation(tmp_path / "a b" / "c")

    assert first.environment("charity") == second.environment("charity")
    assert first.database_url("charity") != first.database_url("events")
    modes = {path: path.stat().st_mode & 0o077 for path in (tmp_path / "a b").rglob("*")}
    assert set(modes.values()) == {0}


def test_a_service_learns_its_own_password_only(tmp_path: Path) -> None:
    installation = Installation(tmp_path)

    settings = "".join(f"{name}={value}\n" for name, value in installation.environment("events").items())

    assert installation.database_password("events") in settings
    assert installation.database_password("charity") not in settings


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(tmp_path: Path) -> None:
    before = Installation(tmp_path)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", before.ports["events"]))
        stranger.listen()

        again = Installation(tmp_path)
        again.renew_taken_ports()

    assert again.ports["events"] != before.ports["events"]
    assert {**again.ports, "events": 0} == {**before.ports, "events": 0}
    assert Installation(tmp_path).ports == again.ports


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 7 * 2**20))

    with pytest.raises(CannotRun, match="is full: 7 MB are free"):
        Installation(tmp_path)


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotRun, match="cannot be used"):
        Installation(tmp_path / "file")


def test_root_without_user_namespaces_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedPostgres(tmp_path, password_file=tmp_path / "password", sockets=tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotRun, match="Start Asar as an ordinary user"):
        _ = server.argv


def test_only_one_holds_a_folder(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    assert not places.is_running(tmp_path)

    with installation.hold():
        assert places.is_running(tmp_path)
        with pytest.raises(CannotRun, match="already running"), Installation(tmp_path).hold():
            pass

    assert not places.is_running(tmp_path)


def test_operators_mean_what_runs_when_they_name_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert places.current_data_dir() == tmp_path / "asar" / "own"

    with Installation(places.demo_data_dir()).hold():
        assert places.current_data_dir() == tmp_path / "asar" / "demo"


def test_the_demo_is_not_mixed_into_anybodys_data(tmp_path: Path) -> None:
    own = Installation(tmp_path / "own")
    demonstration.claim(own, demo=False)
    own.postgres.data.mkdir(parents=True)
    with pytest.raises(CannotRun, match="holds your own data"):
        demonstration.claim(own, demo=True)

    demo = Installation(tmp_path / "demo")
    demonstration.claim(demo, demo=True)
    demo.postgres.data.mkdir(parents=True)
    demonstration.claim(demo, demo=True)


def test_orphans_of_this_folder_are_ended_and_others_are_not(tmp_path: Path) -> None:
    ours, theirs = Installation(tmp_path / "ours"), Installation(tmp_path / "theirs")
    sleepers = [
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            env=installation.environment("events") | system.SUPERVISED,
        )
        for installation in (ours, theirs)
    ]

    ended = system.end_orphans(ours)

    orphan, stranger = sleepers
    assert ended == 1
    assert orphan.wait(5) is not None
    assert processes.command_of(stranger.pid)
    stranger.kill()
    stranger.wait()


async def test_made_up_activity_pauses_while_somebody_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(tmp_path)
    acts: list[float] = []

    async def act(_: str, key: str, pause: asyncio.Event) -> None:
        while not pause.is_set():
            acts.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def acts_again() -> None:
        acts.clear()
        async with asyncio.timeout(5):
            while not acts:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    monkeypatch.setattr(activity, "trickle", act)
    stop = asyncio.Event()
    demo = asyncio.create_task(demonstration.trickle(installation, "a key", Console(), stop))

    await acts_again()
    with installation.ask_for_quiet():
        await asyncio.sleep(0.5)
        acts.clear()
        await asyncio.sleep(0.5)
        assert acts == []
    await acts_again()

    stop.set()
    await asyncio.wait_for(demo, 5)
