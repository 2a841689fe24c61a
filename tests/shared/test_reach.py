"""How far a transaction reaches: told with its first statement, held by PostgreSQL, forgotten at its end."""
# ruff: noqa: PT012, TRY301 - a transaction that raises is a block.

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from shared.access.permissions import Permission, Role
from shared.access.principal import EVERYTHING, NOTHING, Grant, Principal, Reach, person
from shared.database import Database, Transaction
from shared.errors import OutOfReach
from shared.ids import new_id
from tests.shared.kites import Kite, NameTaken, Nest
from tests.systems import OWNER_ROLE, as_role

HERE, THERE, ME, SOMEBODY = new_id(), new_id(), new_id(), new_id()
NESTS = {
    "here": Nest(centre_id=HERE),
    "here, ecology": Nest(centre_id=HERE, direction="ecology"),
    "here, sport": Nest(centre_id=HERE, direction="sport"),
    "there": Nest(centre_id=THERE),
    "there, ecology": Nest(centre_id=THERE, direction="ecology"),
    "there, sport, mine": Nest(centre_id=THERE, direction="sport", volunteer_id=ME),
    "there, somebody's": Nest(centre_id=THERE, direction="sport", volunteer_id=SOMEBODY),
}


def reach(*parts: tuple[UUID | None, str | None], me: UUID | None = None) -> Reach:
    return Reach(parts=frozenset(parts), volunteer_id=me)


REACHES: dict[str, tuple[Reach, set[str]]] = {
    "everything": (EVERYTHING, set(NESTS)),
    "nothing": (NOTHING, set()),
    "a centre": (reach((HERE, None)), {"here", "here, ecology", "here, sport"}),
    "a direction of a centre": (reach((HERE, "ecology")), {"here", "here, ecology"}),
    "a direction everywhere": (reach((None, "ecology")), {"here", "here, ecology", "there", "there, ecology"}),
    "a centre and a direction of another": (
        reach((HERE, None), (THERE, "ecology")),
        {"here", "here, ecology", "here, sport", "there", "there, ecology"},
    ),
    "a volunteer": (reach(me=ME), {"there, sport, mine"}),
    "a volunteer who coordinates": (reach((HERE, "sport"), me=ME), {"here", "here, sport", "there, sport, mine"}),
    "a centre that is not": (reach((new_id(), None)), set()),
}
_NEST: Any = Nest.__table__  # type: ignore[attr-defined]


@pytest.fixture
async def nests(database: Database) -> dict[str, UUID]:
    async with database.transaction(EVERYTHING) as tx:
        tx.insert(*NESTS.values())
    return {name: nest.id for name, nest in NESTS.items()}


async def _sent(tx: Transaction) -> list[str]:
    """The statements that a transaction sends from now on, without those by which the driver learns of types."""
    sent: list[str] = []
    connection = await tx._connected()  # noqa: SLF001  # only the connection knows
    connection.add_query_logger(lambda told: None if "\n" in told.query else sent.append(told.query))
    return sent


async def _heard() -> None:
    """The driver tells of a statement one turn of the loop after it."""
    await asyncio.sleep(0)


async def everything(database: Database) -> list[Nest]:
    async with database.transaction(EVERYTHING) as tx:
        return [Nest(**dict(row)) for row in await tx.fetch(select(_NEST))]


def names(nests: dict[str, UUID], ids: Iterable[UUID]) -> set[str]:
    known = {nest_id: name for name, nest_id in nests.items()}
    return {known[nest_id] for nest_id in ids}


# --- who sees what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REACHES)
async def test_what_is_out_of_reach_is_not_there(database: Database, nests: dict[str, UUID], name: str) -> None:
    within, expected = REACHES[name]

    async with database.transaction(within) as tx:
        listed = await tx.fetch(select(_NEST))
    async with database.transaction(within) as tx:
        loaded = await tx.load(Nest, nests.values())
    async with database.transaction(within) as tx:
        locked = await tx.load(Nest, nests.values(), lock=True)

    assert names(nests, (row["id"] for row in listed)) == expected
    assert names(nests, loaded) == names(nests, locked) == expected


