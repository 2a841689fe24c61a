"""The events service, fresh for each test, and what it has heard from the others."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.events.app import Events
from services.events.consumers import consumer
from shared.ids import new_id
from tests.events import factories
from tests.systems import FreshDatabase, ServiceUnderTest, Serving, make_settings, migrated_template, serving

Make = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
async def events_template(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> str:
    keys_dir = tmp_path_factory.mktemp("keys")
    return await migrated_template(
        postgres, "events", lambda url: Events(make_settings(url, "nats://unused", keys_dir)).process.migrate()
    )


@pytest.fixture
async def events(events_template: str, fresh_database: FreshDatabase, tmp_path: Path) -> Serving:
    """The service's doors. Its relay and consumer do not run: NATS is not needed."""
    url = await fresh_database(template=events_template)
    async with serving(Events, make_settings(url, "nats://unused", tmp_path / "keys")) as service:
        yield service


@pytest.fixture
async def centre(events: ServiceUnderTest) -> str:
    """The id of a centre in Almaty that the service has heard of."""
    centre_id = str(new_id())
    await consumer.apply(events.process.database, [factories.delivery(factories.centre_opened(centre_id))])
    return centre_id


@pytest.fixture
def volunteer(events: ServiceUnderTest) -> Make:
    """Makes volunteers that the service has heard of: `volunteer_id = await volunteer(born_in="2005-03")`."""

    async def make(**fields: Any) -> str:
        volunteer_id = str(new_id())
        fact = factories.volunteer_approved(volunteer_id, **fields)
        await consumer.apply(events.process.database, [factories.delivery(fact)])
        return volunteer_id

    return make


@pytest.fixture
def event(events: ServiceUnderTest, centre: str) -> Make:
    """Makes events: `event_id = await event(status="draft")`."""

    async def make(**fields: Any) -> str:
        answer = await events.post("/v1/events", factories.event(centre, **fields))
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    return make


@pytest.fixture
def shift(events: ServiceUnderTest, event: Make) -> Make:
    """Makes shifts, of an event of their own unless told: `shift_id = await shift(needed=2)`."""

    async def make(event_id: str | None = None, **fields: Any) -> str:
        answer = await events.post("/v1/shifts", factories.shift(event_id or await event(), **fields))
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    return make
