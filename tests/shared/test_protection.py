"""What tables say of access is what their database does: policies, rights, and nothing for whoever says nothing."""

import asyncio
from importlib import import_module
from pathlib import Path

import alembic.command
import alembic.config
import asyncpg
import pytest
from sqlalchemy import MetaData

import services
from shared.reach import Open, access_of, is_append_only, scope_of
from tests.systems import OWNER_ROLE, SERVICE_ROLE, FreshDatabase, as_role

HOUSE = Path(services.__file__).parent
SERVICES = sorted(path.parent.name for path in HOUSE.glob("*/migrations"))
OWNERS = [name for name in SERVICES if name != "gateway"]
ADDING, ALL_FOUR = {"SELECT", "INSERT"}, {"SELECT", "INSERT", "UPDATE", "DELETE"}


def metadata_of(service: str) -> MetaData:
    return import_module(f"services.{service}.tables").Base.metadata


def _migrate(service: str, url: str, to: str = "head", *, role: str | None = SERVICE_ROLE) -> None:
    attributes = {"database_url": as_role(url, OWNER_ROLE), "service_role": role}
    config = alembic.config.Config(attributes=attributes)
    config.set_main_option("script_location", str(HOUSE / service / "migrations"))
    (alembic.command.downgrade if to == "base" else alembic.command.upgrade)(config, to)


async def migrated(service: str, fresh_database: FreshDatabase) -> str:
    url = await fresh_database()
    await asyncio.to_thread(_migrate, service, url)
    return url


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_says_who_reaches_its_rows(service: str) -> None:
    for table in metadata_of(service).tables.values():
        access = access_of(table)
        assert access is not None, f"{table.name}: say `scoped_by(…)` or `open_to_all(because)` in its info"
        assert not isinstance(access, Open) or access.because


@pytest.mark.parametrize("service", SERVICES)
async def test_the_database_does_what_the_tables_say(service: str, fresh_database: FreshDatabase) -> None:
    connection = await asyncpg.connect(await migrated(service, fresh_database))
    try:
        held = {
            row["relname"]
            for row in await connection.fetch(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity"
                " AND relforcerowsecurity"
            )
        }
        policies: dict[str, set[str]] = {}
        for row in await connection.fetch("SELECT tablename, cmd FROM pg_policies WHERE permissive = 'PERMISSIVE'"):
            policies.setdefault(row["tablename"], set()).add(row["cmd"])
        rights: dict[str, set[str]] = {}
        for row in await connection.fetch(
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants"
            " WHERE grantee = $1 AND table_schema = 'public'",
            SERVICE_ROLE,
        ):
            rights.setdefault(row["table_name"], set()).add(row["privilege_type"])
    finally:
        await connection.close()

    tables = metadata_of(service).tables.values()
    scoped = {table.name for table in tables if scope_of(table) is not None}
    assert held == set(policies) == scoped
    assert all(commands == ALL_FOUR for commands in policies.values())
    assert rights.pop("alembic_version") == {"SELECT"}
    assert rights == {table.name: ADDING if is_append_only(table) else ALL_FOUR for table in tables}


@pytest.mark.parametrize("service", OWNERS)
async def test_whoever_says_nothing_sees_nothing_and_adds_nothing(service: str, fresh_database: FreshDatabase) -> None:
    """As the service's own role: T1's raw SQL."""
    connection = await asyncpg.connect(as_role(await migrated(service, fresh_database), SERVICE_ROLE))
    try:
        for table in metadata_of(service).sorted_tables:
            scope = scope_of(table)
            if scope is None or not scope.hides:
                continue
            assert await connection.fetchval(f'SELECT count(*) FROM "{table.name}"') == 0  # noqa: S608
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(
                    f'INSERT INTO "{table.name}" SELECT * FROM jsonb_populate_record(NULL::"{table.name}", $1)',  # noqa: S608
                    '{"id": "00000000-0000-0000-0000-000000000001"}',
                )
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_cannot_rewrite_what_is_append_only_nor_change_its_tables(
    service: str, fresh_database: FreshDatabase
) -> None:
    connection = await asyncpg.connect(as_role(await migrated(service, fresh_database), SERVICE_ROLE))
    kept = [table.name for table in metadata_of(service).tables.values() if is_append_only(table)]
    try:
        assert kept
        for name in kept:
            column = "at" if name == "journal" else "occurred_on"
            for statement in (f'UPDATE "{name}" SET {column} = NULL', f'DELETE FROM "{name}"', f'TRUNCATE "{name}"'):  # noqa: S608
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                    await connection.execute(statement)
        for statement in (
            "ALTER TABLE outbox ADD COLUMN more TEXT" if service in OWNERS else "ALTER TABLE feed ADD COLUMN more TEXT",
            "ALTER TABLE idempotency DISABLE ROW LEVEL SECURITY",
            "CREATE TABLE mine (id INT)",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_who_migrates_again_changes_nothing_and_disturbs_nobody(fresh_database: FreshDatabase) -> None:
    url = await migrated("events", fresh_database)
    reader = await asyncpg.connect(url)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM event")

        # A change of policies would wait for this reader, and give up.
        await asyncio.to_thread(_migrate, "events", url)
    await reader.close()


async def test_another_role_is_given_the_rights_in_its_turn(fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    await asyncio.to_thread(_migrate, "events", url, role=None)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _count_events(url)

    await asyncio.to_thread(_migrate, "events", url)

    assert await _count_events(url) == 0


async def _count_events(url: str) -> int:
    connection = await asyncpg.connect(as_role(url, SERVICE_ROLE))
    try:
        return await connection.fetchval("SELECT count(*) FROM event")
    finally:
        await connection.close()
