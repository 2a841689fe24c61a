"""The journal: added to by one after the other, never changed, and found out when it is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from deploy.local.postgres import EmbeddedPostgres
from services.volunteers.app import Volunteers
from shared import journal
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING, Principal, person
from shared.database import Database
from tests.shared.conftest import until
from tests.systems import FreshDatabase, ServiceUnderTest, make_settings, migrated_template, serving

NOW = datetime(2026, 11, 26, 9, 30, 0, 123457, tzinfo=UTC)
METADATA = MetaData()
journal.remember_journal(METADATA)


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> AsyncIterator[Database]:
    url = await fresh_database()
    connection = await asyncpg.connect(url)
    table = METADATA.tables["journal"]
    await connection.execute(str(CreateTable(table).compile(dialect=dialect())))
    for index in table.indexes:
        await connection.execute(str(CreateIndex(index).compile(dialect=dialect())))
    for statement in journal.CREATE:
        await connection.execute(statement)
    await connection.close()
    database = Database(url, METADATA)
    await database.open()
    yield database
    await database.close()


async def note(database: Database, *records: str, purpose: str | None = "Байланысу үшін") -> None:
    async with database.transaction(EVERYTHING) as tx:
        for record in records:
            journal.write(tx, by="person:1", what="disclosed", record=record, purpose=purpose, now=NOW)


async def tamper(database: Database, statement: str) -> None:
    async with database.pool.acquire() as connection:
        # As the databases' administrator can.
        await connection.execute(f"SET session_replication_role = replica; {statement}; RESET session_replication_role")


async def test_what_is_written_makes_a_whole_chain(database: Database) -> None:
    await note(database, "volunteer/1")
    await note(database, "volunteer/2", "family/3", purpose=None)

    checked = await journal.check(database.pool)

    assert checked.faults == []
    assert checked.head.number == 3
    rows = await database.pool.fetch("SELECT number, record FROM journal ORDER BY number")
    assert [(row["number"], row["record"]) for row in rows] == [(1, "volunteer/1"), (2, "volunteer/2"), (3, "family/3")]


async def test_an_empty_journal_is_whole(database: Database) -> None:
    assert (await journal.check(database.pool)).faults == []


async def test_many_writers_at_once_stand_in_line(database: Database) -> None:
    await asyncio.gather(*(note(database, f"volunteer/{number}", f"family/{number}") for number in range(40)))

    checked = await journal.check(database.pool)

    assert (checked.faults, checked.head.number) == ([], 80)


async def test_what_is_undone_leaves_no_gap(database: Database) -> None:
    async def fail_after_all() -> None:
        async with database.transaction(EVERYTHING) as tx:
            journal.write(tx, by="person:1", what="disclosed", record="volunteer/1", now=NOW)
            await tx.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_all()
    await note(database, "volunteer/2")

    checked = await journal.check(database.pool)

    assert (checked.faults, checked.head.number) == ([], 1)


async def test_a_writer_waits_for_the_one_before(database: Database) -> None:
    async with database.transaction(EVERYTHING) as first:
        journal.write(first, by="person:1", what="disclosed", record="volunteer/1", now=NOW)
        await first.flush()
        second = asyncio.create_task(note(database, "volunteer/2"))
        waiting = "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await until(lambda: database.pool.fetchval(waiting))
    await second

    assert [row["record"] for row in await database.pool.fetch("SELECT record FROM journal ORDER BY number")] == [
        "volunteer/1",
        "volunteer/2",
    ]


@pytest.mark.parametrize("statement", ["UPDATE journal SET purpose = 'x'", "DELETE FROM journal", "TRUNCATE journal"])
async def test_nothing_of_it_is_changed(database: Database, statement: str) -> None:
    await note(database, "volunteer/1")

    with pytest.raises(asyncpg.RaiseError):
        await database.pool.execute(statement)


async def test_who_writes_cannot_choose_number_or_hash(database: Database) -> None:
    await note(database, "volunteer/1")
    await database.pool.execute(
        "INSERT INTO journal (number, at, by, what, record, outcome, previous, hash)"
        " VALUES (7, now(), 'x', 'x', 'x', 'done', 'x', 'x')"
    )

    checked = await journal.check(database.pool)

    assert (checked.faults, checked.head.number) == ([], 2)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE journal SET purpose = 'Басқа' WHERE number = 2", "row 2 was altered"),
        ("UPDATE journal SET by = 'person:2' WHERE number = 2", "row 2 was altered"),
        ("UPDATE journal SET outcome = 'refused' WHERE number = 2", "row 2 was altered"),
        ("UPDATE journal SET at = at + interval '1 microsecond' WHERE number = 2", "row 2 was altered"),
        ("UPDATE journal SET hash = set_byte(hash, 5, get_byte(hash, 5) # 1) WHERE number = 2", "row 2 was altered"),
        ("UPDATE journal SET previous = set_byte(previous, 0, 9) WHERE number = 2", "does not follow"),
        ("DELETE FROM journal WHERE number = 2", "rows 2 to 2 are missing"),
        ("DELETE FROM journal WHERE number = 1", "rows 1 to 1 are missing"),
        (
            "DELETE FROM journal WHERE number = 2; UPDATE journal SET number = number - 1 WHERE number > 2",
            "does not follow",
        ),
        (
            "UPDATE journal SET number = 4 WHERE number = 3;"
            " INSERT INTO journal SELECT 3, at, by, what, record, purpose, outcome, previous, hash FROM journal"
            " WHERE number = 2",
            "row 3 does not follow",
        ),
    ],
)
async def test_what_somebody_has_changed_is_found(database: Database, statement: str, fault: str) -> None:
    await note(database, "volunteer/1", "volunteer/2", "volunteer/3")

    await tamper(database, statement)

    assert any(fault in found for found in (await journal.check(database.pool)).faults)


async def test_a_tail_that_was_cut_off_is_missed_by_who_saw_it(database: Database) -> None:
    await note(database, "volunteer/1", "volunteer/2", "volunteer/3")
    seen = (await journal.check(database.pool)).head

    await tamper(database, "DELETE FROM journal WHERE number > 1")

    assert (await journal.check(database.pool)).faults == []
    assert (await journal.check(database.pool, seen=seen)).faults == ["rows 2 to 3 were cut off"]
    await note(database, "volunteer/4", "volunteer/5")
    assert (await journal.check(database.pool, seen=seen)).faults == ["row 3 is another one than it was"]


@pytest.mark.parametrize(
    "purpose", ["", "ЖСН 900101300123 керек", "amina@example.org туралы", "Бірінші\nекінші", "+7 7011234567"]
)
def test_a_purpose_names_nobody(purpose: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(journal.Purpose).validate_python(purpose)


# --- its doors --------------------------------------------------------------------------------------------------------


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
async def service(
    volunteers_template: str, fresh_database: FreshDatabase, tmp_path: Path
) -> AsyncIterator[ServiceUnderTest]:
    url = await fresh_database(template=volunteers_template)
    async with serving(Volunteers, make_settings(url, "nats://unused", tmp_path / "keys")) as volunteers:
        yield volunteers


async def test_it_is_read_in_pages_newest_first(service: ServiceUnderTest) -> None:
    await note(service.database, *(f"volunteer/{number}" for number in range(5)))

    first = (await service.client.get("/v1/journal/volunteers?limit=2")).json()
    await note(service.database, "volunteer/new")
    second = (await service.client.get(first["next"])).json()

    assert [entry["number"] for entry in first["items"]] == [5, 4]
    assert [entry["number"] for entry in second["items"]] == [3, 2]
    assert first["items"][0] == {
        "number": 5,
        "at": "2026-11-26T09:30:00.123457Z",
        "by": "person:1",
        "what": "disclosed",
        "record": "volunteer/4",
        "purpose": "Байланысу үшін",
        "outcome": "done",
    }


async def test_it_is_read_by_record_and_by_who(service: ServiceUnderTest) -> None:
    await note(service.database, "volunteer/1", "volunteer/2")

    found = (await service.client.get("/v1/journal/volunteers?record=volunteer/2&by=person:1")).json()
    nothing = (await service.client.get("/v1/journal/volunteers?by=person:2")).json()

    assert [entry["number"] for entry in found["items"]] == [2]
    assert nothing["items"] == []


@pytest.mark.parametrize(
    ("principal", "status"),
    [
        (person("person:a", Role.AUDITOR), 200),
        (person("person:a", Role.AUDITOR, centres=[]), 403),
        (person("person:c", Role.COORDINATOR), 403),
        (person("person:v", Role.VOLUNTEER), 403),
    ],
)
async def test_administrators_and_auditors_of_the_whole_network_read_it(
    service: ServiceUnderTest, principal: Principal, status: int
) -> None:
    answer = await service.client.get("/v1/journal/volunteers", headers=service.as_principal(principal))

    assert answer.status_code == status
