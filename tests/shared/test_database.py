"""Transactions: writes that leave together, and what happens when they must not."""
# ruff: noqa: PT012 - a transaction that raises is a block.

import asyncio
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select

from shared.access.principal import EVERYTHING
from shared.database import Database, DatabaseUnavailable, Transaction
from shared.errors import AlreadyExists, Stale
from shared.ids import new_id
from shared.messaging.connection import Bus
from tests.shared.conftest import Opened, until
from tests.shared.kites import Kite, KiteFlown, KiteMade, NameTaken, Sky, TooShort, numbers

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = date(2026, 11, 22)
_KITE: Any = Kite.__table__  # type: ignore[attr-defined]  # SQLAlchemy adds it, and SQLModel does not declare it
_COUNT = select(func.count()).select_from(_KITE)
_NAMES = select(_KITE.c.name).where(_KITE.c.name == bindparam("name"))


async def stored(database: Database, what: str = "name FROM kite ORDER BY name") -> list[Any]:
    return [row[0] for row in await database.pool.fetch(f"SELECT {what}")]


async def make(database: Database, *names: str) -> list[Kite]:
    made = [Kite(name=name) for name in names]
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(*made)
    return made


async def test_t12_a_statement_that_takes_too_long_is_ended_in_the_server_as_well(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.pool.STATEMENT_MAX_S", 1.0)
    hasty = Database(database.url, database.metadata, pool_size=1)
    await hasty.open()
    try:
        with pytest.raises(DatabaseUnavailable):
            async with hasty.transaction(EVERYTHING) as tx:
                await tx.sql("SELECT pg_sleep(3600)")
        sleeping = "count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active'"
        await until(lambda: _is_zero(database, f"{sleeping} AND pid <> pg_backend_pid()"))
        # Its connection serves the next one.
        async with hasty.transaction(EVERYTHING) as tx:
            assert [row[0] for row in await tx.sql("SELECT 1")] == [1]
    finally:
        await hasty.close()


async def _is_zero(database: Database, what: str) -> bool:
    return await stored(database, what) == [0]


async def test_everything_that_a_command_gathers_leaves_in_one_statement(database: Database) -> None:
    old, _ = await make(database, "old", "other")
    async with database.transaction(EVERYTHING) as tx:
        await tx.get(Kite, old.id, lock=True)
        sent = _counting(tx)

        tx.insert(Kite(name="a"), Kite(name="b"))
        tx.put(Kite(id=old.id, name="put"))
        tx.increase(Sky, {"place": "steppe", "on": DAY}, flights=1)
        tx.announce(KiteMade(kite_id=old.id, name="put"), at=NOW)

    assert await stored(database) == ["a", "b", "other", "put"]
    assert [statement.partition(" ")[0] for statement in sent] == ["WITH", "COMMIT"]


def _counting(tx: Transaction) -> list[str]:
    """The statements that a transaction sends from now on."""
    sent: list[str] = []
    tx._connection.add_query_logger(lambda told: sent.append(told.query))  # noqa: SLF001  # only the connection knows
    return sent


@pytest.mark.parametrize("rows", [1, 2, 700])
async def test_values_come_back_as_they_were_given_however_many_rows_there_are(database: Database, rows: int) -> None:
    given = [
        Kite(
            name=f"Ұшқыш {n} \"'\\",
            note=None if n % 2 else "",
            colours=[[1, 2], ["қызыл", None], {"a": [True, 1.5]}] if n % 3 else [],
            history=None if n % 2 else {"a": {"b": [None]}},
            flown_on=DAY if n % 2 else None,
            seen_at=NOW,
        )
        for n in range(rows)
    ]

    async with database.transaction(EVERYTHING) as tx:
        tx.insert(*given)

    async with database.transaction(EVERYTHING) as tx:
        found = await tx.load(Kite, [kite.id for kite in given])
    assert [found[kite.id].model_dump() for kite in given] == [kite.model_dump() for kite in given]


async def test_a_row_that_is_put_again_is_replaced_and_the_later_of_two_wins(database: Database) -> None:
    [kite] = await make(database, "first")

    async with database.transaction(EVERYTHING) as tx:
        tx.put(Kite(id=kite.id, name="second", note="kept?"))
        tx.put(Kite(id=kite.id, name="third"), Kite(name="new"))

    assert await stored(database, "name || coalesce(note, '-') FROM kite ORDER BY name") == ["new-", "third-"]


async def test_counters_add_up_within_and_across_transactions(database: Database) -> None:
    async def add(amount: int) -> None:
        async with database.transaction(EVERYTHING) as tx:
            for _ in range(3):
                tx.increase(Sky, {"place": "steppe", "on": DAY}, flights=1, metres=amount)
            tx.increase(Sky, {"place": "lake", "on": DAY}, metres=-amount)

    await asyncio.gather(*(add(amount) for amount in range(1, 11)))

    rows = await database.pool.fetch("SELECT place, flights, metres FROM sky ORDER BY place")
    assert [tuple(row) for row in rows] == [("lake", 0, -55), ("steppe", 30, 165)]


async def test_a_row_inserted_and_changed_in_one_transaction_is_stored_once_as_it_ended(database: Database) -> None:
    async with database.transaction(EVERYTHING) as tx:
        kite = Kite(name="a")
        tx.insert(kite)
        kite.name = "b"
        tx.update(kite)
        tx.announce(KiteFlown(kite_id=kite.id, metres=1, on=DAY), at=NOW, version=kite.version)

    [row] = await database.pool.fetch("SELECT name, version FROM kite")
    assert tuple(row) == ("b", 2)


async def test_two_changes_in_one_transaction_are_two_versions(database: Database) -> None:
    [kite] = await make(database, "a")

    async with database.transaction(EVERYTHING) as tx:
        loaded = await tx.get(Kite, kite.id, lock=True)
        assert loaded is not None
        for name in ("b", "c"):
            loaded.name = name
            tx.update(loaded)
            tx.announce(KiteFlown(kite_id=kite.id, metres=1, on=DAY), at=NOW, version=loaded.version)

    assert await stored(database, "name || version FROM kite") == ["c3"]
    assert await stored(database, "version FROM outbox ORDER BY version") == [2, 3]


async def test_what_was_flushed_can_be_changed_again(database: Database) -> None:
    async with database.transaction(EVERYTHING) as tx:
        kite = Kite(name="a")
        tx.insert(kite)
        await tx.flush()
        kite.name = "b"
        tx.update(kite)

    assert await stored(database, "name || version FROM kite") == ["b2"]


async def test_of_two_who_read_the_same_version_the_later_is_stale_and_leaves_nothing(opened: Opened) -> None:
    one, other = await opened(), await opened()
    [kite] = await make(one, "a")

    async with one.transaction(EVERYTHING) as tx:
        mine = await tx.get(Kite, kite.id)
        with pytest.raises(Stale):
            async with other.transaction(EVERYTHING) as later:
                theirs = await later.get(Kite, kite.id)
                assert mine is not None
                assert theirs is not None
                mine.name = "mine"
                tx.update(mine)
                await tx.commit()
                theirs.name = "theirs"
                later.update(theirs)
                # Neither announced under another version nor written beside may it stay behind.
                later.announce(KiteFlown(kite_id=kite.id, metres=1, on=DAY), at=NOW, version=99)
                later.insert(Kite(name="beside"))

    assert await stored(one) == ["mine"]
    assert await stored(one, "version FROM outbox") == []


async def test_the_same_version_announced_twice_is_stale_and_the_same_first_version_exists_already(
    database: Database,
) -> None:
    kite_id = new_id()

    async def announce(version: int) -> None:
        async with database.transaction(EVERYTHING) as tx:
            tx.announce(KiteFlown(kite_id=kite_id, metres=1, on=DAY), at=NOW, version=version)

    for version in (1, 2, 11):
        await announce(version)

    for version, refusal in ((1, AlreadyExists), (2, Stale), (11, Stale)):
        with pytest.raises(refusal):
            await announce(version)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"name": "taken"}, NameTaken),
        ({"length_cm": -1}, TooShort),
        ({"id": UUID(int=1)}, AlreadyExists),
        ({"length_cm": 2_000_000}, asyncpg.CheckViolationError),
        ({"colours": None}, asyncpg.NotNullViolationError),
        ({"label": "six letters and more"}, asyncpg.StringDataRightTruncationError),
    ],
)
@pytest.mark.parametrize("flushed", [False, True])
async def test_a_violated_constraint_is_what_it_means_and_nothing_stays(
    database: Database, change: dict[str, Any], refusal: type[Exception], flushed: bool
) -> None:
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(Kite(id=UUID(int=1), name="taken"))

    with pytest.raises(refusal) as caught:
        async with database.transaction(EVERYTHING) as tx:
            tx.insert(Kite(name="beside"))
            if flushed:
                await tx.flush()
            tx.insert(Kite(**{"name": "new"} | change))

    assert caught.value.__cause__ is not caught.value
    assert await stored(database) == ["taken"]


