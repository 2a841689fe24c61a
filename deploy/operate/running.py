"""Runs the system in the foreground until it is told to stop, with the demo network in it if that is wanted."""

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.local import control, ports, state, system
from deploy.local.installation import FREE_BYTES_MIN, Installation
from deploy.local.refusals import CannotRun
from deploy.local.state import PartState, SystemState
from deploy.local.supervisor import Supervisor
from deploy.operate import demonstration
from deploy.operate.access import Access

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(installation: Installation, console: Console, *, demo: bool, archive: Path | None = None) -> None:
    """Start everything, stay until a signal comes, stop everything.

    `archive`: where every change is to be kept.

    Raises:
        CannotRun: it already runs, its port is taken, or a part cannot be started.
    """
    os.umask(0o077)
    with installation.hold():
        # What a killed run published would be taken for ours.
        installation.state_file.unlink(missing_ok=True)
        demonstration.claim(installation, demo=demo)
        if orphans := system.end_orphans(installation):
            console.print(f"[dim]ended {orphans} processes that an earlier run had left behind[/]")
        if not ports.is_free(installation.port, installation.host):
            raise CannotRun(
                f"Port {installation.port} is taken by another program. "
                "Choose another one: asar up --port 8081, or make up PORT=8081."
            )
        installation.renew_taken_ports()
        installation.archive_to(archive)
        asyncio.run(_run(installation, console, demo=demo))


async def _run(installation: Installation, console: Console, *, demo: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if not stop.is_set():
            console.print("\nStopping …")
        stop.set()

    for number in _STOPPING:
        loop.add_signal_handler(number, asked_to_stop)

    started_at, foundation = datetime.now(UTC), system.foundation()

    def publish(parts: Mapping[str, PartState]) -> None:
        now = SystemState(
            supervisor_pid=os.getpid(),
            address=installation.address,
            started_at=started_at,
            foundation=foundation,
            parts=dict(parts),
        )
        # A full disk is no reason to stop what still runs.
        with suppress(OSError):
            state.publish(installation.state_file, now)

    supervisor = Supervisor(
        system.stages(installation),
        logs_folder=installation.logs,
        report=lambda line: console.print(f"[dim]{datetime.now():%H:%M:%S}[/] {escape(line)}", highlight=False),  # noqa: DTZ005
        changed=publish,
    )
    console.print(f"Asar starts on {escape(str(installation.data_dir))} [dim](Ctrl-C stops it)[/]", highlight=False)
    running = asyncio.create_task(supervisor.run(stop))
    watching = asyncio.create_task(_watch_disk(installation, console))
    visiting = asyncio.create_task(_once_up(installation, console, supervisor, stop, demo=demo))
    try:
        async with control.listening(installation.data_dir, {"replace": supervisor.replace}):
            await asyncio.wait({running, visiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        visiting.cancel()
        watching.cancel()
        outcomes = await asyncio.gather(running, visiting, watching, return_exceptions=True)
        installation.state_file.unlink(missing_ok=True)
        installation.postgres.leave()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def _once_up(
    installation: Installation, console: Console, supervisor: Supervisor, stop: asyncio.Event, *, demo: bool
) -> None:
    await supervisor.up.wait()
    if demo:
        await demonstration.load_once(installation)
    console.print(f"\nAsar is up: [bold]{installation.address}[/]\n", highlight=False)
    await _show_first_link(installation, console)
    if demo:
        await demonstration.show_calls(installation, console)
        key = await demonstration.key_to_go_on(installation)
        await demonstration.trickle(installation, key, console, stop)
    await stop.wait()


async def _show_first_link(installation: Installation, console: Console) -> None:
    """Where nobody can let anybody in yet, let whoever sits at this machine begin."""
    link = await Access(installation).link(only_first=True)
    if link is not None:
        console.print("[bold]Become the administrator[/] [dim](within half an hour, once; else: asar access link)[/]")
        console.print(link + "\n", soft_wrap=True, markup=False, highlight=False)


async def _watch_disk(installation: Installation, console: Console) -> None:
    """Say it once, each time that the disk gets full: writes are refused then, what was accepted stays."""
    was_full = False
    while True:
        free_bytes = shutil.disk_usage(installation.data_dir).free
        if free_bytes < FREE_BYTES_MIN and not was_full:
            where = escape(str(installation.data_dir))
            console.print(f"[red]The disk of {where} is getting full: {free_bytes >> 20} MB are free.[/]")
        was_full = free_bytes < FREE_BYTES_MIN
        await asyncio.sleep(10)
