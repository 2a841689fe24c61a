"""The gateway's read model and its web server, fresh for each test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.gateway.app import Gateway
from services.gateway.settings import GatewaySettings
from shared.access import keys
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import RunningGateway, UpstreamService
from tests.systems import OWNER_ROLE, FreshDatabase, as_service_and_owner, may_make_schemas, migrated_template


def make_settings(database_url: str, nats_url: str, keys_dir: Path, **others: Any) -> GatewaySettings:
    keys.make_missing(keys_dir)
    nowhere: dict[str, Any] = {
        f"{service}_url": "http://127.0.0.1:1" for service in ("volunteers", "events", "charity")
    }
    own: dict[str, Any] = {"log_level": "error", "port": 0, "pool_size": 5, "trusted_proxies": "127.0.0.1"}
    own |= as_service_and_owner(database_url)
    # Tests ask in a minute what a person asks in a day; those of the limits themselves set them.
    per_minute = ("requests", "key_requests", "anonymous_requests", "searches")
    ample: dict[str, Any] = {f"{what}_per_minute": 10**6 for what in per_minute} | {"streams_per_caller": 10**6}
    return GatewaySettings(nats_url=nats_url, keys_dir=keys_dir, **nowhere | own | ample | others)


@pytest.fixture(scope="session")
async def gateway_template(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> str:
    keys_dir = tmp_path_factory.mktemp("keys")
    return await migrated_template(
        postgres,
        "gateway",
        lambda url: Gateway(make_settings(url, "nats://unused", keys_dir)).process.migrate(),
    )


@pytest.fixture
async def settings(gateway_template: str, fresh_database: FreshDatabase, tmp_path: Path) -> GatewaySettings:
    """Settings over a database of its own. NATS is named but not there."""
    url = await fresh_database(template=gateway_template)
    await may_make_schemas(url)
    return make_settings(url, "nats://127.0.0.1:1", tmp_path / "keys")


@pytest.fixture
async def own_model(settings: GatewaySettings) -> AsyncIterator[ReadModelUnderTest]:
    """A read model in a database of its own, for who is going to break it."""
    async with ReadModelUnderTest.opened(settings) as model:
        yield model


@pytest.fixture(scope="session")
async def shared_settings(
    postgres: EmbeddedPostgres, gateway_template: str, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> GatewaySettings:
    url = await postgres.create_database("gateway_shared", template=gateway_template, owner=OWNER_ROLE)
    await may_make_schemas(url)
    return make_settings(url, "nats://127.0.0.1:1", tmp_path_factory.mktemp("gateway") / "keys")


@pytest.fixture(scope="session")
async def shared_model(shared_settings: GatewaySettings) -> AsyncIterator[ReadModelUnderTest]:
    async with ReadModelUnderTest.opened(shared_settings) as model:
        yield model


@pytest.fixture
async def model(shared_model: ReadModelUnderTest) -> ReadModelUnderTest:
    """A read model, empty, without a web server."""
    await shared_model.forget()
    return shared_model


@pytest.fixture
async def upstream(anyio_backend: str) -> AsyncIterator[UpstreamService]:
    """A service that tells what it was asked."""
    async with UpstreamService() as service:
        yield service


@pytest.fixture
async def gateway(
    shared_settings: GatewaySettings, model: ReadModelUnderTest, upstream: UpstreamService
) -> AsyncIterator[RunningGateway]:
    """A gateway with a real web server, with the `upstream` as volunteers service and nobody as the others."""
    async with RunningGateway(shared_settings.model_copy(update={"volunteers_url": upstream.url})) as running:
        yield running


@pytest.fixture
async def own_gateway(settings: GatewaySettings) -> AsyncIterator[RunningGateway]:
    """A gateway over a database of its own, with nobody in it."""
    async with RunningGateway(settings) as running:
        yield running
