"""Each service's history of its database: it goes up, down and up again, and ends where the tables say."""

import asyncio
from pathlib import Path

import alembic.command
import alembic.config
import asyncpg
import pytest
from alembic.script import ScriptDirectory

import services
from shared import migrations
from tests.shared.conftest import until
from tests.systems import FreshDatabase

HOUSE = Path(services.__file__).parent
SERVICES = sorted(path.parent.name for path in HOUSE.glob("*/migrations"))


def config_of(service: str, url: str) -> alembic.config.Config:
    config = alembic.config.Config(attributes={"database_url": url})
    config.set_main_option("script_location", str(HOUSE / service / "migrations"))
    return config


async def schema(url: str) -> set[tuple[str, ...]]:
    """Everything there is: columns, constraints, indexes, sequences."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT 'column', table_name, column_name, data_type, is_nullable, coalesce(column_default, '')"
            " FROM information_schema.columns WHERE table_schema = 'public'"
            " UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " UNION ALL SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes"
            " WHERE schemaname = 'public'"
            " UNION ALL SELECT 'sequence', sequencename, start_value::text, increment_by::text, '', ''"
            " FROM pg_sequences WHERE schemaname = 'public'"
            " UNION ALL SELECT 'routine', proname, prosrc, '', '', '' FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace"
            " UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, '', '', '' FROM pg_trigger"
            " WHERE NOT tgisinternal"
        )
    finally:
        await connection.close()
    return {tuple(row) for row in rows if row[1] != "alembic_version"}


@pytest.mark.parametrize("service", SERVICES)
async def test_up_down_and_up_again_is_the_same(service: str, fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    config = config_of(service, url)

    await asyncio.to_thread(alembic.command.upgrade, config, "head")
    first = await schema(url)
    await asyncio.to_thread(alembic.command.downgrade, config, "base")
    nothing = await schema(url)
    await asyncio.to_thread(alembic.command.upgrade, config, "head")
    again = await schema(url)

    assert first
    assert nothing == set()
    assert again == first


@pytest.mark.parametrize("service", SERVICES)
async def test_the_history_ends_where_the_tables_say(service: str, fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    config = config_of(service, url)
    await asyncio.to_thread(alembic.command.upgrade, config, "head")

    await asyncio.to_thread(alembic.command.check, config)  # raises where it would change something


async def test_of_processes_that_migrate_at_once_one_goes_first(fresh_database: FreshDatabase) -> None:
    """The lock is of `shared.migrations`, so that one service stands for all."""
    url = await fresh_database()
    first = await asyncpg.connect(url)
    async with first.transaction():
        await first.execute("SELECT pg_advisory_xact_lock($1)", migrations._LOCK)  # noqa: SLF001
        second = asyncio.create_task(asyncio.to_thread(alembic.command.upgrade, config_of(SERVICES[0], url), "head"))
        await until(lambda: _waits(first))
        assert await schema(url) == set()
    await first.close()

    await second
    assert await schema(url)


async def _waits(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return await connection.fetchval(waiting) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_history_is_one_line_and_its_scripts_are_named_in_its_order(service: str) -> None:
    directory = ScriptDirectory.from_config(config_of(service, ""))
    from_the_newest = list(directory.walk_revisions())

    assert len(directory.get_heads()) == len(directory.get_bases()) == 1
    assert all(revision.doc for revision in from_the_newest)
    # Services know by the names alone whether a database is behind them.
    names = sorted((Path(revision.path).name for revision in from_the_newest), reverse=True)
    assert [name.partition("_")[0] for name in names] == [revision.revision for revision in from_the_newest]
