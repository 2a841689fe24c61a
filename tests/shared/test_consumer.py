"""A consumer applies each message once and in its aggregate's order, whatever arrives, however often."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.access.principal import EVERYTHING
from shared.contracts.envelope import Message
from shared.database import Database, Transaction
from shared.ids import new_id
from shared.messaging import inbox
from shared.messaging.consumer import TRIES
from shared.messaging.pull import UNREADABLE, Delivery
from tests.shared.conftest import Opened
from tests.shared.kites import KiteFlown, KiteLost, Listener
from tests.shared.streams import DAY, delivery, effects, fact_of, history, parked


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_S", "PAUSE_MAX_S", "RETRY_PAUSE_S"):
        monkeypatch.setattr(f"shared.messaging.consumer.{name}", 0.001)


async def give(listener: Listener, database: Database, page: list[Delivery]) -> None:
    """Hand over a page as the pull loop does."""
    await listener.consumer._apply_for_sure(database, page)  # noqa: SLF001  # without a stream in between


async def flights(database: Database) -> int:
    return await database.pool.fetchval("SELECT coalesce(sum(flights), 0)::int FROM sky")


async def test_a_page_takes_effect_in_order(listener: Listener, database: Database) -> None:
    one, other = new_id(), new_id()
    page = [message for pair in zip(history(one, 3), history(other, 3), strict=True) for message in pair]

    applied = await listener.consumer.apply(database, page)

    assert applied == 6
    heard = await database.pool.fetch("SELECT kite_id, version FROM heard ORDER BY position")
    assert [(row["kite_id"], row["version"]) for row in heard] == [(k, v) for v in (1, 2, 3) for k in (one, other)]


async def test_a_message_delivered_again_takes_no_effect_again(listener: Listener, database: Database) -> None:
    page = history(new_id(), 3)

    counts = [await listener.consumer.apply(database, part) for part in (page, page, page[1:2], page + page)]

    assert counts == [3, 0, 0, 0]
    assert await flights(database) == 2


async def test_a_message_that_comes_too_early_waits_for_those_before_it(listener: Listener, database: Database) -> None:
    first, second, third, fourth = history(new_id(), 4)

    assert await listener.consumer.apply(database, [fourth, second]) == 0
    assert await parked(database) == [(2, "gap"), (4, "gap")]
    assert await listener.consumer.apply(database, [first]) == 2
    assert await parked(database) == [(4, "gap")]
    assert await listener.consumer.apply(database, [fourth, third]) == 2
    assert await parked(database) == []
    assert await flights(database) == 3


async def test_types_that_nobody_cares_for_leave_no_gap(listener: Listener, database: Database) -> None:
    kite_id = new_id()
    first, second, _, fourth = history(kite_id, 4)

    await listener.consumer.apply(database, [first, second, delivery(KiteLost(kite_id=kite_id), 3), fourth])

    assert await parked(database) == []
    assert await flights(database) == 2


async def test_a_poison_message_is_parked_after_three_tries_and_other_aggregates_go_on(
    listener: Listener, database: Database
) -> None:
    good, bad = new_id(), new_id()
    listener.storms = {bad}
    page = [message for pair in zip(history(bad, 4), history(good, 4), strict=True) for message in pair]

    await give(listener, database, page)

    assert await parked(database) == [(2, "failed"), (3, "gap"), (4, "gap")]
    assert await flights(database) == 3
    # Once in the page, three times by itself; the good ones of the page once more.
    assert listener.calls == 1 + TRIES + 3
    assert await database.pool.fetchval("SELECT error FROM parked WHERE reason = 'failed'") == "ValueError: a storm"


async def test_what_failed_is_applied_when_driven_again_with_what_waited_behind_it(
    listener: Listener, database: Database
) -> None:
    kites = [new_id(), new_id()]
    listener.storms = set(kites)
    for kite_id in kites:
        await give(listener, database, history(kite_id, 4))

    assert await listener.consumer.redrive(database) == (0, 2)
    listener.storms = {kites[1]}
    assert await listener.consumer.redrive(database) == (3, 1)
    listener.storms = set()
    assert await listener.consumer.redrive(database, f"kites.kite/{new_id()}") == (0, 0)
    assert await listener.consumer.redrive(database, f"kites.kite/{kites[1]}") == (3, 0)

    assert await parked(database) == []
    assert await flights(database) == 6


async def test_the_message_at_fault_is_parked_and_not_the_one_that_it_waited_for(
    listener: Listener, database: Database
) -> None:
    """A late predecessor brings along what waited; when that is poison, the predecessor is not."""
    kite_id = new_id()
    first, second, third = history(kite_id, 3)
    await give(listener, database, [second, third])
    listener.storms = {kite_id}

    await give(listener, database, [first])

    assert await parked(database) == [(2, "failed"), (3, "gap")]
    assert [row["version"] for row in await database.pool.fetch("SELECT version FROM heard")] == [1]


async def test_driven_again_the_newest_reason_is_kept(listener: Listener, database: Database) -> None:
    kite_id = new_id()
    listener.storms = {kite_id}
    await give(listener, database, history(kite_id, 2))
    listener.failing_with = KeyError("rope")

    assert await listener.consumer.redrive(database) == (0, 1)

    assert await database.pool.fetchval("SELECT error FROM parked") == "KeyError: 'rope'"


async def test_a_parked_message_that_comes_again_after_all_is_applied_and_no_longer_parked(
    listener: Listener, database: Database
) -> None:
    kite_id = new_id()
    listener.storms = {kite_id}
    await give(listener, database, history(kite_id, 3))
    listener.storms = set()

    await give(listener, database, history(kite_id, 3))

    assert await parked(database) == []
    assert await flights(database) == 2


@pytest.mark.parametrize(
    "unreadable",
    [
        {"body": "{"},
        {"body": ""},
        {"body": "[]"},
        {"body": "\ufffd"},
        {"body": '{"data": {"metres": "\\u0000"}}'},
        {"type": UNREADABLE},
    ],
)
async def test_what_cannot_be_read_is_parked_at_once(
    listener: Listener, database: Database, unreadable: dict[str, Any]
) -> None:
    kite_id = new_id()
    good = new_id()
    bad = delivery(fact_of(kite_id, 2), 2, **unreadable)

    await give(listener, database, [history(kite_id, 1)[0], bad, *history(good, 2)])

    assert await parked(database) == [(2, "failed")]
    assert await flights(database) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("null", "model_type"),
        ("[]", "model_type"),
        ('"a kite"', "model_type"),
        ("{}", "source: missing; type: missing; subject: missing; time: missing; aggregateversion: missing"),
        ({"source": None}, "source: string_type"),
        ({"source": "/asar/charity"}, "ValueError: its body tells another story than its headers"),
        ({"type": "kites.kite.made.v1"}, "ValueError: its body tells another story than its headers"),
        ({"subject": "kites.kite/another"}, "ValueError: its body tells another story than its headers"),
        ({"aggregateversion": 3}, "ValueError: its body tells another story than its headers"),
    ],
)
@pytest.mark.parametrize("type_", [KiteFlown.type, KiteLost.type])
async def test_a_body_that_tells_another_story_than_its_headers_is_parked(
    listener: Listener, database: Database, body: str | dict[str, Any], why: str, type_: str
) -> None:
    first, second = history(new_id(), 2)
    told = body if isinstance(body, str) else orjson.dumps(orjson.loads(second.body) | body).decode()

    await give(listener, database, [first, replace(second, type=type_, body=told)])

    assert await parked(database) == [(2, "failed")]
    assert why in await database.pool.fetchval("SELECT error FROM parked")
    assert await flights(database) == 0


@pytest.mark.parametrize(
    "failing_with", [ValueError("a\0b"), FileNotFoundError("rope"), TimeoutError(), RuntimeError()]
)
async def test_whatever_a_handler_raises_never_stops_the_rest(
    listener: Listener, database: Database, failing_with: Exception
) -> None:
    kite_id = new_id()
    listener.storms, listener.failing_with = {kite_id}, failing_with

    async with asyncio.timeout(10):
        await give(listener, database, [*history(kite_id, 2), *history(new_id(), 2)])

    assert await parked(database) == [(2, "failed")]
    assert await flights(database) == 1


async def test_a_row_that_the_database_refuses_is_its_message_s_fault(listener: Listener, database: Database) -> None:
    kite_id = new_id()
    # Version 1 was heard in another way, so that its row is there already.
    await database.pool.execute("INSERT INTO heard (kite_id, version, fact) VALUES ($1, 1, 'made')", kite_id)

    await give(listener, database, [*history(kite_id, 2), *history(new_id(), 2)])

    assert await parked(database) == [(1, "failed"), (2, "gap")]
    reason = await database.pool.fetchval("SELECT error FROM parked WHERE reason = 'failed'")
    assert reason == "UniqueViolationError heard_once"


async def test_a_deadlock_is_nobody_s_fault_and_is_tried_again(
    listener: Listener, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([asyncpg.DeadlockDetectedError("again")] * (TRIES + 1))
    commit = Transaction.commit

    async def sometimes(tx: Transaction) -> None:
        for failure in failures:
            raise failure
        await commit(tx)

    monkeypatch.setattr(Transaction, "commit", sometimes)

    await give(listener, database, history(new_id(), 2))

    assert await parked(database) == []
    assert await flights(database) == 1


async def test_a_database_that_is_away_parks_nothing_and_is_waited_for(listener: Listener, opened: Opened) -> None:
    database, other = await opened(), await opened()
    await database.close()

    giving = asyncio.create_task(give(listener, database, history(new_id(), 3)))
    await asyncio.sleep(0)
    await database.open()
    await giving

    assert await parked(other) == []
    assert await flights(other) == 2


async def test_a_message_parked_by_one_replica_while_another_applied_it_does_not_stay_parked(
    listener: Listener, database: Database
) -> None:
    kite_id = new_id()
    first, second = history(kite_id, 2)
    await give(listener, database, [first, second])

    async with database.transaction(EVERYTHING) as tx:
        await inbox.park(tx, listener.consumer.name, [second], "failed", "late")  # as a slower replica would

    assert await parked(database) == []


async def test_two_replicas_that_take_turns_give_the_same(opened: Opened, database: Database) -> None:
    replicas = [(Listener(), await opened()) for _ in range(2)]
    histories = [history(new_id(), 20) for _ in range(5)]
    pages = [[h[n] for h in histories] for n in range(20)]

    async def replica(number: int) -> None:
        listener, own = replicas[number]
        for page in pages[number::2]:
            await give(listener, own, page)

    await asyncio.gather(replica(0), replica(1))

    assert await parked(database) == []
    assert await flights(database) == 5 * 19
    assert await database.pool.fetchval("SELECT min(version) FROM inbox") == 20


async def test_consumers_of_one_database_do_not_see_each_other_s_place(database: Database) -> None:
    kite_id = new_id()
    await give(Listener("one"), database, history(kite_id, 2))
    await database.pool.execute("DELETE FROM heard")

    await give(Listener("other"), database, history(kite_id, 2))

    assert await flights(database) == 2


async def test_every_message_goes_to_the_handler_for_all_before_its_own(database: Database) -> None:
    listener = Listener()
    heard: list[str] = []

    async def hear(_: Transaction, message: Message[Any], body: str) -> None:
        heard.append(message.type)
        assert message.type in body

    listener.consumer.on_every(["kites"], hear)
    kite_id = new_id()

    await give(listener, database, [*history(kite_id, 2), delivery(KiteLost(kite_id=kite_id), 3)])

    assert heard == ["kites.kite.made.v1", "kites.kite.flown.v1", "kites.kite.lost.v1"]
    assert [s.nouns for s in listener.consumer.subscriptions()] == [()]


# --- layer A: any sequence, one end -----------------------------------------------------------------------------------


@st.composite
def disorders(draw: st.DrawFn) -> tuple[list[int], list[list[tuple[int, int]]]]:
    """Histories' lengths, and pages of (aggregate, version) with each at least once, in any order, some repeated."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    every = [(kite, version) for kite, length in enumerate(lengths) for version in range(1, length + 1)]
    repeated = draw(st.lists(st.sampled_from(every), max_size=10))
    order = draw(st.permutations(every + repeated))
    ends = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return lengths, [order[i:j] for i, j in zip([0, *ends], [*ends, len(order)], strict=True)]


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(disorder=disorders(), poisonous=st.booleans())
async def test_any_duplicated_delayed_and_reordered_sequence_ends_the_same(
    database: Database, disorder: tuple[list[int], list[list[tuple[int, int]]]], poisonous: bool
) -> None:
    lengths, pages = disorder
    kites = [new_id() for _ in lengths]
    message = {
        (kite, version): delivery(fact_of(kites[kite], version), version)
        for kite, length in enumerate(lengths)
        for version in range(1, length + 1)
    }

    # In order, once
    await _empty(database)
    for kite, length in enumerate(lengths):
        await Listener().consumer.apply(database, [message[kite, version] for version in range(1, length + 1)])
    expected = await effects(database)

    # As it comes; where the first kite's flights fail at first, an operator drives them again in the end
    await _empty(database)
    listener = Listener()
    listener.storms = {kites[0]} if poisonous else set()
    async with asyncio.timeout(20):
        for page in pages:
            await give(listener, database, [message[place] for place in page])
        listener.storms = set()
        await listener.consumer.redrive(database)

    assert await effects(database) == expected
    assert await parked(database) == []


async def _empty(database: Database) -> None:
    await database.pool.execute("DELETE FROM heard; DELETE FROM sky; DELETE FROM inbox; DELETE FROM parked")


async def test_a_fact_of_a_later_code_with_more_fields_is_understood(listener: Listener, database: Database) -> None:
    kite_id = new_id()
    first, second = history(kite_id, 2)
    newer = second.body.replace('"metres"', '"colour":"red","metres"')

    await give(listener, database, [first, delivery(KiteFlown(kite_id=kite_id, metres=2, on=DAY), 2, body=newer)])

    assert await flights(database) == 1
