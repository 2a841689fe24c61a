"""The supervisor, shown with tiny children in place of the real parts."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local import logs, processes
from deploy.local.installation import CODE
from deploy.local.keeper import Part
from deploy.local.refusals import CannotRun
from deploy.local.state import Condition
from deploy.local.supervisor import Stage, Step, Supervisor

SLEEPER = "import time; time.sleep(60)"


def child(name: str, code: str, **settings: Any) -> Part:
    """A part that runs a line of Python."""
    return Part(name, [sys.executable, "-c", code], **settings)


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    stages: list[Stage], folder: Path, *, report: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Supervisor]:
    """A supervisor that has everything up, and is stopped at the end."""
    stop = asyncio.Event()
    supervisor = Supervisor(stages, logs_folder=folder, report=report)
    task = asyncio.create_task(supervisor.run(stop))
    up = asyncio.create_task(supervisor.up.wait())
    await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    try:
        if task.done():
            await task
        yield supervisor
    finally:
        stop.set()
        if not task.done():
            await task


async def test_stages_start_in_order_and_stop_in_the_opposite_one(tmp_path: Path) -> None:
    story = tmp_path / "story"
    code = (
        "import signal,sys,time,pathlib\n"
        f"def tell(word):\n  with open({str(story)!r}, 'a') as f: f.write(word + ' ')\n"
        "def end(*_): tell('-' + sys.argv[1]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"tell(sys.argv[1]); open(f'{tmp_path}/' + sys.argv[1], 'w')\n"
        "time.sleep(60)"
    )

    def part(name: str) -> Part:
        return Part(name, [sys.executable, "-c", code, name], is_ready=(tmp_path / name).exists)

    async def between() -> None:
        with story.open("a") as file:
            file.write("between ")

    async with running([[part("database")], Step("between", between), [part("service")]], tmp_path) as supervisor:
        assert [state.condition for state in supervisor.states.values()] == [Condition.READY] * 2

    assert story.read_text().split() == ["database", "between", "service", "-service", "-database"]


async def test_a_dead_child_is_started_again(tmp_path: Path) -> None:
    async with running([[child("worker", SLEEPER)]], tmp_path) as supervisor:
        first = supervisor.states["worker"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)

        await until(lambda: supervisor.states["worker"].pid not in {None, first})
        await until(lambda: supervisor.states["worker"].condition is Condition.READY)

        assert (supervisor.states["worker"].restarts, supervisor.states["worker"].last_exit) == (1, -9)


async def test_pauses_between_restarts_grow(tmp_path: Path) -> None:
    said: list[str] = []

    async with running([[child("worker", "import time; time.sleep(0.2)")]], tmp_path, report=said.append):
        await until(lambda: len([line for line in said if "again in" in line]) >= 3)

    pauses = [line.rpartition("again in ")[2] for line in said if "again in" in line]
    assert pauses[:3] == ["0.25 s", "0.5 s", "1 s"]


async def test_a_part_that_never_starts_is_refused_with_its_last_words(tmp_path: Path) -> None:
    part = child("worker", "import sys; sys.exit('my disk is on fire')", is_ready=lambda: False)

    with pytest.raises(CannotRun, match=r"worker does not start. Its last words were: my disk is on fire"):
        async with running([[child("other", SLEEPER), part]], tmp_path):
            pass


async def test_a_failing_step_stops_what_was_started(tmp_path: Path) -> None:
    pids: list[int] = []

    async def refuse() -> None:
        pids.extend(state.pid or 0 for state in supervisor.states.values())
        raise CannotRun("the database is from the future")

    supervisor = Supervisor([[child("worker", SLEEPER)], Step("migrations", refuse)], logs_folder=tmp_path)
    with pytest.raises(CannotRun, match="from the future"):
        await supervisor.run(asyncio.Event())

    assert [processes.command_of(pid) for pid in pids] == [[]]
    assert supervisor.states["worker"].condition is Condition.STOPPED


async def test_a_part_that_stays_unwell_is_started_again(tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    part = child(
        "bus", SLEEPER, is_well=lambda: not sick.exists(), unwell_limit_s=0.5, prepare=lambda: sick.unlink(True)
    )

    async with running([[part]], tmp_path) as supervisor:
        first = supervisor.states["bus"].pid
        sick.touch()
        await until(lambda: supervisor.states["bus"].condition is Condition.UNWELL)
        await until(lambda: supervisor.states["bus"].pid not in {None, first})

        await until(lambda: supervisor.states["bus"].condition is Condition.READY)


async def test_a_child_that_ignores_the_signal_is_killed_after_the_deadline(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        f"import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    )

    async with running([[child("deaf", code, is_ready=ready.exists, stops_within_s=0.3)]], tmp_path) as supervisor:
        began = time.monotonic()

    assert supervisor.states["deaf"].last_exit == -9
    assert time.monotonic() - began < 5


async def test_stopping_while_starting_leaves_nothing_behind(tmp_path: Path) -> None:
    stop = asyncio.Event()
    supervisor = Supervisor([[child("slow", SLEEPER, is_ready=lambda: False)]], logs_folder=tmp_path)
    task = asyncio.create_task(supervisor.run(stop))
    await until(lambda: supervisor.states["slow"].condition is Condition.STARTING)
    pid = supervisor.states["slow"].pid

    stop.set()
    await task

    assert pid is not None
    assert processes.command_of(pid) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels cannot; there the next start ends the orphans")
async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from deploy.local.supervisor import Part, Supervisor\n"
        f"part = Part('worker', [sys.executable, '-c', {SLEEPER!r}])\n"
        "supervisor = Supervisor([[part]], logs_folder=Path(sys.argv[1]))\n"
        "async def main():\n"
        "    task = asyncio.create_task(supervisor.run(asyncio.Event()))\n"
        "    await supervisor.up.wait()\n"
        "    print(supervisor.states['worker'].pid, flush=True)\n"
        "    await task\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=CODE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert processes.command_of(pid)

    parent.kill()
    await parent.wait()

    await until(lambda: not processes.command_of(pid))


def test_a_long_log_is_moved_aside_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "part.log"
    with logs.open_log(file) as writer:
        writer.write(b"old line\n" * 200)
        logs.cap(file, size_max=1000)
        writer.write(b"new line\n\n")

    assert file.read_text() == "new line\n\n"
    assert (tmp_path / "part.log.1").stat().st_size == 1800
    assert logs.last_words(file) == "new line"
