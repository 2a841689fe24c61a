"""The charity service, fresh for each test, and what it has heard of centres."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from deploy.local.postgres import EmbeddedPostgres
from services.charity.app import Charity
from services.charity.consumers import consumer
from shared.access.principal import Principal
from shared.ids import new_id
from tests.charity import factories
from tests.systems import FreshDatabase, ServiceUnderTest, Serving, make_settings, migrated_template, serving

Make = Callable[..., Awaitable[str]]


class CharityUnderTest:
    """The charity service's doors, in the words of these tests."""

    def __init__(self, service: ServiceUnderTest) -> None:
        self.service = service
        self.database = service.database
        self.client = service.client
        self.process = service.process
        self.outbox = service.outbox

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(
        self, path: str, body: Any = None, *, by: Principal | None = None, key: str | None = None
    ) -> Response:
        """A request; with a new Idempotency-Key unless told otherwise."""
        headers = {"Idempotency-Key": key} if key else factories.keyed()
        if by is not None:
            headers |= self.service.as_principal(by)
        return await self.client.post(path, json={} if body is None else body, headers=headers)

    async def make(self, path: str, body: Any) -> str:
        """The id of what a request that must succeed makes."""
        answer = await self.post(path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def batch(self, path: str, *items: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers to the rows of a batch."""
        answer = await self.client.post(f"{path}/batches", json={"items": items})
        assert answer.status_code == 207, answer.text
        return answer.json()["items"]

    async def scalar(self, query: str, *arguments: Any) -> Any:
        return await self.database.pool.fetchval(query, *arguments)

    async def know_centre(self, **fields: Any) -> str:
        """The id of a centre that the service hears of: in Almaty unless told otherwise."""
        centre_id = str(new_id())
        opened = factories.delivered(factories.centre_opened(centre_id, **fields))
        await consumer.apply(self.process.database, [opened])
        return centre_id

    async def open_campaign(self, **fields: Any) -> str:
        campaign_id = await self.make("/v1/campaigns", factories.campaign(**fields))
        answer = await self.post(f"/v1/campaigns/{campaign_id}/openings")
        assert answer.status_code == 200, answer.text
        return campaign_id

    async def verified_family(self, centre_id: str, **fields: Any) -> dict[str, Any]:
        """A family that can be helped, as its view shows it."""
        family_id = await self.make("/v1/families", factories.family(centre_id, **fields))
        answer = await self.post(f"/v1/families/{family_id}/verifications", {"verified_on": "2021-02-01"})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
async def charity_template(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> str:
    keys_dir = tmp_path_factory.mktemp("keys")
    return await migrated_template(
        postgres, "charity", lambda url: Charity(make_settings(url, "nats://unused", keys_dir)).process.migrate()
    )


@pytest.fixture
async def charity(charity_template: str, fresh_database: FreshDatabase, tmp_path: Path) -> Serving:
    """The service's doors. Its relay and consumer do not run: NATS is not needed."""
    url = await fresh_database(template=charity_template)
    settings = make_settings(url, "nats://unused", tmp_path / "keys", pool_size=20)
    async with serving(Charity, settings) as service:
        yield CharityUnderTest(service)  # type: ignore[misc]


@pytest.fixture
async def centre(charity: CharityUnderTest) -> str:
    """The id of a centre in Almaty."""
    return await charity.know_centre()


@pytest.fixture
async def campaign(charity: CharityUnderTest) -> str:
    """The id of a campaign that takes gifts."""
    return await charity.open_campaign()
