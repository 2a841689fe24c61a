"""`asar up` with all its real parts, as an operator meets it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import loopback, migrations, ports, processes
from deploy.local.installation import SERVICES, Installation
from deploy.operate import status

PARTS = ["postgres", "nats", *SERVICES]
ASAR = [sys.executable, "-c", "from deploy.operate.cli import main; main()"]


class Operator:
    """Someone at a terminal, with one data folder and one port."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.port = port
        self.system: subprocess.Popen[bytes] | None = None

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run([*ASAR, *words], env=self._env, capture_output=True, text=True, check=False, timeout=180)

    def starts(self) -> None:
        """Run `asar up` and wait until all parts are ready."""
        with self.data_dir.with_suffix(".out").open("ab") as output:
            self.system = subprocess.Popen([*ASAR, "up"], env=self._env, stdout=output, stderr=output)
        self.waits_until(self.sees_all_ready)

    def sees_all_ready(self) -> bool:
        return (self.data_dir / "ports.json").exists() and status.look(Installation(self.data_dir)).ready

    def sees(self) -> dict[str, Any]:
        """What `asar status --json` says."""
        return json.loads(self.types("status", "--json").stdout)

    def waits_until(self, condition: Callable[[], bool], within_s: float = 180) -> None:
        """Wait for a condition, with a deadline."""
        deadline = time.monotonic() + within_s
        while not condition():
            output = self.data_dir.with_suffix(".out").read_text(encoding="utf-8")
            assert self.system is not None
            assert self.system.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.1)

    def pid(self, part: str) -> int | None:
        return status.look(Installation(self.data_dir)).parts[part].pid

    def end(self) -> int | None:
        """Stop the system, whatever its state."""
        if self.system is not None and self.system.poll() is None:
            self.system.terminate()
            self.system.wait(180)
        return None if self.system is None else self.system.returncode

    @property
    def _env(self) -> dict[str, str]:
        return os.environ | {"ASAR_DATA_DIR": str(self.data_dir), "PORT": str(self.port), "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """An operator whose system is up."""
    operator = Operator(tmp_path_factory.mktemp("an operator") / "the data", ports.free_port())
    operator.starts()
    yield operator
    operator.end()


def test_status_shows_each_part(operator: Operator) -> None:
    # Who listens begins when the streams are there, which is after it is ready.
    operator.waits_until(lambda: operator.sees()["figures_age_s"] is not None)
    seen = operator.sees()

    assert list(seen["parts"]) == PARTS
    assert {part["condition"] for part in seen["parts"].values()} == {"ready"}
    assert seen["address"] == f"http://127.0.0.1:{operator.port}"
    assert seen["figures_age_s"] is not None
    assert {service["unsent"] for name, service in seen["services"].items() if name != "gateway"} == {0}


def test_status_is_legible(operator: Operator) -> None:
    shown = operator.types("status")

    assert shown.returncode == 0
    assert [name for name in PARTS if name not in shown.stdout] == []


def test_a_second_one_on_the_same_folder_is_refused(operator: Operator) -> None:
    second = operator.types("up", "--port", str(ports.free_port()))

    assert second.returncode == 1
    assert "already running" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        refused = Operator(tmp_path / "data", port).types("up")

    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_command_for_a_folder_without_installation_is_refused(operator: Operator, tmp_path: Path) -> None:
    refused = operator.types("status", "--data-dir", str(tmp_path / "nothing"))

    assert refused.returncode == 1
    assert "There is no installation" in refused.stderr
    assert not (tmp_path / "nothing").exists()


async def test_databases_that_are_as_they_were_are_left_alone(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def run_to_end(argv: list[str], **_: object) -> int:
        asked.append(argv[-2])
        return 0

    monkeypatch.setattr(processes, "run_to_end", run_to_end)
    installation = Installation(operator.data_dir)

    await migrations.migrate(installation)
    assert asked == []

    (operator.data_dir / "migrated.json").unlink()
    await migrations.migrate(installation)
    assert asked == [f"services.{name}" for name in SERVICES]


@pytest.mark.faults
@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back(operator: Operator, part: str) -> None:
    pid = operator.pid(part)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    operator.waits_until(lambda: operator.pid(part) not in {None, pid})
    operator.waits_until(operator.sees_all_ready)
    operator.waits_until(lambda: loopback.is_ok(operator.port, "/health/ready"))


@pytest.mark.faults
def test_after_kill_9_of_the_supervisor_it_starts_again_without_a_manual_step(operator: Operator) -> None:
    orphans = [part["pid"] for part in operator.sees()["parts"].values()]
    assert operator.system is not None
    operator.system.kill()
    operator.system.wait()

    assert operator.types("status").returncode == 1
    operator.starts()

    assert [pid for pid in orphans if processes.command_of(pid)] == []


def test_a_signal_stops_everything_cleanly(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data", ports.free_port())
    operator.starts()
    pids = [part["pid"] for part in operator.sees()["parts"].values()]

    exit_status = operator.end()

    assert exit_status == 0
    assert [pid for pid in pids if processes.command_of(pid)] == []
    assert operator.types("status").returncode == 1
    log = (tmp_path / "data" / "logs" / "postgres.log").read_text(encoding="utf-8")
    assert log.endswith("database system is shut down\n")