@pytest.mark.parametrize("name", REACHES)
async def test_what_is_out_of_reach_cannot_be_added(database: Database, name: str) -> None:
    within, seen = REACHES[name]
    # What is one's own is to be seen; only staff may write it.
    expected = {place for place in seen if "mine" not in place or within == EVERYTHING}
    added: set[str] = set()

    for place, nest in NESTS.items():
        try:
            async with database.transaction(within) as tx:
                tx.insert(Nest(**nest.model_dump(exclude={"id"})))
            added.add(place)
        except OutOfReach:
            pass

    assert added == expected
    assert len(await everything(database)) == len(expected)


async def test_a_row_cannot_be_moved_out_of_reach(database: Database, nests: dict[str, UUID]) -> None:
    with pytest.raises(OutOfReach):
        async with database.transaction(reach((HERE, None))) as tx:
            nest = await tx.get(Nest, nests["here"], lock=True)
            assert nest is not None
            nest.centre_id = THERE
            tx.update(nest)

    assert {nest.id: nest.centre_id for nest in await everything(database)}[nests["here"]] == HERE


async def test_what_is_ones_own_can_be_seen_and_locked_and_not_changed(
    database: Database, nests: dict[str, UUID]
) -> None:
    with pytest.raises(OutOfReach):
        async with database.transaction(reach(me=ME)) as tx:
            nest = await tx.get(Nest, nests["there, sport, mine"], lock=True)
            assert nest is not None
            nest.eggs = 5
            tx.update(nest)


# --- how it is told -------------------------------------------------------------------------------------------------


async def test_a_transaction_of_nothing_but_new_rows_is_still_one_statement(database: Database) -> None:
    async with database.transaction(reach((HERE, None))) as tx:
        sent = await _sent(tx)
        tx.insert(Nest(centre_id=HERE), Nest(centre_id=HERE, direction="sport"), Kite(name="a"))

    await _heard()
    assert [statement.partition(" ")[0] for statement in sent] == ["WITH"]
    assert len(await everything(database)) == 2


async def test_a_transaction_that_reads_says_so_with_its_begin(database: Database) -> None:
    async with database.transaction(reach((HERE, None))) as tx:
        sent = await _sent(tx)
        await tx.get(Nest, new_id())
        tx.insert(Nest(centre_id=HERE))

    await _heard()
    assert [statement.partition(" ")[0] for statement in sent] == ["BEGIN;", "SELECT", "WITH", "COMMIT"]
    assert "set_config" not in sent[2]


async def test_one_bad_row_takes_the_good_ones_and_what_was_announced_with_it(database: Database) -> None:
    with pytest.raises(OutOfReach):
        async with database.transaction(reach((HERE, None))) as tx:
            tx.insert(Kite(name="a"), Nest(centre_id=HERE), Nest(centre_id=THERE))

    assert await everything(database) == []
    assert await database.pool.fetchval("SELECT count(*) FROM kite") == 0


async def test_in_an_attempt_it_does_not(database: Database) -> None:
    async with database.transaction(reach((HERE, None))) as tx:
        for centre_id in (HERE, THERE, HERE):
            try:
                async with tx.attempt():
                    tx.insert(Nest(centre_id=centre_id))
            except OutOfReach:
                continue

    assert [nest.centre_id for nest in await everything(database)] == [HERE, HERE]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("reads", [False, True])
async def test_the_next_one_on_the_connection_reaches_nothing_of_it(
    database: Database, reads: bool, fails: bool
) -> None:
    try:
        async with database.transaction(EVERYTHING) as tx:
            if reads:
                await tx.get(Nest, new_id())
            tx.insert(Nest(centre_id=HERE))
            if fails:
                raise NameTaken
    except NameTaken:
        pass

    async with database.pool.acquire() as connection:
        settings = [await connection.fetchval("SELECT current_setting($1, true)", name) for name in NOTHING.settings]
        assert set(settings) <= {"", None}
        assert await connection.fetchval("SELECT count(*) FROM nest") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO nest (id, version, centre_id, eggs) VALUES ($1, 1, $2, 0)", new_id(), HERE
            )


