"""Starts child processes that do not outlive their parent, and ends those that an earlier run left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict

import psutil

_PR_SET_PDEATHSIG = 1
_STRANGERS = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def tied_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child calls between fork and exec so that it dies with its parent; None where the kernel cannot."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            # The parent died before the call: the signal it was asked for will never come.
            os.kill(os.getpid(), death_signal)

    return tie


class ChildOptions(TypedDict):
    """How every child is started, by `subprocess` or by `asyncio`."""

    stdin: int
    stdout: IO[bytes] | int
    stderr: int
    start_new_session: bool
    pass_fds: Sequence[int]
    preexec_fn: Callable[[], None] | None


def child_options(output: IO[bytes] | int, death_signal: signal.Signals, *, handed: Sequence[int] = ()) -> ChildOptions:
    """Options for a child in a session of its own: Ctrl-C at the terminal then reaches the supervisor alone.

    `handed`: open files that it inherits, under their numbers.
    """
    return {
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": subprocess.STDOUT,
        "start_new_session": True,
        "pass_fds": handed,
        # One system call, and no lock of ours can be held when it is made.
        "preexec_fn": tied_to_parent(death_signal),
    }


def spawn(
    argv: Sequence[str], *, output: IO[bytes] | int, death_signal: signal.Signals = signal.SIGTERM
) -> subprocess.Popen[bytes]:
    """Start a child that dies with the thread that called this."""
    return subprocess.Popen(argv, **child_options(output, death_signal))


def stop(process: subprocess.Popen[bytes], first: signal.Signals, *, grace_s: float) -> None:
    """Ask a child to stop, and kill it when it has not within `grace_s`."""
    process.send_signal(first)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def run_to_end(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: IO[bytes]) -> int:
    """Run a command and wait for its exit status; a caller that stops waiting stops the command."""
    options = child_options(output, signal.SIGTERM)
    process = await asyncio.create_subprocess_exec(*argv, env=env, cwd=cwd, **options)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise


def command_of(pid: int) -> list[str]:
    """The command line of a living process; empty when it is gone or not ours."""
    try:
        return psutil.Process(pid).cmdline()
    except _STRANGERS:
        return []


def marked(**marks: str) -> list[int]:
    """The living processes whose environment holds all these variables with these values, youngest first."""
    found: list[tuple[float, int]] = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if all(environment.get(name) == value for name, value in marks.items()):
                found.append((process.create_time(), process.pid))
        except (*_STRANGERS, OSError):
            continue
    return [pid for _, pid in sorted(found, reverse=True)]


def working_in(folder: Path) -> list[int]:
    """The living processes whose current folder this is."""
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder):
                found.append(process.pid)
        except (*_STRANGERS, OSError):
            continue
    return found


def end(pid: int, first: signal.Signals, *, grace_s: float) -> None:
    """Ask a process that is not our child to stop, and kill it when it has not within `grace_s`."""
    with contextlib.suppress(*_STRANGERS):
        process = psutil.Process(pid)
        process.send_signal(first)
        try:
            process.wait(grace_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(grace_s)
