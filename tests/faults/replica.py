"""One more process of a service, beside those of the running system: it can be made to die while the others go on."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
import httpx

from deploy.local import ports
from deploy.local.installation import CODE
from shared.access.permissions import Role
from shared.access.principal import Grant, Principal
from shared.access.token import Signer
from tests.running import NO_TLS, RunningSystem, until

DIES_WITHIN_S = 60.0


class Replica:
    """It shares databases, streams and keys with the system, and has a port and a log of its own."""

    def __init__(self, system: RunningSystem, service: str) -> None:
        self._system = system
        self.service = service
        self._port = ports.free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.client = httpx.AsyncClient(verify=NO_TLS)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, **settings: str) -> None:
        """Start it, or start it again, with settings beside its own: `start(failpoint="…")`."""
        installation = self._system.installation
        own = {"ASAR_PORT": str(self._port)} | {f"ASAR_{name.upper()}": value for name, value in settings.items()}
        with (installation.logs / f"another-{self.service}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *installation.command(self.service),
                env=installation.environment(self.service) | own,
                cwd=CODE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        await self.client.aclose()
        headers = {"Authorization": f"Bearer {await self._credential()}"}
        self.client = httpx.AsyncClient(base_url=self.address, headers=headers, timeout=40, verify=NO_TLS)

        async def ready_or_dead() -> bool:
            try:
                return not self.is_alive or (await self.client.get("/health/ready")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await until(f"another {self.service} ready", ready_or_dead)

    async def _credential(self) -> str:
        """What the system's own callers show, or what the gateway would show for them."""
        if self.service == "gateway":
            return self._system.key
        connection = await asyncpg.connect(self._system.installation.postgres.url("gateway"))
        try:
            key_id = await connection.fetchval("SELECT id FROM apikey WHERE name = 'tests' ORDER BY id DESC LIMIT 1")
        finally:
            await connection.close()
        caller = Principal(id=f"key:{key_id}", kind="machine", grants=(Grant(role=Role.ADMINISTRATOR, centres=None),))
        return Signer(self._system.installation.keys).sign(caller, self.service)

    async def died(self) -> None:
        """Wait until it is dead, by `kill -9` and nothing else."""
        assert self._process is not None
        async with asyncio.timeout(DIES_WITHIN_S):
            assert await self._process.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        await self.client.aclose()
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGTERM)
            await self._process.wait()


@asynccontextmanager
async def replica_of(system: RunningSystem, service: str) -> AsyncGenerator[Replica]:
    """A process of a service that is not started yet, and is ended with the block."""
    replica = Replica(system, service)
    try:
        yield replica
    finally:
        await replica.stop()
