"""Streams, durables, the pull loop and the audit: what NATS loses is noticed and made good."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import nats.errors
import pytest
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType

from shared.database import Database
from shared.endings import end
from shared.ids import new_id
from shared.messaging import audit
from shared.messaging.connection import Bus
from shared.messaging.pull import PAGE_MAX, UNREADABLE, Delivery, PullBroken, Puller
from shared.messaging.relay import Relay
from shared.messaging.subjects import stream_name
from shared.messaging.topology import (
    Subscription,
    TopologyDrift,
    assert_consumer,
    assert_stream,
    stream_of,
)
from tests.shared.conftest import Opened, until
from tests.shared.kites import SERVICE, Listener
from tests.shared.streams import (
    STREAM,
    announce,
    announce_at_once,
    effects,
    make_anew,
    parked,
    taken,
    unsent,
    versions_in_stream,
)

HEARS = Subscription("watchers", SERVICE, ("kite",))


@pytest.fixture
async def stream(bus: Bus) -> None:
    await assert_stream(bus.client, SERVICE, replicas=1)


@contextlib.asynccontextmanager
async def running(*parts: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        await end(*tasks)


async def send(bus: Bus, **headers: str) -> None:
    """Publish something into the stream that our relay would not."""
    await bus.jetstream.publish(f"asar.{SERVICE}.kite.made.-.-", b"\xff\x00{", headers=headers or None)


# --- topology -------------------------------------------------------------------------------------------------------


async def test_a_stream_is_made_once_and_found_afterwards(bus: Bus) -> None:
    made = await assert_stream(bus.client, SERVICE, replicas=1)
    found = await assert_stream(bus.client, SERVICE, replicas=1)

    assert made.config.name == found.config.name == STREAM
    assert found.config.subjects == [f"asar.{SERVICE}.>"]
    assert (found.config.discard, found.config.storage) == (DiscardPolicy.NEW, StorageType.FILE)
    assert found.config.deny_delete
    assert found.config.deny_purge


@pytest.mark.parametrize(
    "drift",
    [{"discard": DiscardPolicy.OLD}, {"storage": StorageType.MEMORY}, {"deny_purge": False}, {"allow_atomic": False}],
)
async def test_a_stream_with_other_settings_is_refused(bus: Bus, drift: dict[str, Any]) -> None:
    other = stream_of(SERVICE, replicas=1)
    for name, value in drift.items():
        setattr(other, name, value)
    await bus.jetstream.add_stream(other)

    with pytest.raises(TopologyDrift, match=next(iter(drift))):
        await assert_stream(bus.client, SERVICE, replicas=1)


@pytest.mark.parametrize("drift", [{"ack_policy": AckPolicy.NONE}, {"deliver_policy": DeliverPolicy.NEW}])
async def test_a_durable_that_begins_or_acknowledges_otherwise_is_refused(
    bus: Bus, stream: None, drift: dict[str, Any]
) -> None:
    await bus.jetstream.add_consumer(STREAM, HEARS.config(replicas=1).evolve(**drift))

    with pytest.raises(TopologyDrift, match=f"consumer watchers of {STREAM}"):
        await assert_consumer(bus.client, HEARS, replicas=1)


async def test_what_may_change_of_a_durable_is_changed_in_its_place(bus: Bus, stream: None) -> None:
    await bus.jetstream.add_consumer(STREAM, HEARS.config(replicas=1).evolve(ack_wait=60.0, max_ack_pending=10))
    made = await bus.jetstream.consumer_info(STREAM, "watchers")

    await assert_consumer(bus.client, HEARS, replicas=1)

    found = await bus.jetstream.consumer_info(STREAM, "watchers")
    wanted = HEARS.config(replicas=1)
    assert (found.config.ack_wait, found.config.max_ack_pending) == (wanted.ack_wait, wanted.max_ack_pending)
    assert found.created == made.created


async def test_a_durable_that_is_to_hear_more_hears_it_from_the_beginning(
    database: Database, bus: Bus, stream: None
) -> None:
    await announce(database)
    await Relay(SERVICE, database, bus).relay_batch()
    deaf = Subscription("watchers", SERVICE, ("string",))
    async with Puller(bus.client, deaf):
        pass

    async with Puller(bus.client, Subscription("watchers", SERVICE, ("kite", "string"))) as puller:
        heard = await taken(puller, 3)

    assert [message.version for message in heard] == [1, 2, 3]


# --- the pull loop --------------------------------------------------------------------------------------------------


async def test_messages_come_in_pages_and_acknowledged_ones_do_not_come_again(
    database: Database, bus: Bus, stream: None
) -> None:
    await announce_at_once(database, PAGE_MAX + 100)
    relay = Relay(SERVICE, database, bus)
    while await relay.relay_batch():
        pass
    got: list[Delivery] = []

    async with Puller(bus.client, HEARS) as puller:
        while len(got) < PAGE_MAX + 100:
            page = await puller.page()
            assert len(page) <= PAGE_MAX
            got += page
            await puller.acknowledge(page)

    assert len({message.message_id for message in got}) == PAGE_MAX + 100
    await until(lambda: _nothing_is_left(bus))


async def _nothing_is_left(bus: Bus) -> bool:
    info = await bus.jetstream.consumer_info(STREAM, "watchers")
    return (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_what_a_listener_leaves_unfinished_comes_at_once_to_the_next(
    database: Database, bus: Bus, stream: None
) -> None:
    await announce(database, versions=range(1, 31))
    await Relay(SERVICE, database, bus).relay_batch()

    async with Puller(bus.client, HEARS) as first:
        unfinished = await first.page()
        # Those that come after it has left, nobody gives back.
        await until(lambda: len(unfinished) + first._queue.qsize() >= 30)  # noqa: SLF001
    # Sooner than the stream would take it back: `ack_wait` is longer than this.
    async with asyncio.timeout(5), Puller(bus.client, HEARS) as second:
        got = 0
        while got < 30:
            page = await second.page()
            got += len(page)
            await second.acknowledge(page)

    assert unfinished


async def test_a_deleted_durable_is_noticed_at_once(bus: Bus, stream: None) -> None:
    async with Puller(bus.client, HEARS) as puller:
        waiting = asyncio.create_task(puller.page())
        await until(lambda: _is_asked(bus))
        await bus.jetstream.delete_consumer(STREAM, "watchers")

        with pytest.raises(PullBroken, match="409"):
            await waiting


async def _is_asked(bus: Bus) -> bool:
    return (await bus.jetstream.consumer_info(STREAM, "watchers")).num_waiting == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Asar-Aggregate": "kites.kite/1"},
        {"Asar-Aggregate": "kites.kite/1", "Asar-Version": "0", "Asar-Type": "a"},
        {"Asar-Aggregate": "kites.kite/1", "Asar-Version": "١", "Asar-Type": "a"},
        {"Asar-Aggregate": "kites.kite/1", "Asar-Version": "99999999999", "Asar-Type": "a"},
        {"Asar-Aggregate": "kites.kite/1", "Asar-Version": "1"},
        {"Asar-Aggregate": "x" * 5000, "Asar-Version": "1", "Asar-Type": "a"},
        {"Asar-Aggregate": "ұшқыш", "Asar-Version": "1", "Asar-Type": "a"},
        {"Asar-Aggregate": "kites.kite/1", "Asar-Version": "1", "Asar-Type": "kites.kite.made.v1"},
    ],
)
async def test_a_stranger_s_message_is_parked_under_its_place_and_holds_nobody_up(
    database: Database, bus: Bus, listener: Listener, stream: None, headers: dict[str, str]
) -> None:
    await send(bus, **headers)
    await announce(database)
    await Relay(SERVICE, database, bus).relay_batch()

    for _ in range(2):  # the second time the whole stream is delivered again
        async with running(listener.consumer.run(database, bus)):
            await until(lambda: _nothing_is_left_of(bus))
        await bus.jetstream.delete_consumer(STREAM, "watchers")

    [row] = await database.pool.fetch("SELECT * FROM parked")
    assert row["reason"] == "failed"
    assert "\0" not in row["body"]
    if row["type"] == UNREADABLE:
        assert row["aggregate"] == f"unreadable/{STREAM}/1"
    assert await database.pool.fetchval("SELECT count(*) FROM heard") == 3


async def _nothing_is_left_of(bus: Bus) -> bool:
    with contextlib.suppress(nats.errors.Error):
        return await _nothing_is_left(bus)
    return False


# --- end to end, and what may be lost -------------------------------------------------------------------------------


async def _all_heard(database: Database, messages: int) -> bool:
    return await database.pool.fetchval("SELECT count(*) FROM heard") == messages


async def test_the_whole_stream_delivered_twice_gives_the_same(
    database: Database, bus: Bus, listener: Listener
) -> None:
    await announce(database, *(new_id() for _ in range(10)), versions=range(1, 8))
    relay = Relay(SERVICE, database, bus)
    async with running(relay.run(), listener.consumer.run(database, bus)):
        await until(lambda: _all_heard(database, 70))
        first = await effects(database)

        await bus.jetstream.delete_consumer(STREAM, "watchers")
        await until(lambda: _delivered_again(bus, 70))
        await announce(database, versions=range(1, 2))
        await until(lambda: _all_heard(database, 71))

    second = await effects(database)
    assert (first["sky"], first["inbox"]) == (second["sky"], [row for row in second["inbox"] if row in first["inbox"]])
    assert await parked(database) == []


async def _delivered_again(bus: Bus, messages: int) -> bool:
    with contextlib.suppress(nats.errors.Error):
        info = await bus.jetstream.consumer_info(STREAM, "watchers")
        return info.ack_floor is not None and info.ack_floor.stream_seq >= messages
    return False


async def test_what_a_durable_has_passed_over_is_heard_when_the_stream_is_replayed(
    database: Database, bus: Bus, listener: Listener, stream: None
) -> None:
    relay = Relay(SERVICE, database, bus)
    # Given messages that were acknowledged and never applied, so that NATS knows of no lag
    await announce(database, *(new_id() for _ in range(4)), versions=range(1, 4))
    await relay.relay_batch()
    async with Puller(bus.client, HEARS) as puller:
        await taken(puller, 12)
        await until(lambda: _delivered_again(bus, 12))

    async with running(relay.run(), listener.consumer.run(database, bus)):
        later = await announce(database, versions=range(1, 3))
        await until(lambda: _all_heard(database, 2))
        await until(lambda: _nothing_is_left(bus))
        assert (await listener.consumer.measure(database, bus))["lag"] == {STREAM: 0}

        # When it is replayed
        await listener.consumer.hear_again(bus)
        await until(lambda: _all_heard(database, 14))

    assert await database.pool.fetchval("SELECT count(*) FROM heard WHERE kite_id = $1", later[0]) == 2
    assert await parked(database) == []


async def test_a_deleted_stream_comes_back_with_everything_and_each_effect_stays_once(
    database: Database, bus: Bus, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.relay.ASSERT_EVERY_S", 0.05)
    kites = [new_id() for _ in range(10)]
    async with running(Relay(SERVICE, database, bus).run(), listener.consumer.run(database, bus)):
        await announce(database, *kites, versions=range(1, 6))
        await until(lambda: _all_heard(database, 50))
        await bus.jetstream.delete_stream(STREAM)
        await announce(database, *kites, versions=range(6, 9))
        await until(lambda: _all_heard(database, 80))
        await until(lambda: _holds_all(database, bus))

    # What was announced after the loss may have come before what was sent again.
    versions = await versions_in_stream(bus)
    assert {aggregate: sorted(found) for aggregate, found in versions.items()} == {
        f"kites.kite/{kite_id}": list(range(1, 9)) for kite_id in kites
    }
    assert await database.pool.fetchval("SELECT flights FROM sky") == 70
    assert await parked(database) == []


async def _holds_all(database: Database, bus: Bus) -> bool:
    with contextlib.suppress(nats.errors.Error, TimeoutError):
        return await unsent(database) == 0 and not await audit.missing(SERVICE, database, bus.client)
    return False


async def test_after_a_lost_tail_a_durable_that_stood_beyond_it_misses_nothing(
    database: Database, bus: Bus, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JetStream then gives used numbers to new messages, which an old durable would take for delivered."""
    monkeypatch.setattr("shared.messaging.relay.ASSERT_EVERY_S", 0.05)
    async with running(Relay(SERVICE, database, bus).run(), listener.consumer.run(database, bus)):
        await announce(database, versions=range(1, 31))
        await until(lambda: _all_heard(database, 30))
        await until(lambda: _nothing_is_left(bus))

    # Given a stream that has lost its last 20 messages, and got 25 new ones before anyone compared
    durable = await bus.jetstream.consumer_info(STREAM, "watchers")
    rows = await database.pool.fetch("SELECT * FROM outbox ORDER BY position LIMIT 10")
    await make_anew(bus)
    for row in rows:
        headers = {
            "Nats-Msg-Id": str(row["message_id"]),
            "Asar-Type": row["type"],
            "Asar-Aggregate": row["aggregate"],
            "Asar-Version": str(row["version"]),
        }
        await bus.jetstream.publish(row["subject"], row["body"].encode(), headers=headers)
    await announce(database, versions=range(1, 26))
    await Relay(SERVICE, database, bus).relay_batch()
    # its durable standing where it stood, at 30 of what are now 35
    await bus.jetstream.add_consumer(STREAM, HEARS.config(replicas=1))
    await _skip(bus, 30)
    assert durable.ack_floor is not None
    assert durable.ack_floor.stream_seq == 30

    # When relay and consumer run again
    async with running(Relay(SERVICE, database, bus).run(), listener.consumer.run(database, bus)):
        await until(lambda: _all_heard(database, 55))

    # Then nothing is missing
    assert await parked(database) == []


