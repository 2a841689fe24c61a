"""What an operator wants to see: parts, ports, unsent rows, consumer lag, dead letters, age of the figures."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.local import loopback, state
from deploy.local.installation import SERVICES, Installation, is_running
from deploy.local.state import Condition, PartState

_MINUTE_S = 60
_COLOURS = {Condition.READY: "green", Condition.UNWELL: "red", Condition.PAUSING: "red", Condition.STOPPED: "red"}


class ServiceStatus(BaseModel):
    """What a service says of its own messages; None is what it does not say."""

    unsent: int | None = None
    oldest_unsent_s: float | None = None
    lag: dict[str, int | None] | None = None
    waiting: int | None = None
    """Messages that wait for an earlier one of their aggregate."""
    dead_letters: int | None = None


class Status(BaseModel):
    """The system at one moment."""

    running: bool
    ready: bool
    """All parts are."""
    data_dir: str
    address: str | None
    started_at: datetime | None
    parts: dict[str, PartState]
    services: dict[str, ServiceStatus]
    figures_age_s: float | None
    """How far the dashboard is behind what has been recorded; None when that cannot be told."""
    subscribers: int
    """How many outside are told of facts by NATS."""


def look(installation: Installation) -> Status:
    """Ask the supervisor's file and each service."""
    found = state.read(installation.state_file)
    running = is_running(installation.data_dir) and found is not None
    parts = found.parts if found and running else {}
    answering = [name for name in SERVICES if name in parts]
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        answers = pool.map(_ask, (parts[name].port for name in answering))
        services = dict(zip(answering, answers, strict=True))
    return Status(
        running=running,
        ready=running and bool(parts) and all(part.condition is Condition.READY for part in parts.values()),
        data_dir=str(installation.data_dir),
        address=found.address if found and running else None,
        started_at=found.started_at if found and running else None,
        parts=parts,
        services=services,
        figures_age_s=_figures_age_s(services, parts["gateway"].port) if "gateway" in parts else None,
        subscribers=len(installation.nats.subscribers.all()),
    )


def show(status: Status) -> RenderableType:
    """For a person at a terminal."""
    if not status.running:
        return Text.assemble(("Asar is not running", "bold"), f" on {status.data_dir}. Start it with `asar up`.")
    parts = _table("part", "state", "for", "pid", "port", "restarts")
    for name, part in status.parts.items():
        condition = Text(part.condition, style=_COLOURS.get(part.condition, "yellow"))
        parts.add_row(name, condition, _age(part.since), _cell(part.pid), _cell(part.port), _cell(part.restarts))
    messages = _table("service", "unsent", "oldest unsent", "lag", "waiting", "dead letters")
    for name, service in status.services.items():
        lag = None if service.lag is None else ", ".join(f"{_stream(s)} {_cell(n)}" for s, n in service.lag.items())
        messages.add_row(
            name,
            _cell(service.unsent),
            _seconds(service.oldest_unsent_s),
            _cell(lag),
            _cell(service.waiting),
            _cell(service.dead_letters),
        )
    heading = Text.assemble((status.address or "", "bold"), f"   {status.data_dir}")
    rest = f"the figures' age: {_seconds(status.figures_age_s)}   subscribers outside: {status.subscribers}"
    return Group(heading, "", parts, "", messages, "", rest)


def _figures_age_s(services: Mapping[str, ServiceStatus], port: int | None) -> float | None:
    """Nothing while everything recorded has been folded in; else the time since the newest fact that has been."""
    lag = services["gateway"].lag
    if port is None or lag is None or None in lag.values():
        return None
    if not any(lag.values()) and not any(service.unsent for service in services.values()):
        return 0.0
    as_of = (loopback.get_object(port, "/v1/dashboard?scope=kz") or {}).get("as_of")
    return None if as_of is None else (datetime.now(UTC) - datetime.fromisoformat(as_of)).total_seconds()


def _ask(port: int | None) -> ServiceStatus:
    answer: dict[str, Any] = (loopback.get_object(port, "/health/status") if port else None) or {}
    parked: dict[str, int] | None = answer.get("parked")
    return ServiceStatus(
        unsent=answer.get("unsent"),
        oldest_unsent_s=answer.get("oldest_unsent_s"),
        lag=answer.get("lag"),
        waiting=None if parked is None else parked.get("gap", 0),
        dead_letters=None if parked is None else parked.get("failed", 0),
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column)
    return table


def _stream(name: str) -> str:
    return name.removeprefix("ASAR_").lower()


def _cell(value: object) -> str:
    return "–" if value is None or value == "" else str(value)


def _age(since: datetime) -> str:
    return _seconds(max(0.0, (datetime.now(UTC) - since).total_seconds()))


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