async def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(EVERYTHING) as tx:
            tx.insert(Kite(name="a"))
            await tx.flush()
            tx.insert(Kite(name="b"))
            raise ZeroDivisionError

    assert await stored(database) == []


async def test_an_attempt_is_undone_alone_even_within_another(database: Database) -> None:
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(Kite(name="before"))
        with pytest.raises(ZeroDivisionError):
            async with tx.attempt():
                tx.insert(Kite(name="outer"))
                with pytest.raises(NameTaken):
                    async with tx.attempt():
                        tx.insert(Kite(name="inner"), Kite(name="before"))
                tx.announce(KiteMade(kite_id=new_id(), name="outer"), at=NOW)
                await tx.flush()
                raise ZeroDivisionError
        assert not tx.announced
        async with tx.attempt():
            tx.insert(Kite(name="second attempt"))
        tx.insert(Kite(name="after"))

    assert await stored(database) == ["after", "before", "second attempt"]
    assert await stored(database, "body FROM outbox") == []


async def test_a_rehearsal_hears_what_the_database_would_say_and_leaves_nothing(database: Database) -> None:
    await make(database, "before")
    async with database.transaction(EVERYTHING) as tx:
        async with tx.rehearsal():
            kite = Kite(name="rehearsed")
            tx.insert(kite)
            tx.announce(KiteMade(kite_id=kite.id, name="rehearsed"), at=NOW)
            assert [await tx.number(numbers), await tx.number(numbers)] == [-1, -2]
        with pytest.raises(NameTaken):
            async with tx.rehearsal():
                tx.insert(Kite(name="before"))
        assert not tx.wrote
        assert not tx.announced
        tx.insert(Kite(name="meant"))
        assert await tx.number(numbers) == 1001

    assert await stored(database) == ["before", "meant"]
    assert await stored(database, "body FROM outbox") == []


