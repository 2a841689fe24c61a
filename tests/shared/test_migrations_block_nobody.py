"""Row 17: a migration runs beside the service of before it. Nobody waits for it long, and nothing that is used goes."""

import asyncio
import re
from collections.abc import Iterable

import alembic.command
import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from shared import migrations
from tests.shared.test_migrations import SERVICES, config_of
from tests.systems import FreshDatabase

WITH_THE_FIRST_RELEASE = {"charity": "0007", "events": "0004", "gateway": "0005", "volunteers": "0007"}
"""Up to these revisions nobody runs anything that could be blocked."""

WRITES_WAIT = "writes wait until all rows are read"
ALL_WAIT = "all wait until all rows are read or written"
OLD_CODE_FAILS = "the version before it still uses what goes"
RULES = {
    r"create (unique )?index (?!concurrently)(if not exists )?\S+ on (?P<table>\S+)": WRITES_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\balter (column )?\S+ (set data )?type\b": ALL_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\balter (column )?\S+ set not null": ALL_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\badd (constraint \S+ )?(check|foreign key)(?!.*not valid)": ALL_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\badd (constraint \S+ )?(unique|primary key)(?! using index)": ALL_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\badd (column )?\S+ (?!.*\bdefault\b).*\bnot null": OLD_CODE_FAILS,
    r"alter table (only )?(?P<table>\S+) .*\badd (column )?\S+ .*\b(default .*\(|generated|serial)": ALL_WAIT,
    r"alter table (only )?(?P<table>\S+) .*\bdrop (column )?(?!constraint|not null|default)\S+": OLD_CODE_FAILS,
    r"alter table (only )?(?P<table>\S+) .*\brename ": OLD_CODE_FAILS,
    r"drop table (if exists )?(?P<table>\S+)": OLD_CODE_FAILS,
    r"(vacuum full|cluster|reindex( table)?) (?P<table>\S+)": ALL_WAIT,
    r"insert into .*\bselect\b.* from (?P<table>[^\s,]+)": ALL_WAIT,
    r"update (only )?(?P<table>\S+) set": "rows stay locked until the end; fill them later, page by page",
}


def faults(statements: Iterable[str], tables: set[str]) -> list[str]:
    """What of these statements would be in the way of who uses these tables."""
    found: list[str] = []
    for statement in statements:
        words = " ".join(statement.lower().replace('"', "").split())
        for pattern, why in RULES.items():
            match = re.match(pattern, words)
            if match and match["table"].removeprefix("public.").split("(")[0] in tables:
                found.append(f"{words[:100]}: {why}")
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_no_migration_of_a_running_service_blocks_it_or_takes_away_what_it_uses(
    service: str, fresh_database: FreshDatabase
) -> None:
    url = await fresh_database()
    config = config_of(service, url)
    await asyncio.to_thread(alembic.command.upgrade, config, WITH_THE_FIRST_RELEASE[service])
    history = ScriptDirectory.from_config(config)
    later = [s.revision for s in history.iterate_revisions("head", WITH_THE_FIRST_RELEASE[service])][::-1]

    for revision in later:
        tables, files = await _tables(url)
        executed: list[str] = []

        def note(_conn: object, _cursor: object, statement: str, *_: object, to: list[str] = executed) -> None:
            to.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            await asyncio.to_thread(alembic.command.upgrade, config, revision)
        finally:
            event.remove(Engine, "before_cursor_execute", note)

        assert executed
        assert faults(executed, tables) == [], revision
        assert files - (await _tables(url))[1] == set(), f"{revision} writes tables anew"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX gift_day ON gift (day)",
        "CREATE UNIQUE INDEX gift_day ON gift(day)",
        'ALTER TABLE "gift" ALTER COLUMN day TYPE text',
        "ALTER TABLE gift ALTER day SET NOT NULL",
        "ALTER TABLE gift ADD CONSTRAINT positive CHECK (amount > 0)",
        "ALTER TABLE gift ADD CONSTRAINT of_centre FOREIGN KEY (centre_id) REFERENCES centre (id)",
        "ALTER TABLE gift ADD CONSTRAINT once UNIQUE (number)",
        "ALTER TABLE gift ADD COLUMN number INTEGER NOT NULL",
        "ALTER TABLE gift ADD COLUMN number UUID DEFAULT gen_random_uuid()",
        "ALTER TABLE gift DROP COLUMN day",
        "ALTER TABLE gift RENAME COLUMN day TO day_on",
        "DROP TABLE gift",
        "UPDATE gift SET day = now()",
        "INSERT INTO total SELECT day, count(*) FROM gift GROUP BY day",
    ],
)
def test_what_would_be_in_the_way_is_found(statement: str) -> None:
    assert faults([statement], {"gift"})
    assert not faults([statement], {"other"})


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE gift (id UUID NOT NULL, PRIMARY KEY (id))",
        "CREATE INDEX CONCURRENTLY gift_day ON gift (day)",
        "ALTER TABLE gift ADD COLUMN number INTEGER",
        "ALTER TABLE gift ADD COLUMN number INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE gift ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID",
        "ALTER TABLE gift VALIDATE CONSTRAINT positive",
        "ALTER TABLE gift ALTER COLUMN day DROP NOT NULL",
        "ALTER TABLE gift DROP CONSTRAINT positive",
        "UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005'",
    ],
)
def test_what_is_in_nobodys_way_is_let_be(statement: str) -> None:
    assert faults([statement], {"gift"}) == []


