"""Keeps one part of a system running: starts it, starts it again, lets another process take over, stops it."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from deploy.local import logs, ports, processes
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
    host: str | None = None
    """Where set, the supervisor listens there on `port`, and hands the socket to each process of the part."""
    stop_signal: Signals = SIGTERM
    starts_within_s: float = 120.0
    stops_within_s: float = 15.0


@dataclass(frozen=True)
class Successor:
    """A process that serves already, and waits for the one before it to go."""

    process: asyncio.subprocess.Process
    alone: asyncio.Event = field(default_factory=asyncio.Event)


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
    _socket: socket.socket | None = None
    _successor: Successor | None = None
    _replaced: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: int = 0
    _unwell_since: float | None = None

    async def start(self) -> None:
        """Start the part and wait until it is ready.

        Raises:
            CannotRun: it never was, in some attempts; or its port is taken.
        """
        self.state.port = self.part.port
        self._listen()
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
        # Once the process takes no more, whoever comes is to hear so at once.
        self._turn_away()
        if self._task is not None:
            with contextlib.suppress(CannotRun):
                await self._task

    async def replace(self) -> None:
        """Start another process, and once it serves let the one of now go; returns when that is gone.

        Raises:
            CannotRun: the other one was not ready in time. The one of now goes on.
        """
        if self.part.host is None or not self.ready.is_set():
            raise CannotRun(f"{self.part.name} is not ready; see `asar status`.")
        began = time.monotonic()
        successor = Successor(await self._spawn_ready())
        self.report(f"{self.part.name}: another process is ready ({time.monotonic() - began:.1f} s)")
        self._successor = successor
        self._replaced.set()
        await successor.alone.wait()
        self.report(f"{self.part.name}: the one before it is gone ({time.monotonic() - began:.1f} s)")

    async def _spawn_ready(self) -> asyncio.subprocess.Process:
        """Start a process beside the running one; wait until it says that it serves."""
        reading, writing = os.pipe()
        try:
            process = await self._spawn(ready_fd=writing)
        finally:
            os.close(writing)
        # Ends with the process at the latest, which alone can write.
        said = asyncio.create_task(asyncio.to_thread(os.read, reading, 1))
        serves = False
        try:
            await asyncio.wait({said}, timeout=self.part.starts_within_s)
            serves = said.done() and bool(said.result())
        finally:
            if not serves:
                await self._end(process, asyncio.create_task(process.wait()))
            await said
            os.close(reading)
        if not serves:
            words = logs.last_words(self.log_file)
            raise CannotRun(f"The new {self.part.name} does not start. Its last words were: {words}")
        return process

    async def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                ready_s = await self._run_once()
            except (CannotRun, OSError) as reason:
                self.report(f"{self.part.name}: {reason}")
                ready_s = 0.0
            if self._stop.is_set():
                break
            if self._successor is not None:
                continue
            self._failures = 0 if ready_s > STEADY_AFTER_S else self._failures + 1
            if self._failures > 1:
                # Who comes after one death may wait for the next process. A part that dies again keeps nobody waiting.
                self._turn_away()
            if self._failures >= BOOT_ATTEMPTS and not self.ready.is_set():
                self._become(Condition.STOPPED, pid=None)
                words = logs.last_words(self.log_file)
                raise CannotRun(f"{self.part.name} does not start. Its last words were: {words} (see {self.log_file})")
            pause_s = min(PAUSE_FIRST_S * 2 ** max(0, self._failures - 1), PAUSE_LAST_S)
            self._become(Condition.PAUSING, pid=None, restarts=self.state.restarts + 1)
            self.report(f"{self.part.name} stopped by itself ({_how(self.state.last_exit)}); again in {pause_s:g} s")
            await self._wait(pause_s)
        if self._successor is not None:
            process, alone = self._successor.process, self._successor.alone
            await self._end(process, asyncio.create_task(process.wait()))
            alone.set()
        self._become(Condition.STOPPED, pid=None)

    async def _run_once(self) -> float:
        """Run a process until it ends or is replaced, for whatever reason; returns for how long it had been ready."""
        began = time.monotonic()
        if self._successor is not None:
            process, ready_since = self._successor.process, began
            self._become(Condition.READY, pid=process.pid)
            self._successor.alone.set()
            self._successor = None
            self._replaced.clear()
        else:
            if self.part.prepare is not None:
                await asyncio.to_thread(self.part.prepare)
            process, ready_since = await self._spawn(), None
            self._become(Condition.STARTING, pid=process.pid)
        self._unwell_since = None
        exit_ = asyncio.create_task(process.wait())
        try:
            while not (self._stop.is_set() or self._replaced.is_set() or exit_.done()):
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

    def _listen(self) -> None:
        """Open the socket, if the part has one and it is not open.

        Raises:
            CannotRun: its port is taken.
        """
        is_open = self._socket is not None and self._socket.fileno() >= 0
        if self.part.host is not None and self.part.port is not None and not is_open:
            self._socket = ports.listen(self.part.host, self.part.port)

    def _turn_away(self) -> None:
        if self._socket is not None:
            self._socket.close()

    async def _spawn(self, *, ready_fd: int | None = None) -> asyncio.subprocess.Process:
        if not self._stop.is_set():
            self._listen()
        handed = {"ASAR_LISTEN_FD": self._socket and self._socket.fileno(), "ASAR_READY_FD": ready_fd}
        handed = {name: number for name, number in handed.items() if number is not None and number >= 0}
        with logs.open_log(self.log_file) as log:
            return await asyncio.create_subprocess_exec(
                *self.part.argv,
                env={**(os.environ if self.part.env is None else self.part.env), **_as_text(handed)},
                cwd=self.part.cwd,
                **processes.child_options(log, self.part.stop_signal, handed=tuple(handed.values())),
            )

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
        """Wait, but not longer than until the part is to stop or be replaced, or one of `others` is done."""
        told = [asyncio.create_task(event.wait()) for event in (self._stop, self._replaced)]
        try:
            await asyncio.wait({*told, *others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in told:
                task.cancel()

    def _become(self, condition: Condition, **changes: int | None) -> None:
        now = datetime.now(UTC)
        self.state = self.state.model_copy(update={"condition": condition, "since": now, **changes})
        self.changed()


def _as_text(numbers: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in numbers.items()}


def _how(exit_status: int | None) -> str:
    if exit_status is None:
        return "it could not be run"
    return f"killed by {Signals(-exit_status).name}" if exit_status < 0 else f"exit status {exit_status}"