async def test_a_row_is_read_anew_after_an_attempt_failed(database: Database) -> None:
    [kite] = await make(database, "a")

    async with database.transaction(EVERYTHING) as tx:
        with pytest.raises(ZeroDivisionError):
            async with tx.attempt():
                changed = await tx.get(Kite, kite.id, lock=True)
                assert changed is not None
                changed.name = "changed"
                tx.update(changed)
                raise ZeroDivisionError
        again = await tx.get(Kite, kite.id, lock=True)
        assert again is not None
        assert (again.name, again.version) == ("a", 1)
        tx.update(again)

    assert await stored(database, "name || version FROM kite") == ["a2"]


async def test_what_a_refused_block_gathered_is_forgotten_and_the_rest_leaves(database: Database) -> None:
    announced: list[bool] = []
    database.on_announced = lambda: announced.append(True)

    async with database.transaction(EVERYTHING) as tx:
        tx.insert(Kite(name="before"))
        for name in ("refused", "kept"):
            try:
                async with tx.unless_refused():
                    tx.insert(Kite(name=name))
                    tx.increase(Sky, {"place": "steppe", "on": DAY}, flights=1)
                    if name == "refused":
                        tx.announce(KiteMade(kite_id=new_id(), name=name), at=NOW)
                        raise TooShort  # noqa: TRY301
            except TooShort:
                pass

    assert await stored(database) == ["before", "kept"]
    assert await stored(database, "flights FROM sky") == [1]
    assert (await stored(database, "body FROM outbox"), announced) == ([], [])


