"""One data folder: what is kept in it, and what is settled for the system that runs on it."""

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Generator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path

import deploy
from deploy.local import files, ports
from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.refusals import CannotRun

SERVICES = ("volunteers", "events", "charity", "gateway")
OWNERS = ("volunteers", "events", "charity")
"""The services that the gateway forwards to."""
CODE = Path(deploy.__file__).parents[1]
FREE_BYTES_MIN = 256 * 2**20

LOOPBACK = "127.0.0.1"
_INNER_PORTS = {*OWNERS, "nats", "nats-http"}


def owner_of(service: str) -> str:
    """The role that owns a service's database and migrates it. The service itself is another one, and only uses it."""
    return f"{service}_owner"


def data_home() -> Path:
    """The folder of this user's installations."""
    home = os.environ.get("XDG_DATA_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share") / "asar"


def own_data_dir() -> Path:
    """Where the user's own data lives unless they say otherwise."""
    return data_home() / "own"


def demo_data_dir() -> Path:
    """Where the demo network lives unless they say otherwise; never together with anybody's own data."""
    return data_home() / "demo"


def current_data_dir() -> Path:
    """The installation that an operator means who names none: the demo's when it alone is running, else their own."""
    only_demo = is_running(demo_data_dir()) and not is_running(own_data_dir())
    return demo_data_dir() if only_demo else own_data_dir()


class Installation:
    """A data folder that is open for work: made when it was missing, with ports and passwords settled."""

    def __init__(self, data_dir: Path, *, host: str = LOOPBACK, port: int = 8080) -> None:
        """Open it, or make it; starts nothing.

        Raises:
            CannotRun: the folder cannot be used, or its disk is full.
        """
        self.data_dir = files.private_folder(data_dir.expanduser().resolve())
        free = shutil.disk_usage(self.data_dir).free
        if free < FREE_BYTES_MIN:
            raise CannotRun(
                f"The disk of {self.data_dir} is full: {free >> 20} MB are free, {FREE_BYTES_MIN >> 20} are needed."
            )
        self.host = host
        self.port = port
        self.logs = files.private_folder(self.data_dir / "logs")
        self.keys = files.private_folder(self.data_dir / "keys")
        self.state_file = self.data_dir / "state.json"
        self.ports = self._settle_ports()
        self.postgres = EmbeddedPostgres(self.data_dir / "postgres", password_file=self._secret_file("postgres"))

    @property
    def epoch(self) -> str:
        """The name of one unbroken history: a folder that was restored from a backup begins another one."""
        file = self.data_dir / "epoch"
        if not file.exists():
            files.write_private(file, f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}")
        return file.read_text(encoding="ascii")

    @property
    def archive(self) -> Path | None:
        """Where every change is kept since the last start, if anywhere: in a folder of this epoch's own."""
        file = self.data_dir / "archive"
        return Path(file.read_text(encoding="utf-8")) / self.epoch if file.exists() else None

    def archive_to(self, folder: Path | None) -> None:
        """Settle, at a start, where every change is to be kept.

        Raises:
            CannotRun: the folder cannot be made.
        """
        if folder is None:
            (self.data_dir / "archive").unlink(missing_ok=True)
        else:
            files.write_private(self.data_dir / "archive", str(folder.expanduser().resolve()))
            files.private_folder(folder.expanduser().resolve() / self.epoch)

    @property
    def nats(self) -> EmbeddedNats:
        """The NATS server of this folder."""
        return EmbeddedNats(
            self.data_dir / "nats",
            secrets=self.data_dir / "secrets",
            port=self.ports["nats"],
            http_port=self.ports["nats-http"],
        )

    @property
    def address(self) -> str:
        """Where a browser finds the gateway."""
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.port}"

    @property
    def reachable_host(self) -> str:
        """Where this machine itself reaches what listens on `host`."""
        return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    def port_of(self, service: str) -> int:
        """The port that a service listens on."""
        return self.port if service == "gateway" else self.ports[service]

    def database_url(self, service: str, *, as_owner: bool = False) -> str:
        """A service's own database: as the service connects to it, or as who owns its tables."""
        role = owner_of(service) if as_owner else service
        return self.postgres.url(service, user=role, password=self.database_password(role))

    def database_password(self, role: str) -> str:
        """The password of a role; made up at the first call."""
        return files.secret(self._secret_file(role))

    def environment(self, service: str) -> dict[str, str]:
        """The variables with which a service, or one of its commands, runs here; others of the caller's stay."""
        own = {
            "ASAR_DATABASE_URL": self.database_url(service),
            "ASAR_NATS_URL": self.nats.url(service),
            "ASAR_HOST": self.host if service == "gateway" else LOOPBACK,
            "ASAR_PORT": str(self.port_of(service)),
            "ASAR_KEYS_DIR": str(self.keys),
            "ASAR_DATA_DIR": str(self.data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        owners = {f"ASAR_{owner.upper()}_URL": f"http://{LOOPBACK}:{self.ports[owner]}" for owner in OWNERS}
        if service != "gateway":
            return os.environ | own
        return {"ASAR_PUBLIC_URL": self.address} | os.environ | own | owners

    def command(self, service: str, *words: str) -> list[str]:
        """The command line of a service or of one of its commands."""
        return [sys.executable, "-m", f"services.{service}", *words]

    @contextlib.contextmanager
    def hold(self) -> Generator[None]:
        """Be the only one who runs a system on this folder.

        Raises:
            CannotRun: somebody else does already.
        """
        with self._lock_file.open("a") as lock:
            for attempt in range(10):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if attempt == 9:  # noqa: PLR2004 - the last one
                        raise CannotRun(f"Asar is already running on {self.data_dir}; see `asar status`.") from error
                    # Someone may just be asking `is_running`.
                    time.sleep(0.05)
            yield

    @contextlib.contextmanager
    def ask_for_quiet(self) -> Generator[None]:
        """Have the demo's made-up activity pause, so that what is counted stands still; waits for others who ask."""
        with self._quiet_file.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def is_quiet_wanted(self) -> bool:
        """Whether somebody counts at the moment."""
        return _is_held(self._quiet_file)

    def renew_taken_ports(self) -> None:
        """Choose anew what somebody else has come to listen on. Only for who holds the folder and runs nothing yet."""
        taken = {name for name, port in self.ports.items() if not ports.is_free(port)}
        if taken:
            self.ports = self._settle_ports(forget=taken)

    @property
    def _lock_file(self) -> Path:
        return self.data_dir / "lock"

    @property
    def _quiet_file(self) -> Path:
        return self.data_dir / "quiet"

    def _secret_file(self, name: str) -> Path:
        return self.data_dir / "secrets" / f"{name}.password"

    def _settle_ports(self, *, forget: AbstractSet[str] = frozenset()) -> dict[str, int]:
        """The ports of the parts that are not for others: as last time, new ones for the rest."""
        file = self.data_dir / "ports.json"
        settled: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):
            settled = {name: port for name, port in json.loads(file.read_bytes()).items() if name not in forget}
        missing = _INNER_PORTS - settled.keys()
        for name in sorted(missing):
            settled[name] = ports.free_port(avoid={self.port, *settled.values()})
        if missing:
            files.write_private(file, json.dumps(settled, indent=1))
        return settled


def is_running(data_dir: Path) -> bool:
    """Whether a supervisor holds this folder."""
    return _is_held(data_dir / "lock")


def _is_held(file: Path) -> bool:
    try:
        with file.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
