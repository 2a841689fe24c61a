"""Folders and files that only their owner may read, and a short private folder for sockets."""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from deploy.local.refusals import CannotRun

_RUNTIME_PATH_MAX = 60


def private_folder(folder: Path) -> Path:
    """Make a folder (and those above it) readable by its owner alone; an existing one is tightened.

    Raises:
        CannotRun: the folder cannot be made, or belongs to somebody else.
    """
    if folder.is_symlink() and folder.lstat().st_uid != os.geteuid():
        raise CannotRun(f"{folder} is a link that another user has made.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise CannotRun(f"The folder {folder} belongs to another user. Choose another one.")
        folder.chmod(0o700)
    except OSError as error:
        raise CannotRun(f"The folder {folder} cannot be used: {error.strerror}.") from error
    return folder


def socket_folder(data_dir: Path) -> Path:
    """Where the sockets of this data folder belong: a short path, because a socket's may have 107 bytes only."""
    name = f"asar-{os.geteuid()}-{hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    fits = runtime and os.access(runtime, os.W_OK) and len(runtime) <= _RUNTIME_PATH_MAX
    return Path(runtime if fits else tempfile.gettempdir()) / name


def write_private(file: Path, content: str) -> None:
    """Replace a file at once and durably; it is readable by its owner only from its first moment."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def secret(file: Path) -> str:
    """The password kept in `file`; made up at the first call."""
    if not file.exists():
        private_folder(file.parent)
        write_private(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="utf-8").strip()