async def test_nobody_waits_behind_a_migration_that_waits_for_a_long_query(fresh_database: FreshDatabase) -> None:
    url = await fresh_database()
    config = config_of(SERVICES[0], url)
    await asyncio.to_thread(alembic.command.upgrade, config, "head")
    someone, other = await asyncpg.connect(url), await asyncpg.connect(url)
    # The policies seem to be of another version, and are put on anew: that takes all tables.
    await other.execute("COMMENT ON TABLE alembic_version IS 'of another version'")
    waited: list[bool] = []

    long_query = someone.transaction()
    await long_query.start()
    await someone.execute("SELECT count(*) FROM outbox")
    migrating = asyncio.create_task(asyncio.to_thread(alembic.command.upgrade, config, "head"))
    async with asyncio.timeout(60):
        # Until it has waited, given way and waited again.
        while [now for before, now in zip([False, *waited], waited, strict=False) if now and not before] != [True] * 2:
            waited.append(await _waits_for_tables(other))
            async with other.transaction():
                await other.execute("SET LOCAL lock_timeout = '5s'")
                # Raises where it waits for longer than that.
                await other.execute("LOCK TABLE outbox IN ROW EXCLUSIVE MODE")
    assert not migrating.done()
    await long_query.rollback()
    await migrating

    assert await other.fetchval("SELECT obj_description('alembic_version'::regclass)") != "of another version"
    await someone.close()
    await other.close()


async def test_a_migration_gives_up_in_the_end_and_has_changed_nothing(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await fresh_database()
    config = config_of(SERVICES[0], url)
    await asyncio.to_thread(alembic.command.upgrade, config, "head")
    monkeypatch.setattr(migrations, "_PAUSES_S", (0.01,))
    someone = await asyncpg.connect(url)
    await someone.execute("COMMENT ON TABLE alembic_version IS 'of another version'")

    async with someone.transaction():
        await someone.execute("SELECT count(*) FROM outbox")
        with pytest.raises(Exception, match="in use"):
            await asyncio.to_thread(alembic.command.upgrade, config, "head")

    assert await someone.fetchval("SELECT obj_description('alembic_version'::regclass)") == "of another version"
    await someone.close()


async def _waits_for_tables(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND NOT granted"
    )
    return await connection.fetchval(waiting) > 0


async def _tables(url: str) -> tuple[set[str], set[tuple[str, int]]]:
    """The tables there are, and in which file the rows of each are."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            " AND relname <> 'alembic_version'"
        )
        return {row["relname"] for row in rows}, {tuple(row) for row in rows}
    finally:
        await connection.close()
