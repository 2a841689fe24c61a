"""`asar restore`: an installation out of a backup, in an empty folder, as of the backup or of a moment after it."""

import asyncio
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import asyncpg
from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from deploy.local import archive, files
from deploy.local.installation import SERVICES
from deploy.local.postgres import EmbeddedPostgres, program
from deploy.local.refusals import CannotRun
from deploy.operate import backups
from deploy.operate.backups import Manifest
from shared.messaging.subjects import PUBLISHERS

LATEST = "latest"
NUMBERS_LEFT_OUT = 10_000
"""So much further go all numbers: what was given out after the moment must not be given to somebody else."""
_DRAFT = ".restoring"
_WITHIN_S = 24 * 3600.0
_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE schemaname = 'public'"
_RECEIPT = """
SELECT receipt_year, max(receipt_number) FROM donation WHERE receipt_number IS NOT NULL
GROUP BY receipt_year ORDER BY receipt_year DESC LIMIT 1
"""


class Restored(BaseModel):
    """What was restored, and what is known to be missing in it."""

    backup: str
    made_at: datetime
    until: datetime | None = None
    """The moment that was asked for; None: that of the backup, or the newest one."""
    last_change_at: datetime | None
    """When the last thing that is in it was committed."""
    messages: dict[str, int] = {}
    """How many each service has announced so far."""
    last_receipt: str | None = None
    left_out: int | None = None
    """How many transactions the archive has that came after the moment; None where nobody can tell."""
    left_out_until: datetime | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield f"Restored from {self.backup}."
        if self.last_change_at:
            yield f"The last change in it is of {self.last_change_at:%Y-%m-%d %H:%M:%S.%f} UTC."
        if self.left_out:
            last = f"{self.left_out_until:%Y-%m-%d %H:%M:%S} UTC"
            yield f"[yellow]{self.left_out:,} transactions came after that, until {last}: they are not in it.[/]"
        if self.last_receipt:
            yield f"The last receipt in it is {self.last_receipt}: later ones were of gifts that are not in it."
        yield f"Numbers of volunteers and families go on {NUMBERS_LEFT_OUT:,} further, so that none is given twice."


def restore(
    source: Path,
    data_dir: Path,
    console: Console,
    *,
    until: datetime | Literal["latest"] | None = None,
    archived: Path | None = None,
) -> Restored:
    """Make an installation of a backup. With `until`, what the archive has until then is added.

    Raises:
        CannotRun: the folder is not empty, the backup is damaged, or the archive does not have what is asked for. The
            folder is empty then as before.
    """
    moment = until if isinstance(until, datetime) else None
    backup = backups.choose(source.expanduser().resolve(), until=moment)
    manifest = backups.read(backup)
    data_dir = data_dir.expanduser().resolve()
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise CannotRun(f"{data_dir} is not empty. A backup is restored into an empty folder only.")
    draft = files.private_folder(data_dir) / _DRAFT
    draft.mkdir(mode=0o700)
    try:
        with _bars(console) as bars:
            _unpack(backup, manifest, draft, bars)
        restored = Restored(backup=str(backup), made_at=manifest.made_at, until=moment, last_change_at=None)
        if until is not None:
            where = archived.expanduser().resolve() if archived else Path(manifest.archive or "")
            console.print(f"Adding what is in {where} …", highlight=False, soft_wrap=True)
            archive.bring_on(where, draft / "postgres/data/pg_wal", since=manifest.first_segment)
            if moment is not None:
                _count_left_out(draft / "postgres/data/pg_wal", manifest, moment, restored)
        console.print("Replaying the log …")
        _recover(draft, until, restored)
        # Last, so that a folder with databases in it has all the rest as well.
        for part in sorted(draft.iterdir(), key=lambda part: part.name == "postgres"):
            part.rename(data_dir / part.name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return restored


def _unpack(backup: Path, manifest: Manifest, draft: Path, bars: Progress) -> None:
    checking = bars.add_task("checking the backup", total=manifest.size)
    backups.check_files(backup, manifest, lambda read: bars.advance(checking, read))
    shutil.copytree(backup / backups.BESIDE, draft, dirs_exist_ok=True)
    unpacking = bars.add_task("unpacking", total=None)
    data = draft / "postgres" / "data"
    for name, into in ((backups.BASE, data), (backups.LOG, data / "pg_wal")):
        with tarfile.open(backup / name, "r:gz") as tar:
            tar.extractall(into, filter="data")
    for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    bars.update(unpacking, total=1, completed=1)


def _recover(draft: Path, until: datetime | str | None, restored: Restored) -> None:
    """Have PostgreSQL replay its log and begin a new history of its own."""
    server = EmbeddedPostgres(draft / "postgres", password_file=draft / "secrets" / "postgres.password")
    (server.data / "recovery.signal").touch(mode=0o600)
    server.settings = {
        **server.settings,
        # All of the log that there is lies in its place already.
        "restore_command": "false",
        "recovery_target_action": "promote",
        # It says that it is ready once it has recovered, not before.
        "hot_standby": "off",
        **_target(until),
    }
    log = draft / "recovery.log"
    try:
        with log.open("wb") as output:
            server.start(output=output, within_s=_WITHIN_S)
        asyncio.run(_settle(server, restored))
    except CannotRun as error:
        raise CannotRun(_why(log.read_text(encoding="utf-8", errors="replace"), until)) from error
    finally:
        server.stop(grace_s=600)
    log.unlink()


def _target(until: datetime | str | None) -> Mapping[str, str]:
    if until is None:
        return {"recovery_target": "immediate"}
    return {} if until == LATEST else {"recovery_target_time": str(until)}


def _why(log: str, until: datetime | str | None) -> str:
    if "before configured recovery target was reached" in log:
        return f"The archive ends before {until}. What is the last in it comes with --until latest."
    words = next((line for line in reversed(log.splitlines()) if "FATAL" in line or "PANIC" in line), log[-300:])
    return f"PostgreSQL cannot recover from this backup: {words}"


async def _settle(server: EmbeddedPostgres, restored: Restored) -> None:
    """Move all numbers on, and look what there is."""
    connection = await server.connect()
    try:
        restored.last_change_at = await connection.fetchval("SELECT pg_last_xact_replay_timestamp()")
    finally:
        await connection.close()
    for service in SERVICES:
        connection = await server.connect(service)
        try:
            for [sequence] in await connection.fetch(_SEQUENCES):
                on = f"SELECT setval($1::text::regclass, last_value + $2) FROM {sequence}"  # noqa: S608  # quoted by PostgreSQL
                await connection.execute(on, sequence, NUMBERS_LEFT_OUT)
            if service in PUBLISHERS:
                restored.messages[service] = await connection.fetchval("SELECT count(*) FROM outbox")
            if service == "charity" and (row := await connection.fetchrow(_RECEIPT)):
                restored.last_receipt = f"{row[0]}/{row[1]}"
        except asyncpg.UndefinedTableError:
            # It was copied before the service had ever been migrated.
            continue
        finally:
            await connection.close()


def _count_left_out(log: Path, manifest: Manifest, moment: datetime, restored: Restored) -> None:
    command = [str(program("pg_waldump")), "--rmgr=Transaction", "--path", str(log), manifest.first_segment]
    last = max(file.name for file in log.iterdir() if len(file.name) == len(manifest.first_segment))
    # It ends with an error where the log ends.
    told = subprocess.run([*command, last], capture_output=True, text=True, check=False).stdout
    times = archive.commits(told, after=moment)
    restored.left_out = len(times)
    restored.left_out_until = times[-1] if times else None


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=console, transient=True
    )
