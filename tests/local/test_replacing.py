"""One process takes over from another under load, shown with a tiny service on the house's own server."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local import control, loopback, ports
from deploy.local.installation import CODE
from deploy.local.keeper import Part
from deploy.local.refusals import CannotRun
from deploy.local.state import Condition
from deploy.local.supervisor import Supervisor

SERVICE = """
import asyncio, os, sys
from pathlib import Path
from shared.server import Server
from shared.settings import Settings

async def answer(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["path"] == "/slow":
        Path("slow").touch()
        while not Path("enough").exists():
            await asyncio.sleep(0.02)
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

if Path("broken").exists():
    sys.exit("my new code is broken")
settings = Settings(database_url="postgresql://unused", nats_url="nats://unused", keys_dir=Path())
asyncio.run(Server(answer, settings).serve())
"""
KEPT, NEW = "on kept connections", "on new connections"


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Supervisor, int]]:
    """The tiny service, its code on the path, up and ready."""
    port = ports.free_port()
    part = Part(
        "service",
        [sys.executable, "-c", SERVICE],
        env=os.environ | {"PYTHONPATH": str(CODE)},
        cwd=folder,
        host="127.0.0.1",
        port=port,
        is_ready=lambda: loopback.is_ok(port, "/"),
    )
    stop = asyncio.Event()
    supervisor = Supervisor([[part]], logs_folder=folder)
    task = asyncio.create_task(supervisor.run(stop))
    try:
        async with asyncio.timeout(60):
            await supervisor.up.wait()
        yield supervisor, port
    finally:
        stop.set()
        await task


@asynccontextmanager
async def callers(port: int) -> AsyncIterator[tuple[Counter[str], set[str]]]:
    """Many at once, some on connections that they keep: how often they were answered, and by whom."""
    answered: Counter[str] = Counter()
    by: set[str] = set()

    async def call(how: str, client: httpx.AsyncClient) -> None:
        while True:
            headers = {} if how == KEPT else {"Connection": "close"}
            answer = await client.get(f"http://127.0.0.1:{port}/", headers=headers)
            by.add(answer.raise_for_status().text)
            answered[how] += 1
            await asyncio.sleep(0.005)

    async with httpx.AsyncClient(timeout=60) as client:
        tasks = [asyncio.create_task(call(how, client)) for how in (KEPT, NEW) for _ in range(6)]
        try:
            yield answered, by
        finally:
            failed = [task.exception() for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert failed == []


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


async def more_of(answered: Counter[str]) -> None:
    before = answered.copy()
    await until(lambda: all(answered[how] >= before[how] + 20 for how in (KEPT, NEW)))


async def test_nobody_is_turned_away_while_one_process_takes_over_from_another(tmp_path: Path) -> None:
    said: list[str] = []
    async with serving(tmp_path) as (supervisor, port), callers(port) as (answered, by):
        for _ in range(3):
            await more_of(answered)
            await supervisor.replace(said.append)
        await more_of(answered)

        assert len(by) == 4
        assert (supervisor.states["service"].restarts, str(supervisor.states["service"].pid) in by) == (0, True)
    assert len(said) == 3


async def test_a_request_that_the_old_process_has_begun_is_finished(tmp_path: Path) -> None:
    async with serving(tmp_path) as (supervisor, port), httpx.AsyncClient(timeout=60) as client:
        old = supervisor.states["service"].pid
        slow = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/slow"))
        await until((tmp_path / "slow").exists)

        async with callers(port) as (_, by):
            replacing = asyncio.create_task(supervisor.replace(lambda _: None))
            await until(lambda: bool(by - {str(old)}))
        assert not slow.done()
        (tmp_path / "enough").touch()
        await replacing

        assert (await slow).text == str(old)
        assert supervisor.states["service"].pid != old


async def test_a_new_process_that_does_not_start_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (supervisor, port), callers(port) as (answered, by):
        old = supervisor.states["service"].pid
        (tmp_path / "broken").touch()
        with pytest.raises(CannotRun, match="The new service does not start"):
            await supervisor.replace(lambda _: None)

        await more_of(answered)
        assert (supervisor.states["service"].pid, by) == (old, {str(old)})


async def test_what_replaces_is_kept_running_as_well(tmp_path: Path) -> None:
    async with serving(tmp_path) as (supervisor, port):
        await supervisor.replace(lambda _: None)
        second = supervisor.states["service"].pid
        assert second is not None
        os.kill(second, 9)

        # Who comes while there is none waits for the next one.
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/")
        assert answer.text not in {"", str(second)}


async def test_one_that_dies_again_and_again_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with serving(tmp_path) as (supervisor, port), httpx.AsyncClient(timeout=60) as client:
        (tmp_path / "broken").touch()
        first = supervisor.states["service"].pid
        assert first is not None
        os.kill(first, 9)
        await until(lambda: supervisor.states["service"].restarts >= 2)

        # Turned away at once, whether they wait already or come now.
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{port}/")

        (tmp_path / "broken").unlink()
        await until(lambda: supervisor.states["service"].condition is Condition.READY)
        assert (await client.get(f"http://127.0.0.1:{port}/")).text == str(supervisor.states["service"].pid)


async def test_the_owner_of_the_data_folder_is_heard(tmp_path: Path) -> None:
    async def count(say: control.Say) -> None:
        say("one")
        say("two")

    async def refuse(_: control.Say) -> None:
        raise CannotRun("not today")

    def ask(name: str) -> list[str]:
        return list(control.ask(tmp_path, name))

    async with control.listening(tmp_path, {"count": count, "refuse": refuse}):
        assert await asyncio.to_thread(ask, "count") == ["one", "two"]
        with pytest.raises(CannotRun, match="not today"):
            await asyncio.to_thread(ask, "refuse")
        with pytest.raises(CannotRun, match="does not know what dance is"):
            await asyncio.to_thread(ask, "dance")
    with pytest.raises(CannotRun, match="cannot be asked"):
        ask("count")
