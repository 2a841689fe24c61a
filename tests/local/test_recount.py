"""Verification can ask the databases as they are now."""

from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.operate import recount
from tests.access.world import SERVICES
from tests.systems import BEHIND_ROLE, as_role, make_settings, migrated_template


@pytest.fixture
async def connections(postgres: EmbeddedPostgres, tmp_path: Path) -> dict[str, Any]:
    """To each service's own tables, as whoever verifies is connected."""
    opened: dict[str, Any] = {}
    for name, make in SERVICES.items():
        settings = partial(make_settings, nats_url="nats://unused", keys_dir=tmp_path)

        def migrate(url: str, make: type[Any] = make, settings: Any = settings) -> None:
            make(settings(url)).process.migrate()

        template = await migrated_template(postgres, name, migrate)
        opened[name] = await asyncpg.connect(as_role(postgres.url(template), BEHIND_ROLE))
    return opened


async def test_every_question_is_one_that_the_tables_answer(connections: dict[str, Any]) -> None:
    try:
        assert await recount.daily(connections) == {}
        assert await recount.distinct(connections["charity"]) == {}
        assert list(await recount.ledger(connections["charity"])) == []
    finally:
        for connection in connections.values():
            await connection.close()
