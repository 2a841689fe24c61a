"""Brings the streams to the form that this code declares; asks NATS only where there may be something to do."""

import hashlib
import os
import sys
from pathlib import Path

from deploy.local import files, logs, processes
from deploy.local.installation import CODE, Installation
from deploy.local.refusals import CannotRun
from shared.messaging.permissions import OPERATOR


async def bring_up_to_date(installation: Installation) -> None:
    """Give streams of an earlier version what they lack, as the operator: no service may change its stream.

    Raises:
        CannotRun: a stream is otherwise than any version would have made it.
    """
    # A client of NATS in the supervisor would cost half a second at every start.
    declared = hashlib.sha256((CODE / "shared" / "messaging" / "topology.py").read_bytes()).hexdigest()
    mark = installation.data_dir / "nats" / "streams.sha256"
    if _read(mark) != declared:
        if installation.nats.has_streams:
            await _ask(installation)
        files.write_private(mark, declared)


def _read(mark: Path) -> str | None:
    return mark.read_text(encoding="ascii") if mark.exists() else None


async def _ask(installation: Installation) -> None:
    file = installation.logs / "streams.log"
    environment = os.environ | {"ASAR_NATS_URL": installation.nats.url(OPERATOR)}
    with logs.open_log(file) as log:
        command = [sys.executable, "-m", "deploy.bus", "streams"]
        status = await processes.run_to_end(command, env=environment, cwd=CODE, output=log)
    if status != 0:
        words = logs.last_words(file)
        raise CannotRun(f"A stream cannot be brought up to date. The last words were: {words} (see {file})")
