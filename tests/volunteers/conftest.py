"""The volunteers service, fresh for each test."""

from pathlib import Path

import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.volunteers.app import Volunteers
from tests.systems import FreshDatabase, ServiceUnderTest, Serving, make_settings, migrated_template, polite, serving


@pytest.fixture(scope="session")
async def volunteers_template(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> str:
    keys_dir = tmp_path_factory.mktemp("keys")
    return await migrated_template(
        postgres,
        "volunteers",
        lambda url: Volunteers(make_settings(url, "nats://unused", keys_dir)).process.migrate(),
    )


@pytest.fixture
async def volunteers(volunteers_template: str, fresh_database: FreshDatabase, tmp_path: Path) -> Serving:
    """The service's doors. Its relay and consumer do not run: NATS is not needed."""
    url = await fresh_database(template=volunteers_template)
    async with serving(Volunteers, make_settings(url, "nats://unused", tmp_path / "keys")) as service:
        service.client.event_hooks["request"].append(polite)
        yield service


@pytest.fixture
async def centre(volunteers: ServiceUnderTest) -> str:
    """The id of a working volunteer centre in Almaty."""
    answer = await volunteers.post(
        "/v1/centres",
        {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]
