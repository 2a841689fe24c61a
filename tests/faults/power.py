"""A file system whose power can be cut, as a file of this machine: what was not synced is gone. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

_SHUTDOWN = 2 << 30 | 4 << 16 | ord("X") << 8 | 125
"""`EXT4_IOC_SHUTDOWN`, `_IOR('X', 125, __u32)` (Linux, fs/ext4/ext4.h)."""
_NO_LOG_FLUSH = 2
"""Drop what is in memory, the journal's too: nothing more reaches the disk."""
_BALLAST = "ballast"
_STILL_BUSY_MAX_S = 5.0


def is_possible() -> bool:
    """Whether this user may mount one here."""
    return os.geteuid() == 0 and all(map(shutil.which, ("mkfs.ext4", "mount", "umount")))


class PowerFS:
    """One such file system, mounted on a folder."""

    def __init__(self, folder: Path, image: Path, *, megabytes: int) -> None:
        """Make it, empty, and mount it. The image takes only the room of what is in it."""
        self.folder = folder
        self._image = image
        with image.open("wb") as file:
            file.truncate(megabytes * 2**20)
        # No blocks are kept back for root: full is full.
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        folder.mkdir(parents=True, exist_ok=True)
        self._mount()

    def cut(self) -> None:
        """Cut the power: from now on nothing is written and everything fails. Who uses it is to be killed."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def restore(self) -> None:
        """Have it back as the disk had it; nobody may still use it.

        Raises:
            CalledProcessError: somebody does, and goes on doing so.
        """
        # The last thread of who was killed may outlive the process by a moment, and keeps its files open.
        give_up_at = time.monotonic() + _STILL_BUSY_MAX_S
        while self.folder.is_mount():
            try:
                _run("umount", str(self.folder))
            except subprocess.CalledProcessError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.1)
        self._mount()

    def fill(self) -> None:
        """Leave no room at all."""
        piece = 64 * 2**20
        with (self.folder / _BALLAST).open("ab") as ballast:
            while piece >= os.statvfs(self.folder).f_frsize:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, piece)
                except OSError:
                    # The map of its blocks takes room as well.
                    piece //= 2

    def make_room(self) -> None:
        (self.folder / _BALLAST).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave nothing mounted, whoever still uses it."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
        self._image.unlink(missing_ok=True)

    def _mount(self) -> None:
        # The loop device goes with the mount.
        _run("mount", "-o", "loop,noatime", str(self._image), str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
