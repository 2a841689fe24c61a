"""What the supervisor tells others: a small file in the data folder, written whenever a part changes."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from deploy.local import files


class Condition(StrEnum):
    """What a part is doing."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNWELL = "unwell"
    PAUSING = "pausing"
    STOPPED = "stopped"


class PartState(BaseModel):
    """One part as the supervisor sees it."""

    condition: Condition = Condition.WAITING
    pid: int | None = None
    port: int | None = None
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    restarts: int = 0
    last_exit: int | None = None


class SystemState(BaseModel):
    """The whole system as the supervisor sees it."""

    supervisor_pid: int
    address: str
    started_at: datetime
    foundation: str = ""
    """What only another start can renew (`system.foundation`)."""
    parts: dict[str, PartState]


def publish(file: Path, state: SystemState) -> None:
    """Replace the file."""
    files.write_private(file, state.model_dump_json(indent=1))


def read(file: Path) -> SystemState | None:
    """What was last published; None when nothing legible was."""
    try:
        return SystemState.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
