"""The whole system as its users run it: `asar up` on a folder of its own, real processes, killed and started again."""

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from deploy.local import ports, processes, state
from deploy.local.installation import CODE, SERVICES, Installation
from deploy.local.state import Condition
from deploy.operate.verify import Report, compare
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS

PATIENCE_S = 120.0
"""Machines that run tests are slow and shared; nothing here says that anything takes that long."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: each would read this machine's certificates anew, which takes it some 20 ms."""

_REPUBLISHED = re.compile(r"^asar_messages_republished_total (\S+)$", re.MULTILINE)

Answer = TypeVar("Answer")


async def until(what: str, ask: Callable[[], Awaitable[Answer | None]], *, patience_s: float = PATIENCE_S) -> Answer:
    """The first answer that is true; one that did not come is none.

    Raises:
        TimeoutError: there was none in time.
    """
    deadline = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await ask()
            if answer:
                return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {patience_s:.0f} s")
        await asyncio.sleep(0.1)


class RunningSystem:
    """One installation and its supervisor."""

    def __init__(
        self, folder: Path, *, code: Path = CODE, data_dir: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        """`code`: where the code that it runs lies. `options`: more words for `asar up`."""
        self.code = code
        self.options = options
        self.data_dir = data_dir or folder / "its data"
        self.port = ports.free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._log = folder / "asar.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""
        """May all that a key can: what the tests ask with."""

    @property
    def installation(self) -> Installation:
        return Installation(self.data_dir, port=self.port)

    @property
    def command(self) -> list[str]:
        """What starts it."""
        asar = [sys.executable, "-c", "from deploy.operate.cli import main; main()"]
        return [*asar, "up", "--data-dir", str(self.data_dir), "--port", str(self.port), *self.options]

    def nats_url(self, user: str) -> str:
        """Where a user finds NATS."""
        return self.installation.nats.url(user)

    async def start(self) -> None:
        """Start it with one command, and wait until all of it is ready."""
        # The ports are chosen by who looks first. That must not be two at once.
        _ = self.installation
        with self._log.open("ab") as log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                self.command,
                stdout=log, stderr=log, cwd=self.code, start_new_session=True,
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
        return httpx.AsyncClient(base_url=self.address, headers=headers, timeout=timeout_s, verify=NO_TLS)

    async def wait_ready(self, *, patience_s: float = PATIENCE_S) -> None:
        """Until every service says that it is ready."""
        async with httpx.AsyncClient(timeout=5, verify=NO_TLS) as client:

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
        done = await asyncio.to_thread(self.try_asar, *words)
        done.check_returncode()
        return str(done.stdout)

    def try_asar(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the operator's command to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "-c", "from deploy.operate.cli import main; main()", *words],
            env=os.environ | {"ASAR_DATA_DIR": str(self.data_dir), "NO_COLOR": "1"},
            cwd=self.code, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip

    async def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait, PATIENCE_S)

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

    async def kill_all_of(self, part: str) -> None:
        """`kill -9` of every process of a part, children too; returns when the last one is gone."""
        victims = [psutil.Process(pid) for pid in self.pids_of(part)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        await until(f"{part} is gone", lambda: _all_gone(victims))

    async def kill_process(self, pid: int) -> None:
        """`kill -9` of one process that is no part of its own; returns when it is gone."""
        victim = psutil.Process(pid)
        victim.kill()
        await until(f"process {pid} is gone", lambda: _all_gone([victim]))

    async def ready_again(self, part: str, *, patience_s: float = 60) -> None:
        """Until the supervisor says that a part is ready, and it is a living process."""

        async def ready() -> bool:
            return self.conditions().get(part) is Condition.READY and self._is_running(part)

        await until(f"{part} is ready", ready, patience_s=patience_s)

    async def drained(self, *, patience_s: float) -> None:
        """Until no message has waited for more than a second, however many are announced meanwhile."""

        async def young() -> bool:
            try:
                ages = [(await self.status(service)).get("oldest_unsent_s") for service in PUBLISHERS]
            except (httpx.HTTPError, ValueError):
                return False
            return all(age is not None and age < 1 for age in ages)

        await until("the outboxes are drained", young, patience_s=patience_s)

    async def republished(self) -> int:
        """How many messages the running services have found missing in their streams so far."""
        async with httpx.AsyncClient(timeout=5, verify=NO_TLS) as client:
            pages = [await client.get(f"http://127.0.0.1:{self.installation.port_of(s)}/metrics") for s in PUBLISHERS]
        return sum(int(float(found)) for page in pages for found in _REPUBLISHED.findall(page.text))

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """While the block runs, the supervisor does nothing: what has ended stays so."""
        supervisor = self.pid_of("supervisor")
        assert supervisor is not None
        with frozen(supervisor):
            yield

    def _is_running(self, part: str) -> bool:
        # What the supervisor last said may be of before a part was killed.
        pid = self.pid_of(part)
        return pid is not None and psutil.pid_exists(pid) and _is_alive(psutil.Process(pid))

    def pids_of(self, part: str) -> list[int]:
        first = self.pid_of(part)
        assert first is not None
        return [first, *(processes.working_in(self.installation.postgres.data) if part == "postgres" else [])]

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
        async with httpx.AsyncClient(timeout=5, verify=NO_TLS) as client:
            port = self.installation.port_of(service)
            return dict((await client.get(f"http://127.0.0.1:{port}/health/status")).json())

    async def settled(self, *, parked: bool = False, patience_s: float = PATIENCE_S) -> None:
        """Until nothing is unsent, nothing is on its way and, unless some may be `parked`, nothing is parked.

        Raises:
            TimeoutError: something is, after all that time; it says what.
        """
        reports: dict[str, dict[str, Any]] = {}

        async def is_quiet() -> bool:
            reports.update({service: await self.status(service) for service in SERVICES})
            return all(
                report.get("unsent", 0) == 0
                and all(lag == 0 for lag in report.get("lag", {"": None}).values())
                and (parked or not any(report.get("parked", {"": 1}).values()))
                for report in reports.values()
            )

        async def stays_quiet() -> bool:
            try:
                # Each look goes from one to the next, and may just miss what one sends and what another announces then.
                for _ in range(3):
                    if not await is_quiet():
                        return False
            except (httpx.HTTPError, ValueError):
                return False
            return True

        try:
            await until("everything sent and applied", stays_quiet, patience_s=patience_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {reports}") from error

    async def verify(self) -> Report:
        """What `asar verify` finds."""
        installation = self.installation
        urls = {service: installation.database_url(service) for service in ("gateway", *PUBLISHERS)}
        return await compare(urls, self.nats_url(OPERATOR))


@contextlib.contextmanager
def frozen(*pids: int) -> Generator[None]:
    """While the block runs, these processes stand still: their sockets are open and nobody answers."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def _all_gone(victims: list[psutil.Process]) -> bool:
    return not any(map(_is_alive, victims))


def _is_alive(process: psutil.Process) -> bool:
    """Whether it runs; a zombie does not, and holds no file any more."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
