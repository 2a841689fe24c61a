"""One log file per part, kept small."""

import shutil
from pathlib import Path
from typing import IO

SIZE_MAX = 10 * 2**20


def open_log(file: Path) -> IO[bytes]:
    """Open for a child to write at the end of, whoever else shortens the file meanwhile."""
    return file.open("ab", buffering=0)


def cap(file: Path, *, size_max: int = SIZE_MAX) -> None:
    """Move the content aside to `<name>.1` once it is too long, under the hands of the process that writes it."""
    # The writer keeps its handle, so renaming would not help. What it writes between copy and cut is lost.
    if file.exists() and file.stat().st_size > size_max:
        shutil.copyfile(file, file.with_name(file.name + ".1"))
        with file.open("r+b") as log:
            log.truncate(0)


def last_words(file: Path) -> str:
    """The last line that says something; what it is for a part that has just stopped."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - 4096))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