async def test_a_flush_within_a_block_sends_what_was_gathered_around_it_first(database: Database) -> None:
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(Kite(name="before"))
        async with tx.unless_refused():
            await tx.flush()
            assert await tx.scalar(_COUNT) == 1
            tx.insert(Kite(name="within"))

    assert await stored(database) == ["before", "within"]


async def test_a_statement_written_once_serves_with_any_value(database: Database) -> None:
    await make(database, "a", "b")

    async with database.transaction(EVERYTHING) as tx:
        assert [row["name"] for row in await tx.fetch(_NAMES, name="b")] == ["b"]
        assert await tx.fetch_one(_NAMES, name="c") is None
        assert await tx.scalar(_NAMES, name="a") == "a"


async def test_a_row_is_read_once_and_again_when_it_is_to_be_locked(opened: Opened) -> None:
    database, other = await opened(), await opened()
    [kite] = await make(database, "a")

    async with database.transaction(EVERYTHING) as tx:
        first = await tx.get(Kite, kite.id)
        await other.pool.execute("UPDATE kite SET name = 'b'")
        assert await tx.get(Kite, kite.id) is first
        locked = await tx.get(Kite, kite.id, lock=True)
        assert locked is not None
        assert locked.name == "b"
        assert await tx.get(Kite, kite.id, lock=True) is locked


async def test_rows_are_locked_in_one_order_so_that_many_who_want_the_same_never_stop_each_other(
    opened: Opened,
) -> None:
    database = await opened(pool_size=10)
    ids = [kite.id for kite in await make(database, *map(str, range(20)))]

    async def change(wanted: list[UUID]) -> None:
        async with database.transaction(EVERYTHING) as tx:
            for kite in (await tx.load(Kite, wanted, lock=True)).values():
                tx.update(kite)

    await asyncio.gather(*(change(ids if n % 2 else ids[::-1]) for n in range(10)))

    assert set(await stored(database, "version FROM kite")) == {11}


async def test_short_numbers_are_unique_over_processes_and_ascending_within_one(
    own_database: None, opened: Opened
) -> None:
    databases = [await opened(), await opened()]

    async def take(database: Database) -> list[int]:
        taken: list[int] = []
        for _ in range(130):
            async with database.transaction(EVERYTHING) as tx:
                taken.append(await tx.number(numbers))
        return taken

    one, other = await asyncio.gather(*map(take, databases))

    assert one == sorted(one)
    assert other == sorted(other)
    assert len({*one, *other}) == 260
    assert min(one + other) == 1001


async def test_nobody_is_told_of_an_announcement_before_it_is_stored(database: Database) -> None:
    told: list[bool] = []
    database.on_announced = lambda: told.append(True)

    with pytest.raises(ZeroDivisionError):
        async with database.transaction(EVERYTHING) as tx:
            tx.announce(KiteMade(kite_id=new_id(), name="a"), at=NOW)
            raise ZeroDivisionError
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(Kite(name="silent"))
    assert not told

    async with database.transaction(EVERYTHING) as tx:
        tx.announce(KiteMade(kite_id=new_id(), name="a"), at=NOW)
    assert told == [True]


