"""What a backup is: a folder with PostgreSQL's base backup, the keys and secrets, and a manifest of it all.

Streams are left out on purpose: the outboxes in the databases are the truth, and streams are filled from them again.
A copy of both, made a moment apart, could only disagree (decision 0023).
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from deploy.local import files
from deploy.local.refusals import CannotRun

MANIFEST, BASE, LOG, SERVERS_OWN = (
    "manifest.json",
    "postgres/base.tar.gz",
    "postgres/pg_wal.tar.gz",
    "postgres/backup_manifest",
)
BESIDE = "installation"
"""The folder of a backup with what an installation keeps beside its databases."""
KEPT_BESIDE = ("keys/*", "secrets/*", "nats/subscribers.json", "demo.json", "journal-heads.json")
"""What that is, as patterns within the data folder. Ports, logs, streams and marks are made anew."""
_FORMAT = 1
_SEGMENT_BYTES = 16 * 2**20
_CHUNK = 2**20

Progress = Callable[[int], None]
"""Told how many more bytes have been gone through."""


class KeptFile(BaseModel):
    """One file of a backup."""

    size: int
    sha256: str


class Manifest(BaseModel):
    """What a backup holds, and what it was made of."""

    format: int = _FORMAT
    began_at: datetime
    made_at: datetime
    """The moment to which it restores by itself."""
    asar: str
    postgres: str
    system: int
    """PostgreSQL's own number of the databases' history."""
    epoch: str
    revisions: dict[str, str]
    """How far each service's database was migrated."""
    first_segment: str
    """Of PostgreSQL's log: what an archive must reach back to."""
    archive: str | None = None
    """Where every change after it was kept, if anywhere."""
    files: dict[str, KeptFile]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files.values())


def read(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        CannotRun: it is none, or one of a later version.
    """
    try:
        text = (backup / MANIFEST).read_bytes()
        if json.loads(text).get("format", 0) > _FORMAT:
            raise CannotRun(f"{backup} was made by a later version of Asar. Restore it with that one.")
        return Manifest.model_validate_json(text)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise CannotRun(f"{backup} is no backup: it has no manifest that can be read.") from error


def all_in(folder: Path) -> list[Path]:
    """The whole backups in a folder, oldest first; unfinished ones are not among them."""
    found = [one for one in folder.iterdir() if not one.name.startswith(".") and (one / MANIFEST).exists()]
    return sorted(found, key=lambda one: read(one).made_at)


def choose(source: Path, *, until: datetime | None = None) -> Path:
    """The backup that is meant: this one, or the newest in a folder of them that was made before a moment.

    Raises:
        CannotRun: there is none.
    """
    if not source.is_dir():
        raise CannotRun(f"There is no folder {source}.")
    if (source / MANIFEST).exists():
        chosen = source
    else:
        fitting = [one for one in all_in(source) if until is None or read(one).made_at <= until]
        if not fitting:
            raise CannotRun(f"There is no backup in {source}{f' from before {until}' if until else ''}.")
        chosen = fitting[-1]
    if until is not None and read(chosen).made_at > until:
        raise CannotRun(f"{chosen} was made after {until}. Choose an earlier backup.")
    return chosen


def list_files(backup: Path, progress: Progress) -> dict[str, KeptFile]:
    """All files of a backup but the manifest itself, read from the disk."""
    return {
        str(file.relative_to(backup)): KeptFile(size=file.stat().st_size, sha256=_sha256(file, progress))
        for file in sorted(backup.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }


def check_files(backup: Path, manifest: Manifest, progress: Progress) -> None:
    """Compare a backup with its manifest.

    Raises:
        CannotRun: something is missing, too much or not as it was.
    """
    found = list_files(backup, progress)
    for name in sorted(found.keys() | manifest.files.keys()):
        if found.get(name) != manifest.files.get(name):
            raise CannotRun(f"{backup} is damaged: {name} is not as it was when the backup was made.")


def check_base(backup: Path, progress: Progress) -> dict[str, Any]:
    """Compare the base backup, file by file, with what the server says that it has sent; returns the server's manifest.

    The wheel's `pg_verifybackup` does not run at all.

    Raises:
        CannotRun: a file is missing, too much or otherwise.
    """
    told = _servers_manifest((backup / SERVERS_OWN).read_bytes())
    due = {file["Path"]: (file["Size"], file["Checksum"]) for file in told["Files"]}
    with tarfile.open(backup / BASE, "r|gz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            digest = hashlib.sha256()
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                progress(len(chunk))
            if due.pop(member.name, None) != (member.size, digest.hexdigest()):
                raise CannotRun(f"The backup is not what the server has sent: {member.name} differs.")
    # It stands beside the archive rather than in it.
    if missing := sorted(name for name in due if not name.startswith("pg_wal/")):
        raise CannotRun(f"The backup is not whole: {missing[0]} is missing.")
    with tarfile.open(backup / LOG, "r:gz") as tar:
        there = set(tar.getnames())
    for name in _segments_of(told):
        if name not in there:
            raise CannotRun(f"The backup is not whole: {name} of PostgreSQL's log is missing.")
    return told


def first_segment(told: dict[str, Any]) -> str:
    """The file of PostgreSQL's log with which a base backup begins."""
    return _segments_of(told)[0]


def seal_off(backup: Path) -> None:
    """Close the folders of a backup to others, and have the system write their entries to the disk."""
    for folder in (backup, *(path for path in backup.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
        sync(folder)


def sync(folder: Path) -> None:
    """Have the system write a folder's own entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(backup: Path, manifest: Manifest) -> None:
    files.write_private(backup / MANIFEST, manifest.model_dump_json(indent=1))


def parse_moment(text: str) -> datetime:
    """An instant as people write it; without an offset it is of this machine's time zone.

    Raises:
        CannotRun: it is none, or in the future.
    """
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise CannotRun(f"{text} is no moment. Write it like 2026-11-26T14:30:00+05:00.") from error
    if moment > datetime.now(UTC):
        raise CannotRun(f"{text} is in the future.")
    return moment


def _servers_manifest(text: bytes) -> dict[str, Any]:
    """Raises: CannotRun, where it is not as the server wrote it (its last line is the digest of those before it)."""
    head, _, tail = text.rpartition(b'"Manifest-Checksum"')
    told = cast("dict[str, Any]", json.loads(text))
    if not tail or hashlib.sha256(head).hexdigest() != told["Manifest-Checksum"]:
        raise CannotRun("PostgreSQL's own manifest in the backup is damaged.")
    return told


def _segments_of(told: dict[str, Any]) -> list[str]:
    names: list[str] = []
    for span in told["WAL-Ranges"]:
        first, last = _position(span["Start-LSN"]) // _SEGMENT_BYTES, (_position(span["End-LSN"]) - 1) // _SEGMENT_BYTES
        per_name = 2**32 // _SEGMENT_BYTES
        names += [f"{span['Timeline']:08X}{n // per_name:08X}{n % per_name:08X}" for n in range(first, last + 1)]
    return names


def _position(lsn: str) -> int:
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _sha256(file: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()