@pytest.mark.parametrize("word", ["*", "a,*/*", "'; SET LOCAL asar.parts = '*/*", ""])
def test_a_word_of_a_grant_cannot_say_more_than_it_means(word: str) -> None:
    with pytest.raises(ValidationError):
        Grant(role=Role.COORDINATOR, centres=frozenset({HERE}), directions=frozenset({word}))


async def test_a_quote_in_a_setting_ends_nothing(database: Database, nests: dict[str, UUID]) -> None:
    async with database.transaction(reach((HERE, "'; SET LOCAL asar.parts = '*/*"))) as tx:
        rows = await tx.fetch(select(_NEST))

    assert names(nests, (row["id"] for row in rows)) == {"here"}


async def test_a_right_that_the_service_was_not_given_is_our_mistake_and_no_callers(
    own_database: None, database: Database, kites_url: str
) -> None:
    owner = await asyncpg.connect(as_role(kites_url, OWNER_ROLE))
    await owner.execute("REVOKE INSERT ON kite FROM PUBLIC, asar_service")
    await owner.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(EVERYTHING) as tx:
            tx.insert(Kite(name="a"))


async def test_the_owner_of_the_tables_reaches_no_more_than_it_says(kites_url: str, nests: dict[str, UUID]) -> None:
    owner = await asyncpg.connect(as_role(kites_url, OWNER_ROLE))
    try:
        assert await owner.fetchval("SELECT count(*) FROM nest") == 0
    finally:
        await owner.close()


# --- further than the caller ----------------------------------------------------------------------------------------


async def test_a_rule_that_holds_everywhere_looks_everywhere_and_only_there(
    database: Database, nests: dict[str, UUID]
) -> None:
    async with database.transaction(reach((HERE, None))) as tx:
        async with tx.reaching(EVERYTHING):
            inside = await tx.fetch(select(_NEST))
            found = await tx.get(Nest, nests["there"])
        outside = await tx.fetch(select(_NEST))
        again = await tx.get(Nest, nests["there"])

    assert len(inside) == len(NESTS)
    assert found is not None
    assert names(nests, (row["id"] for row in outside)) == REACHES["a centre"][1]
    assert again is None


async def test_after_a_refusal_it_is_back_within_its_reach(database: Database, nests: dict[str, UUID]) -> None:
    async with database.transaction(reach((HERE, None))) as tx:
        with pytest.raises(NameTaken):
            async with tx.unless_refused(), tx.reaching(EVERYTHING):
                await tx.fetch(select(_NEST))
                raise NameTaken
        with pytest.raises(asyncpg.UndefinedTableError):
            async with tx.attempt(), tx.reaching(EVERYTHING):
                await tx.sql("SELECT * FROM nowhere")
        rows = await tx.fetch(select(_NEST))

    assert names(nests, (row["id"] for row in rows)) == REACHES["a centre"][1]


async def test_whoever_reaches_everything_pays_nothing_for_it(database: Database) -> None:
    async with database.transaction(EVERYTHING) as tx:
        await tx.begin()
        sent = await _sent(tx)
        async with tx.reaching(EVERYTHING):
            pass

    await _heard()
    assert sent == ["COMMIT"]


# --- where it comes from --------------------------------------------------------------------------------------------


def test_a_permission_reaches_as_far_as_the_grants_that_give_it() -> None:
    both = Principal(
        id="person:both",
        kind="person",
        grants=(
            Grant(role=Role.COORDINATOR, centres=frozenset({HERE}), directions=frozenset({"ecology"})),
            Grant(role=Role.TREASURER, centres=frozenset({THERE})),
            Grant(role=Role.VOLUNTEER),
        ),
        volunteer_id=ME,
    )

    assert both.reach(Permission.WRITE_FAMILIES) == reach((HERE, "ecology"))
    assert both.reach(Permission.RECORD_DONATIONS) == reach((THERE, None))
    assert both.reach(Permission.READ_VOLUNTEERS) == reach((HERE, "ecology"), me=ME)
    assert both.reach(Permission.MANAGE_CENTRES) == NOTHING
    assert both.reach(Permission.READ_FIGURES) == EVERYTHING
    assert person("person:one", Role.AUDITOR).reach(Permission.READ_MONEY) == EVERYTHING
