"""What the benchmarks run against: a durable PostgreSQL, NATS, and service processes, in a folder of their own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import psutil

from bench.load import CONNECTIONS
from deploy.bus.configuration import UNRESTRICTED
from deploy.local import ports
from deploy.local.installation import owner_of
from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres
from shared.access import keys
from shared.access.permissions import Role
from shared.access.principal import person
from shared.access.token import Signer
from shared.ids import new_id
from shared.settings import Settings

BENCH = person("person:bench", Role.ADMINISTRATOR)
NOBODY = "http://127.0.0.1:1"
"""Where no service is: for a gateway that forwards nothing."""
READY_S = 60
_OK, _CREATED = 200, 201


@dataclass(frozen=True)
class Running:
    """A service process that is ready."""

    address: str
    process: psutil.Process
    session: aiohttp.ClientSession
    """Calls it as the gateway would, or the gateway as nobody in particular."""
    signer: Signer
    name: str

    @property
    def headers(self) -> dict[str, str]:
        """What lets a caller do everything for the next minute."""
        return {"Authorization": f"Bearer {self.signer.sign(BENCH, self.name)}"}

    def cpu_s(self) -> float:
        """Seconds of CPU that it has taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20

    async def make(self, path: str, form: dict[str, Any]) -> dict[str, Any]:
        """Make one thing; answers its view.

        Raises:
            RuntimeError: it was refused.
        """
        headers = self.headers | {"Idempotency-Key": str(new_id())}
        async with self.session.post(path, json=form, headers=headers) as answer:
            body: dict[str, Any] = await answer.json()
            if answer.status != _CREATED:
                raise RuntimeError(f"{path} answered {answer.status}: {body}")
            return body


class Servers:
    """The servers, and a way to start a service on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Durable as the product is: a commit that does not reach the disk is no commit.
        self.postgres = EmbeddedPostgres(folder / "postgres", password_file=folder / "postgres.password")
        self.nats = EmbeddedNats(folder / "nats", secrets=folder, known=[UNRESTRICTED])
        self.keys_dir = folder / "keys"

    async def __aenter__(self) -> Self:
        self.postgres.start()
        self.nats.start()
        keys.make_missing(self.keys_dir)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.nats.stop()
        self.postgres.stop()

    async def settings(self, service: str, **others: object) -> Settings:
        """Settings of a service with a database of its own, owned by another role, as everywhere."""
        owner = owner_of(service)
        for role in (owner, service):
            await self.postgres.ensure_role(role, role)
        await self.postgres.ensure_database(service, owner=owner, service=service, rights="CONNECT, CREATE")
        urls = {name: self.postgres.url(service, user=role, password=role)
                for name, role in (("database_url", service), ("owner_database_url", owner))}  # fmt: skip
        given = {
            **urls,
            "nats_url": self.nats.url(UNRESTRICTED.name),
            "keys_dir": self.keys_dir,
            "port": ports.free_port(),
        }
        return Settings.model_validate(given | {"log_level": "error"} | others)

    @contextlib.asynccontextmanager
    async def service(self, name: str, settings: Settings, *words: str) -> AsyncGenerator[Running]:
        """A service process on a database that has been brought to head, until the block ends."""
        given = {key: value for key, value in settings.model_dump().items() if value is not None}
        environment = os.environ | {f"ASAR_{key.upper()}": str(value) for key, value in given.items()}
        for command in (("migrate",), words):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{name}", *command, env=environment
            )
            if command == ("migrate",) and await process.wait() != 0:
                raise RuntimeError(f"{name} cannot be migrated")
        address = f"http://127.0.0.1:{settings.port}"
        session = aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        try:
            async with asyncio.timeout(READY_S):
                while not await _ready(session):  # noqa: ASYNC110  # another process cannot set an event
                    await asyncio.sleep(0.1)
            yield Running(address, psutil.Process(process.pid), session, Signer(self.keys_dir), name)
        finally:
            await session.close()
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health/ready") as answer:
            return answer.status == _OK
    except aiohttp.ClientError:
        return False
