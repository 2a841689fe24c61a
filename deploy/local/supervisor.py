"""Starts the parts of a system in their order, keeps them running, and stops them in the opposite order."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from deploy.local import logs, processes
from deploy.local.refusals import CannotRun
from deploy.local.state import Condition, PartState

PAUSE_FIRST_S, PAUSE_LAST_S = 0.25, 30.0
STEADY_AFTER_S = 20.0
BOOT_ATTEMPTS = 3

Probe = Callable[[], bool]
Report = Callable[[str], None]


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Part:
    """One process that is to run for as long as the system does."""

    name: str
    argv: Sequence[str]
    is_ready: Probe = _always
    """Asked at the start and then regularly; may block for two seconds."""
    is_well: Probe = _always
    """Asked regularly once ready; when it says no for `unwell_limit_s` the process is ended and started again."""
    unwell_limit_s: float = 30.0
    prepare: Callable[[], None] | None = None
    """Done before each start."""
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    port: int | None = None
    stop_signal: Signals = SIGTERM
    starts_within_s: float = 120.0
    stops_within_s: float = 15.0


@dataclass(frozen=True)
class Step:
    """What is to be done once, between the start of two stages."""

    name: str
    work: Callable[[], Awaitable[None]]


Stage = Step | Sequence[Part]


@dataclass
class Keeper:
    """Keeps one part running."""

    part: Part
    log_file: Path
    report: Report
    changed: Callable[[], None]
    probe_every_s: float = 1.0
    state: PartState = field(default_factory=PartState)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None
    _failures: int = 0
    _unwell_since: float | None = None

    async def start(self) -> None:
        """Start the part and wait until it is ready.

        Raises:
            CannotRun: it never was, in some attempts.
        """
        self.state.port = self.part.port
        self._task = asyncio.create_task(self._keep(), name=self.part.name)
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Stop the part and wait until it is gone."""
        self._stop.set()
        if self._task is not None:
            with contextlib.suppress(CannotRun):
                await self._task

    async def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                ready_s = await self._run_once()
            except (CannotRun, OSError) as reason:
                self.report(f"{self.part.name}: {reason}")
                ready_s = 0.0
            if self._stop.is_set():
                break
            self._failures = 0 if ready_s > STEADY_AFTER_S else self._failures + 1
            if self._failures >= BOOT_ATTEMPTS and not self.ready.is_set():
                self._become(Condition.STOPPED, pid=None)
                words = logs.last_words(self.log_file)
                raise CannotRun(f"{self.part.name} does not start. Its last words were: {words} (see {self.log_file})")
            pause_s = min(PAUSE_FIRST_S * 2 ** max(0, self._failures - 1), PAUSE_LAST_S)
            self._become(Condition.PAUSING, pid=None, restarts=self.state.restarts + 1)
            self.report(f"{self.part.name} stopped by itself ({_how(self.state.last_exit)}); again in {pause_s:g} s")
            await self._wait(pause_s)
        self._become(Condition.STOPPED, pid=None)

    async def _run_once(self) -> float:
        """Run the process until it ends, for whatever reason; returns for how long it had been ready."""
        if self.part.prepare is not None:
            await asyncio.to_thread(self.part.prepare)
        began = time.monotonic()
        with logs.open_log(self.log_file) as log:
            process = await asyncio.create_subprocess_exec(
                *self.part.argv,
                env=self.part.env,
                cwd=self.part.cwd,
                **processes.child_options(log, self.part.stop_signal),
            )
        self._become(Condition.STARTING, pid=process.pid)
        self._unwell_since = None
        exit_ = asyncio.create_task(process.wait())
        ready_since = None
        try:
            while not (self._stop.is_set() or exit_.done()):
                if ready_since is None:
                    if await asyncio.to_thread(self.part.is_ready):
                        ready_since = time.monotonic()
                        self._become(Condition.READY)
                        self.report(f"{self.part.name} is ready ({ready_since - began:.1f} s)")
                        self.ready.set()
                    elif time.monotonic() - began > self.part.starts_within_s:
                        self.report(f"{self.part.name} is not ready after {self.part.starts_within_s:.0f} s")
                        break
                elif not await self._is_well_enough():
                    break
                await self._wait(0.05 if ready_since is None else self.probe_every_s, exit_)
        finally:
            await self._end(process, exit_)
        self.state.last_exit = exit_.result()
        return 0.0 if ready_since is None else time.monotonic() - ready_since

    async def _is_well_enough(self) -> bool:
        """Look at a part that has been ready; returns False when it has been unwell for too long."""
        if not await asyncio.to_thread(self.part.is_well):
            if self._unwell_since is None:
                self._unwell_since = time.monotonic()
                self._become(Condition.UNWELL)
            unwell_s = time.monotonic() - self._unwell_since
            if unwell_s > self.part.unwell_limit_s:
                self.report(f"{self.part.name} has been unwell for {unwell_s:.0f} s and is started again")
                return False
        elif self._unwell_since is not None:
            self._unwell_since = None
            self._become(Condition.READY)
        return True

    async def _end(self, process: asyncio.subprocess.Process, exit_: "asyncio.Task[int]") -> None:
        for signal in (self.part.stop_signal, SIGKILL):
            if exit_.done():
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal)
            await asyncio.wait({exit_}, timeout=self.part.stops_within_s)

    async def _wait(self, seconds: float, *others: "asyncio.Task[int]") -> None:
        """Wait, but not longer than until the part is to stop or one of `others` is done."""
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({stop, *others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    def _become(self, condition: Condition, **changes: int | None) -> None:
        now = datetime.now(UTC)
        self.state = self.state.model_copy(update={"condition": condition, "since": now, **changes})
        self.changed()


class Supervisor:
    """Runs stages: each one's parts start together, after those of the stages before it are ready."""

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        logs_folder: Path,
        report: Report = lambda _: None,
        changed: Callable[[Mapping[str, PartState]], None] = lambda _: None,
    ) -> None:
        self._stages = stages
        self._report = report
        self._changed = changed
        self._keepers = {
            part.name: Keeper(part, logs_folder / f"{part.name}.log", report, self._publish)
            for stage in stages
            if not isinstance(stage, Step)
            for part in stage
        }
        self.up = asyncio.Event()

    @property
    def states(self) -> dict[str, PartState]:
        """Each part's state, in the order of their start."""
        return {name: keeper.state for name, keeper in self._keepers.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; every part is gone when this returns or raises.

        Raises:
            CannotRun: a part cannot be started, or a step done.
        """
        boot = asyncio.create_task(self._boot())
        stopping = asyncio.create_task(stop.wait())
        capping = asyncio.create_task(self._cap_logs())
        try:
            await asyncio.wait({boot, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if boot.done():
                await boot
                self.up.set()
                await stopping
        finally:
            for task in (boot, stopping, capping):
                task.cancel()
            await asyncio.gather(boot, stopping, capping, return_exceptions=True)
            for stage in reversed(self._stages):
                if not isinstance(stage, Step):
                    await asyncio.gather(*(self._keepers[part.name].stop() for part in stage))

    async def _boot(self) -> None:
        for stage in self._stages:
            if isinstance(stage, Step):
                began = time.monotonic()
                await stage.work()
                self._report(f"{stage.name} done ({time.monotonic() - began:.1f} s)")
            else:
                await asyncio.gather(*(self._keepers[part.name].start() for part in stage))

    async def _cap_logs(self) -> None:
        while True:
            for keeper in self._keepers.values():
                with contextlib.suppress(OSError):
                    logs.cap(keeper.log_file)
            await asyncio.sleep(5)

    def _publish(self) -> None:
        self._changed(self.states)


def _how(exit_status: int | None) -> str:
    if exit_status is None:
        return "it could not be run"
    return f"killed by {Signals(-exit_status).name}" if exit_status < 0 else f"exit status {exit_status}"
