"""`asar backup`: everything of an installation, running or not, in a folder that is whole or not there."""

import asyncio
import contextlib
import fcntl
import re
import shutil
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from deploy.local import archive, files
from deploy.local.installation import SERVICES, Installation, is_running
from deploy.local.postgres import ADMINISTRATOR, program
from deploy.local.refusals import CannotRun
from deploy.operate import backups
from deploy.operate.backups import Manifest

_UNFINISHED = ".unfinished"


def default_folder(installation: Installation) -> Path:
    """Beside the data folder: better than nothing, and lost with the same disk."""
    return installation.data_dir.with_name(f"{installation.data_dir.name}-backups")


def take(installation: Installation, into: Path, console: Console, *, keep: int | None = None) -> Path:
    """Make a backup in a folder of backups; returns which.

    `keep`: of this epoch's backups all but so many newest are removed, and from the archive what only they needed.

    Raises:
        CannotRun: it could not be made, such as for a full disk. Nothing is left of it then.
    """
    into = into.expanduser().resolve()
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(into), _answering(installation), _bars(console) as bars:
        draft = into / _UNFINISHED
        # Of a run that was killed.
        shutil.rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(mode=0o700)
            manifest = _fill(installation, draft, bars)
            whole = into / f"{manifest.made_at:%Y-%m-%dT%H-%M-%SZ}"
            draft.rename(whole)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    backups.sync(into)
    console.print(f"{whole}  [dim]{manifest.size / 2**20:,.1f} MB, checked[/]", highlight=False, soft_wrap=True)
    if keep is not None:
        for line in forget(installation, into, keep=keep):
            console.print(f"[dim]{escape(line)}[/]", highlight=False, soft_wrap=True)
    return whole


def forget(installation: Installation, into: Path, *, keep: int) -> list[str]:
    """Remove this epoch's oldest backups, and what only they needed of the archive; returns what was done."""
    own = [one for one in backups.all_in(into) if backups.read(one).epoch == installation.epoch]
    said: list[str] = []
    for one in own[:-keep]:
        # What is removed only half must not be taken for a backup.
        removed = one.rename(into / f".{one.name}")
        shutil.rmtree(removed)
        said.append(f"removed {one}")
    if installation.archive is not None and installation.archive.is_dir():
        gone = archive.prune(installation.archive, before=backups.read(own[-keep:][0]).first_segment)
        said += [f"removed {gone} files from the archive"] if gone else []
    return said


def _fill(installation: Installation, draft: Path, bars: Progress) -> Manifest:
    began_at = datetime.now(UTC)
    _copy_beside(installation.data_dir, draft / backups.BESIDE)
    _copy_databases(installation, draft / "postgres", bars)
    made_at, revisions, postgres = asyncio.run(_ask(installation))
    size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file())
    reading = bars.add_task("reading it again", total=None)
    told = backups.check_base(draft, lambda read: bars.advance(reading, read))
    bars.update(reading, total=1, completed=1)
    summing = bars.add_task("checksums", total=size)
    manifest = Manifest(
        began_at=began_at,
        made_at=made_at,
        asar=version("asar"),
        postgres=postgres,
        system=told["System-Identifier"],
        epoch=installation.epoch,
        revisions=revisions,
        first_segment=backups.first_segment(told),
        archive=str(installation.archive) if installation.archive else None,
        files=backups.list_files(draft, lambda read: bars.advance(summing, read)),
    )
    backups.write(draft, manifest)
    backups.seal_off(draft)
    return manifest


def _copy_beside(data_dir: Path, into: Path) -> None:
    # Before the databases: a key that was made meanwhile is of no use to them, one that is missing would be.
    for pattern in backups.KEPT_BESIDE:
        for file in sorted(data_dir.glob(pattern)):
            copy = into / file.relative_to(data_dir)
            copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write_private(copy, file.read_text(encoding="utf-8"))


def _copy_databases(installation: Installation, into: Path, bars: Progress) -> None:
    server = installation.postgres
    command = [
        str(program("pg_basebackup")),
        *("--pgdata", str(into)),
        *("--host", str(server.sockets)),
        *("--username", ADMINISTRATOR),
        *("--format", "tar"),
        "--compress=client-gzip:1",
        *("--wal-method", "stream"),
        *("--checkpoint", "fast"),
        *("--label", "asar backup"),
        "--manifest-checksums=SHA256",
        "--progress",
        "--no-password",
    ]
    copying = bars.add_task("databases", total=100)
    # Its progress goes to standard error, each time over the last one.
    with subprocess.Popen(command, env=archive.environment(server), stderr=subprocess.PIPE, text=True) as copy:
        assert copy.stderr is not None  # noqa: S101 - asked for above
        said: list[str] = []
        for line in copy.stderr:
            percent = re.search(r"\((\d+)%\)", line)
            if percent:
                bars.update(copying, completed=int(percent[1]))
            else:
                said.append(line.strip())
    if copy.returncode != 0:
        if any("No space left" in line for line in said):
            raise CannotRun(f"The disk of {into.parent.parent} is full.")
        raise CannotRun(f"PostgreSQL could not be copied: {' '.join(said[-3:])}")
    bars.update(copying, completed=100)


async def _ask(installation: Installation) -> tuple[datetime, dict[str, str], str]:
    """The moment that the copy is surely of, how far each database is migrated, and of which version the server is."""
    revisions: dict[str, str] = {}
    for service in SERVICES:
        connection = await installation.postgres.connect(service)
        try:
            revisions[service] = await connection.fetchval("SELECT version_num FROM alembic_version")
        except asyncpg.UndefinedTableError:
            continue
        finally:
            await connection.close()
    connection = await installation.postgres.connect()
    try:
        made_at: datetime = await connection.fetchval("SELECT now()")
        return made_at, revisions, await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()


@contextlib.contextmanager
def _answering(installation: Installation) -> Generator[None]:
    """The databases for a moment, of a system that does not run."""
    if is_running(installation.data_dir):
        yield
        return
    if not installation.postgres.data.exists():
        raise CannotRun(f"There is nothing in {installation.data_dir} yet.")
    with installation.hold():
        installation.postgres.start(within_s=600)
        try:
            yield
        finally:
            installation.postgres.stop()


@contextlib.contextmanager
def _alone(into: Path) -> Generator[None]:
    with (into / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun(f"Another backup is being made in {into}.") from error
        yield


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=console, transient=True
    )