async def _skip(bus: Bus, messages: int) -> None:
    listening = await bus.jetstream.pull_subscribe_bind("watchers", STREAM)
    while messages:
        for message in await listening.fetch(messages, timeout=5):
            await message.ack_sync(timeout=30)
            messages -= 1
    await listening.unsubscribe()


async def test_the_audit_tells_what_the_stream_has_lost_and_nothing_else(
    database: Database, bus: Bus, stream: None
) -> None:
    relay = Relay(SERVICE, database, bus)
    assert await audit.missing(SERVICE, database, bus.client) == []
    await announce(database, versions=range(1, 21))
    assert await audit.missing(SERVICE, database, bus.client) == []
    await relay.relay_batch()
    assert await audit.missing(SERVICE, database, bus.client) == []

    await make_anew(bus)

    lost = await audit.missing(SERVICE, database, bus.client)
    assert lost == [
        row["position"] for row in await database.pool.fetch("SELECT position FROM outbox ORDER BY position")
    ]
    assert await audit.republish_missing(SERVICE, database, bus.client) == 20
    assert await relay.relay_batch() == 20
    assert await audit.republish_missing(SERVICE, database, bus.client) == 0


async def test_the_audit_reads_a_stream_of_any_length(
    database: Database, bus: Bus, stream: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.audit._PAGE", 7)
    await announce_at_once(database, 50)
    await Relay(SERVICE, database, bus).relay_batch()

    ids = [message_id async for message_id in audit.stored_ids(bus.client, SERVICE)]

    assert ids == [
        str(row["message_id"]) for row in await database.pool.fetch("SELECT * FROM outbox ORDER BY position")
    ]


async def test_an_audit_that_failed_is_due_again(
    database: Database, bus: Bus, stream: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited: list[int] = []

    async def fail_once(*_: object) -> int:
        audited.append(1)
        if len(audited) == 1:
            raise nats.errors.TimeoutError
        return 0

    monkeypatch.setattr(audit, "republish_missing", fail_once)
    async with running(Relay(SERVICE, database, bus).run()):
        await announce(database)
        await until(lambda: _holds_all_sent(database))

    assert len(audited) == 2


async def _holds_all_sent(database: Database) -> bool:
    return await unsent(database) == 0


async def test_two_replicas_sharing_a_durable_apply_everything_once(opened: Opened, bus: Bus, settings: Any) -> None:
    database = await opened()
    other_bus = Bus(settings, name="other")
    replicas = [(Listener(), database, bus), (Listener(), await opened(), other_bus)]
    kites = [new_id() for _ in range(20)]
    try:
        async with running(
            Relay(SERVICE, database, bus).run(),
            *(listener.consumer.run(own, own_bus) for listener, own, own_bus in replicas),
        ):
            await announce(database, *kites, versions=range(1, 16))
            await until(lambda: _all_heard(database, 300))
    finally:
        await other_bus.close()

    assert await parked(database) == []
    assert await database.pool.fetchval("SELECT flights FROM sky") == 280


async def test_a_poison_message_in_the_stream_stops_only_its_aggregate(
    database: Database, bus: Bus, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.consumer.RETRY_PAUSE_S", 0)
    bad, *good = [new_id() for _ in range(5)]
    listener.storms = {bad}
    async with running(Relay(SERVICE, database, bus).run(), listener.consumer.run(database, bus)):
        await announce(database, bad, *good, versions=range(1, 6))
        await until(lambda: _all_heard(database, 1 + 4 * 5))
        await until(lambda: _nothing_is_left_of(bus))
        measured = await listener.consumer.measure(database, bus)

        assert measured == {"lag": {STREAM: 0}, "parked": {"gap": 3, "failed": 1}}
        listener.storms = set()
        assert await listener.consumer.redrive(database) == (4, 0)
        assert await _all_heard(database, 25)


async def test_the_lag_of_a_stream_that_is_not_there_is_unknown(
    database: Database, bus: Bus, listener: Listener
) -> None:
    measured = await listener.consumer.measure(database, bus)

    assert measured == {"lag": {STREAM: None}, "parked": {"gap": 0, "failed": 0}}


async def test_a_durable_with_drift_ends_the_consumer_with_the_reason(
    database: Database, bus: Bus, listener: Listener, stream: None
) -> None:
    await bus.jetstream.add_consumer(STREAM, HEARS.config(replicas=1).evolve(ack_policy=AckPolicy.NONE))

    with pytest.raises(ExceptionGroup) as caught:
        await listener.consumer.run(database, bus)

    assert caught.group_contains(TopologyDrift)


async def test_a_stream_that_appears_later_is_followed_then(
    database: Database, bus: Bus, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.consumer.PAUSE_S", 0.01)
    async with running(listener.consumer.run(database, bus)):
        await announce(database)
        async with running(Relay(SERVICE, database, bus).run()):
            await until(lambda: _all_heard(database, 3))


def test_a_stream_is_named_after_its_service() -> None:
    assert stream_name("volunteers") == "ASAR_VOLUNTEERS"
    assert Subscription("all", "volunteers").config(replicas=3).filter_subject == "asar.volunteers.>"
    assert isinstance(Subscription("all", "volunteers").config(replicas=3), ConsumerConfig)
