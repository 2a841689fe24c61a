"""What the benchmarks run against: a durable PostgreSQL, NATS, and service processes, in a folder of their own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from deploy.bus.configuration import UNRESTRICTED
from deploy.local import ports
from deploy.local.installation import owner_of
from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres
from shared.access import keys
from shared.access.permissions import Role
from shared.access.principal import person
from shared.access.token import Signer
from shared.settings import Settings

BENCH = person("person:bench", Role.ADMINISTRATOR)
READY_S = 60


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

    async def settings(self, service: str) -> Settings:
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
        return Settings.model_validate(given | {"log_level": "error"})

    @contextlib.asynccontextmanager
    async def service(self, name: str, settings: Settings, *words: str) -> AsyncGenerator[aiohttp.ClientSession]:
        """A running service process, and a session that calls it over 64 connections.

        It calls a service as the gateway would, and the gateway as anyone.
        """
        environment = os.environ | {f"ASAR_{key.upper()}": str(value) for key, value in settings.model_dump().items()}
        for command in (("migrate",), words):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{name}", *command, env=environment
            )
            if command == ("migrate",):
                await process.wait()
        token = Signer(self.keys_dir).sign(BENCH, name)
        headers = {"Authorization": f"Bearer {token}"} if name != "gateway" else {}
        connector = aiohttp.TCPConnector(limit=64)
        session = aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}", connector=connector, headers=headers)
        try:
            async with asyncio.timeout(READY_S):
                while not await _ready(session):  # noqa: ASYNC110  # another process cannot set an event
                    await asyncio.sleep(0.1)
            yield session
        finally:
            await session.close()
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/health/ready") as answer:
            return answer.status == 200  # noqa: PLR2004  # OK
    except aiohttp.ClientError:
        return False