# --- connections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["begin", "read", "flush", "commit"])
async def test_a_cancelled_transaction_leaves_no_connection_in_an_open_one(opened: Opened, when: str) -> None:
    """Cut off at any point, the only connection of the pool serves the next one, and nothing was stored."""
    database, other = await opened(pool_size=1), await opened()
    [kite] = await make(database, "a")
    async with other.transaction(EVERYTHING) as blocker:
        await blocker.begin()
        await blocker.sql("LOCK TABLE kite IN ACCESS EXCLUSIVE MODE")

        async def work() -> None:
            async with database.transaction(EVERYTHING) as tx:
                if when == "begin":
                    await tx.begin()
                    await asyncio.Event().wait()
                if when == "read":
                    await tx.get(Kite, kite.id, lock=True)
                tx.insert(Kite(name="never"))
                if when == "flush":
                    await tx.flush()

        task = asyncio.create_task(work())
        if when == "begin":
            await until(lambda: database.pool.get_idle_size() == 0)
        else:
            await until(lambda: _waits_for_a_lock(other))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await stored(database) == ["a"]
    assert await database.pool.fetchval("SELECT pg_current_xact_id_if_assigned() IS NULL")
    async with database.pool.acquire() as connection:
        assert not connection.is_in_transaction()


async def _waits_for_a_lock(database: Database) -> bool:
    return bool(await database.pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


async def test_cancelled_just_as_it_begins_a_transaction_is_not_left_open(opened: Opened) -> None:
    """However few steps it got, from the first to the last: found by cancelling after each of them."""
    database = await opened(pool_size=1)
    for steps in range(40):
        task = asyncio.create_task(_insert_slowly(database, f"{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5), database.pool.acquire() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned() IS NULL")


async def _insert_slowly(database: Database, name: str) -> None:
    async with database.transaction(EVERYTHING) as tx:
        await tx.begin()
        tx.insert(Kite(name=name))
        await tx.flush()
        async with tx.attempt():
            tx.insert(Kite(name=f"{name} again"))


async def test_with_all_connections_taken_the_database_is_unavailable(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await opened(pool_size=1)
    async with database.transaction(EVERYTHING) as tx:
        await tx.begin()
        monkeypatch.setattr("shared.database.transaction.ACQUIRE_TIMEOUT_S", 0.05)
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction(EVERYTHING) as other:
                await other.begin()


@pytest.mark.parametrize("idle", [True, False])
async def test_a_lost_connection_is_unavailability_and_the_next_transaction_has_another(
    own_database: None, opened: Opened, idle: bool
) -> None:
    database, operator = await opened(pool_size=1), await opened()
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )

    if idle:
        await operator.pool.fetch(end_others)
    else:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction(EVERYTHING) as tx:
                tx.insert(Kite(name="lost"))
                await tx.flush()
                await operator.pool.fetch(end_others)
                await tx.sql("SELECT 1")

    async def stores_again() -> bool:
        try:
            async with database.transaction(EVERYTHING) as tx:
                tx.insert(Kite(name="kept"))
        except DatabaseUnavailable:
            return False
        return True

    await until(stores_again)
    assert await stored(database) == ["kept"]


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "58000", "58030"])
async def test_a_server_without_room_or_whose_disk_does_not_answer_is_unavailable(
    database: Database, state: str
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction(EVERYTHING) as tx:
            await tx.sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")


async def test_a_closed_database_is_unavailable(opened: Opened) -> None:
    database = await opened()
    await database.close()

    with pytest.raises(DatabaseUnavailable):
        async with database.transaction(EVERYTHING) as tx:
            tx.insert(Kite(name="a"))


async def test_an_error_of_another_making_is_not_taken_for_the_database_s(database: Database) -> None:
    for error in (FileNotFoundError("a kite"), TimeoutError()):
        with pytest.raises(type(error)):
            async with database.transaction(EVERYTHING) as tx:
                await tx.begin()
                raise error


async def test_a_command_s_writes_do_not_wait_for_nats(database: Database, bus: Bus) -> None:
    await bus.close()

    async with database.transaction(EVERYTHING) as tx:
        tx.announce(KiteMade(kite_id=new_id(), name="a"), at=NOW)

    assert await stored(database, "published_at FROM outbox") == [None]
