"""The archive of PostgreSQL's log: every change, as it is made, so that a backup can be brought on to any moment.

It is streamed (`pg_receivewal`) rather than copied file by file: what was committed is in it within milliseconds, and
no path goes through a shell. A slot makes the server keep what has not been fetched yet, up to a limit.
"""

import os
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from deploy.local import files
from deploy.local.postgres import ADMINISTRATOR, EmbeddedPostgres, program
from deploy.local.refusals import CannotRun

SLOT = "archive"
_SEGMENT = re.compile(r"(?P<segment>[0-9A-F]{24})(?P<packed>\.gz)?(?P<partial>\.partial)?")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")
_CHUNK = 2**20


def argv(server: EmbeddedPostgres, folder: Path) -> list[str]:
    """The command that keeps the archive in the foreground."""
    return [
        str(program("pg_receivewal")),
        *("--directory", str(folder)),
        *("--host", str(server.sockets)),
        *("--username", ADMINISTRATOR),
        *("--slot", SLOT),
        "--compress=gzip:1",
        "--synchronous",
        "--no-password",
        # The supervisor begins again, and tells of it.
        "--no-loop",
    ]


def environment(server: EmbeddedPostgres) -> dict[str, str]:
    """With what a program of PostgreSQL connects as the administrator."""
    return os.environ | {"PGPASSWORD": files.secret(server.password_file)}


async def settle(server: EmbeddedPostgres, *, wanted: bool) -> str | None:
    """Make the slot, or take it away where nobody fetches any more; returns what the operator is to know."""
    connection = await server.connect()
    try:
        status = await connection.fetchval("SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", SLOT)
        if status is not None and (status == "lost" or not wanted):
            await connection.execute("SELECT pg_drop_replication_slot($1)", SLOT)
        if wanted and status in {None, "lost"}:
            await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", SLOT)
        if status == "lost" and wanted:
            return "it was away for so long that there is a gap in it. Make a backup: it reaches on from the next one"
        return None
    finally:
        await connection.close()


def segments(folder: Path) -> list[Path]:
    """The files of an archive, in the order of the log; at most one of each segment."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        match = _SEGMENT.fullmatch(file.name)
        # Sorted, a whole segment comes before its unfinished beginning.
        if match:
            found.setdefault(match["segment"], file)
    return [found[name] for name in sorted(found)]


def bring_on(archive: Path, log: Path, *, since: str) -> int:
    """Put an archive's segments, from one on, among those of a stopped server; returns how many.

    Raises:
        CannotRun: there is no such archive, or it does not reach back to there.
    """
    if not archive.is_dir():
        raise CannotRun(f"There is no archive in {archive}. Say where it is with --archive.")
    needed = [file for file in segments(archive) if file.name[:24] >= since]
    if not needed or needed[0].name[:24] != since:
        raise CannotRun(f"The archive {archive} does not reach back to this backup ({since}). Choose a later backup.")
    for file in needed:
        with (log / file.name[:24]).open("wb") as whole:
            whole.writelines(_unpacked(file))
            # An unfinished segment is as long as any: what is not written yet are zeros.
            whole.truncate(_size_of_segment(log))
            os.fsync(whole.fileno())
    for file in archive.iterdir():
        if _HISTORY.fullmatch(file.name):
            (log / file.name).write_bytes(file.read_bytes())
    return len(needed)


def prune(archive: Path, *, before: str) -> int:
    """Remove what is older than a segment; returns how many files went."""
    old = [file for file in archive.iterdir() if _SEGMENT.fullmatch(file.name) and file.name[:24] < before]
    for file in old:
        file.unlink()
    return len(old)


def commits(log: str, *, after: datetime) -> list[datetime]:
    """Of what `pg_waldump --rmgr=Transaction` tells: when something was committed after a moment."""
    times = re.findall(r"desc: COMMIT (?:PREPARED )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC", log)
    return sorted(at for time in times if (at := datetime.fromisoformat(time).replace(tzinfo=UTC)) > after)


def _unpacked(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        if ".gz" not in file.suffixes:
            while chunk := stream.read(_CHUNK):
                yield chunk
            return
        # Of the last segment only the beginning is there; gzip's own reader would refuse it.
        unpacking = zlib.decompressobj(wbits=31)
        while chunk := stream.read(_CHUNK):
            yield unpacking.decompress(chunk)


def _size_of_segment(log: Path) -> int:
    """As long as those that came with the backup."""
    return next((file.stat().st_size for file in sorted(log.iterdir()) if _SEGMENT.fullmatch(file.name)), 16 * 2**20)
