"""The whole system as its users run it: `asar up` on a folder of its own, real processes, killed and started again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.local import ports, state
from deploy.local.installation import SERVICES, Installation
from deploy.local.state import Condition
from deploy.operate.verify import Report, compare
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS

PATIENCE_S = 120.0
"""Machines that run tests are slow and shared; nothing here says that anything takes that long."""

Answer = TypeVar("Answer")


async def until(what: str, ask: Callable[[], Awaitable[Answer | None]], *, patience_s: float = PATIENCE_S) -> Answer:
    """The first answer that is true.

    Raises:
        TimeoutError: there was none in time.
    """
    deadline = time.monotonic() + patience_s
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience_s:.0f} s")
        await asyncio.sleep(0.1)


class RunningSystem:
    """One installation and its supervisor."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "its data"
        self.port = ports.free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._log = folder / "asar.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""
        """May all that a key can: what the tests ask with."""

    @property
    def installation(self) -> Installation:
        return Installation(self.data_dir, port=self.port)

    async def start(self) -> None:
        """Start it with one command, and wait until all of it is ready."""
        command = [sys.executable, "-c", "from deploy.operate.cli import main; main()", "up"]
        with self._log.open("ab") as log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [*command, "--data-dir", str(self.data_dir), "--port", str(self.port)],
                stdout=log, stderr=log, cwd=Path(__file__).parent.parent, start_new_session=True,
            )  # fmt: skip
        await self.wait_ready()
        self.key = (await self.asar("access", "key", "--name", "tests", "--role", "administrator")).strip()

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8")

    def client(self, *, timeout_s: float = 30) -> httpx.AsyncClient:
        """A caller of the gateway who may do everything."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=timeout_s)

    async def wait_ready(self, *, patience_s: float = PATIENCE_S) -> None:
        """Until every service says that it is ready."""
        async with httpx.AsyncClient(timeout=5) as client:

            async def ready() -> bool:
                if self._process is not None and self._process.poll() is not None:
                    raise RuntimeError(f"asar ended: {self._log.read_text()[-2000:]}")
                addresses = [f"http://127.0.0.1:{self.installation.port_of(name)}/health/ready" for name in SERVICES]
                try:
                    answers = [await client.get(address) for address in addresses]
                except httpx.HTTPError:
                    return False
                return all(answer.status_code == httpx.codes.OK for answer in answers)

            await until("all services ready", ready, patience_s=patience_s)

    async def asar(self, *words: str) -> str:
        """What the operator's command prints.

        Raises:
            CalledProcessError: its exit status is not 0.
        """
        command = [sys.executable, "-c", "from deploy.operate.cli import main; main()", *words]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--data-dir", str(self.data_dir)],
            cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
        return str(done.stdout)

    async def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait, 60)

    def pid_of(self, part: str) -> int | None:
        """The process id of a part, or of the supervisor; None while it is down."""
        published = state.read(self.installation.state_file)
        if published is None:
            return None
        return published.supervisor_pid if part == "supervisor" else published.parts[part].pid

    def conditions(self) -> dict[str, Condition]:
        """What the supervisor last said of each part."""
        published = state.read(self.installation.state_file)
        return {} if published is None else {name: part.condition for name, part in published.parts.items()}

    async def kill(self, part: str) -> None:
        """`kill -9`, and wait until the supervisor has started another one."""
        pid = self.pid_of(part)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> bool:
            return self.pid_of(part) not in (None, pid)

        await until(f"{part} started again", replaced)

    def kill_everything(self) -> None:
        """`kill -9` of the supervisor and of all that it runs, as a power cut to the processes."""
        published = state.read(self.installation.state_file)
        assert published is not None
        for pid in [published.supervisor_pid, *(part.pid for part in published.parts.values())]:
            if pid is not None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    # The parts die with their supervisor; it may have been quicker.
                    continue
        if self._process is not None:
            self._process.wait(30)

    async def status(self, service: str) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=5) as client:
            port = self.installation.port_of(service)
            return dict((await client.get(f"http://127.0.0.1:{port}/health/status")).json())

    async def settled(self) -> None:
        """Until nothing is unsent, nothing is on its way and nothing is parked."""

        async def quiet() -> bool:
            try:
                reports = {service: await self.status(service) for service in SERVICES}
            except (httpx.HTTPError, ValueError):
                return False
            return all(
                report.get("unsent", 0) == 0
                and all(lag == 0 for lag in report.get("lag", {"": None}).values())
                and not any(report.get("parked", {"": 1}).values())
                for report in reports.values()
            )

        await until("everything sent and applied", quiet)

    async def verify(self) -> Report:
        """What `asar verify` finds."""
        installation = self.installation
        urls = {service: installation.database_url(service) for service in ("gateway", *PUBLISHERS)}
        return await compare(urls, installation.nats.url(OPERATOR))
