"""A service as the tests drive it: its real application over its own database, called as the gateway would call it."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import asyncpg
import orjson
from httpx import ASGITransport, AsyncClient, Request
from sqlalchemy import MetaData

from deploy.local.postgres import EmbeddedPostgres
from shared.access import keys
from shared.access.permissions import Role
from shared.access.principal import Principal, person
from shared.access.token import Signer
from shared.database import Database
from shared.ids import new_id
from shared.process import Process
from shared.settings import Settings

OWNER_ROLE, SERVICE_ROLE, BEHIND_ROLE = "asar_owner", "asar_service", "asar_behind"
"""Who owns the tables; who the services are, which see nothing but what they say they reach; who sees everything."""

ANY_VERSION = {"If-Match": "*"}
"""For an edit that does not care what it is based on."""

ADMINISTRATOR = person("person:administrator", Role.ADMINISTRATOR)


async def polite(request: Request) -> None:
    """Let every request say what it must, unless the test says it: that it is a new one, based on any version."""
    request.headers.setdefault("Idempotency-Key", str(new_id()))
    if request.method == "PUT":
        request.headers.setdefault("If-Match", ANY_VERSION["If-Match"])


class ServiceUnderTest:
    """One running service: `client` calls its doors, `database` looks behind them."""

    def __init__(self, process: Process, client: AsyncClient, keys_dir: Path, database: Database) -> None:
        self.process = process
        self.client = client
        self.keys_dir = keys_dir
        self.database = database

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        return await self.client.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def outbox(self, type_: str | None = None) -> list[dict[str, Any]]:
        """The messages announced so far, oldest first, as they will travel."""
        rows = await self.database.pool.fetch("SELECT body FROM outbox ORDER BY position")
        messages = [orjson.loads(row["body"]) for row in rows]
        return [message for message in messages if type_ is None or message["type"] == type_]

    def as_principal(self, principal: Principal) -> dict[str, str]:
        """The headers of a call by someone else than the administrator."""
        token = Signer(self.keys_dir).sign(principal, self.process.service)
        return {"Authorization": f"Bearer {token}"}


def as_role(url: str, role: str) -> str:
    """The address of a database of the tests, for somebody else than the server's administrator."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:{role}@").geturl() if parts.username else url


def as_service_and_owner(url: str) -> dict[str, str]:
    """The settings with which a service uses a database, and is allowed to migrate it."""
    return {"database_url": as_role(url, SERVICE_ROLE), "owner_database_url": as_role(url, OWNER_ROLE)}


def make_settings(database_url: str, nats_url: str, keys_dir: Path, **others: Any) -> Settings:
    keys.make_missing(keys_dir)
    own: dict[str, Any] = as_service_and_owner(database_url) | {"log_level": "error"}
    return Settings(nats_url=nats_url, keys_dir=keys_dir, **own | others)


_templates: set[str] = set()


async def migrated_template(postgres: EmbeddedPostgres, service: str, migrate: Callable[[str], None]) -> str:
    """The name of a database with the service's tables, made once per test process and copied for each test."""
    name = f"template_{service}"
    if name in _templates:
        return name
    _templates.add(name)
    url = await postgres.create_database(name, owner=OWNER_ROLE)
    await anyio.to_thread.run_sync(migrate, url)
    return name


async def may_make_schemas(url: str) -> None:
    """Let the service make schemas in this database, as the gateway does."""
    connection = await asyncpg.connect(as_role(url, OWNER_ROLE))
    await connection.execute(f'GRANT CREATE ON DATABASE "{urlsplit(url).path.removeprefix("/")}" TO {SERVICE_ROLE}')
    await connection.close()


@asynccontextmanager
async def serving(make: Callable[[Settings], Any], settings: Settings) -> AsyncGenerator[ServiceUnderTest]:
    """The service's web application, without its relay and consumer: tests call those when they want them."""
    service = make(settings)
    process: Process = service.process
    app = service.application()
    token = Signer(settings.keys_dir).sign(ADMINISTRATOR, process.service)
    async with (
        looking_behind(settings.database_url, process.database.metadata) as database,
        app.router.lifespan_context(app),
        AsyncClient(
            transport=ASGITransport(app, raise_app_exceptions=False),
            base_url="http://service",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        yield ServiceUnderTest(process, client, settings.keys_dir, database)


@asynccontextmanager
async def looking_behind(url: str, metadata: MetaData) -> AsyncGenerator[Database]:
    """A database as somebody sees it from whom nothing is hidden."""
    database = Database(as_role(url, BEHIND_ROLE), metadata, pool_size=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


FreshDatabase = Callable[..., Awaitable[str]]
Serving = AsyncIterator[ServiceUnderTest]
