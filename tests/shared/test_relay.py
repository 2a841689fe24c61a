"""The relay: every announced message reaches the stream, in its aggregate's order, whatever happens in between."""

import asyncio
import contextlib
import shutil
import signal
import urllib.request
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nats.errors
import orjson
import pytest
from nats.js.api import StreamConfig

from deploy.bus.configuration import UNRESTRICTED
from deploy.local.nats import EmbeddedNats
from shared.access.principal import EVERYTHING
from shared.contracts.envelope import LANES, lane_of
from shared.database import Database, Transaction
from shared.ids import new_id
from shared.messaging.connection import Bus
from shared.messaging.relay import BATCH_ROWS_MAX, Relay
from shared.messaging.subjects import hint_subject
from shared.messaging.topology import TopologyDrift, assert_stream, stream_of
from tests.shared.conftest import Opened, until
from tests.shared.kites import SERVICE, KiteMade
from tests.shared.streams import (
    STREAM,
    announce,
    announce_at_once,
    messages_in_stream,
    unsent,
    versions_in_stream,
)
from tests.systems import make_settings


@pytest.fixture
async def stream(bus: Bus) -> None:
    await assert_stream(bus.client, SERVICE, replicas=1)


@pytest.fixture
async def relay(database: Database, bus: Bus, stream: None) -> Relay:
    return Relay(SERVICE, database, bus)


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        # Asked once, as a task group asks it.
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_message_arrives_as_it_was_announced(relay: Relay, database: Database, bus: Bus) -> None:
    [kite_id] = await announce(database, versions=range(1, 2))

    assert await relay.relay_batch() == 1

    [message] = await messages_in_stream(bus)
    body = orjson.loads(message.data)
    assert message.subject == "asar.kites.kite.made.-.-"
    assert message.headers is not None
    assert message.headers["Nats-Msg-Id"] == body["id"]
    assert (message.headers["Asar-Aggregate"], message.headers["Asar-Version"]) == (f"kites.kite/{kite_id}", "1")
    assert message.headers["Asar-Type"] == body["type"] == "kites.kite.made.v1"
    assert body["data"]["kite_id"] == str(kite_id)
    assert (await unsent(database), await relay.relay_batch()) == (0, 0)


async def test_a_batch_is_a_thousand_messages_stored_as_one(
    relay: Relay, database: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announce_at_once(database, BATCH_ROWS_MAX + 10)
    # Had the batch been refused, they would have gone one by one.
    monkeypatch.setattr(type(bus.jetstream), "publish", None)

    assert await relay.relay_batch() == BATCH_ROWS_MAX
    assert await relay.relay_batch() == 10

    messages = await messages_in_stream(bus)
    assert len({message.headers["Nats-Msg-Id"] for message in messages if message.headers}) == BATCH_ROWS_MAX + 10


async def test_a_batch_of_which_some_is_stored_already_is_completed_one_by_one(
    relay: Relay, database: Database, bus: Bus
) -> None:
    kites = await announce_at_once(database, 10, versions=3)
    rows = await database.pool.fetch("SELECT * FROM outbox ORDER BY position LIMIT 7 OFFSET 3")
    for row in rows:
        headers = {"Nats-Msg-Id": str(row["message_id"])}
        await bus.jetstream.publish(row["subject"], row["body"].encode(), headers=headers)

    assert await relay.relay_batch() == 30

    assert await versions_in_stream(bus) == {f"kites.kite/{kite_id}": [1, 2, 3] for kite_id in kites}


async def test_sent_but_not_marked_is_sent_again_and_stored_once(
    relay: Relay, database: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a relay leaves behind that dies between publishing and marking."""
    kites = await announce_at_once(database, 10, versions=3)
    commit = Transaction.commit

    async def die(_: Transaction) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(Transaction, "commit", die)
    with pytest.raises(ConnectionResetError):
        await relay.relay_batch()
    assert await unsent(database) == 30

    monkeypatch.setattr(Transaction, "commit", commit)
    assert await relay.relay_batch() == 30

    assert await versions_in_stream(bus) == {f"kites.kite/{kite_id}": [1, 2, 3] for kite_id in kites}


async def test_a_cancelled_relay_gives_its_lanes_back(
    opened: Opened, bus: Bus, stream: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases = [await opened(), await opened()]
    slow, other = (Relay(SERVICE, database, bus) for database in databases)
    await announce_at_once(databases[0], 20)
    publishing = asyncio.Event()

    async def hang(_: Any) -> None:
        publishing.set()
        await asyncio.Event().wait()

    # As a silent server would.
    monkeypatch.setattr(slow, "_publish", hang)
    task = asyncio.create_task(slow.relay_batch())
    await publishing.wait()
    assert await other.relay_batch() == 0

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await other.relay_batch() == 20


async def test_two_relays_at_once_send_each_message_once_and_in_order(
    opened: Opened, bus: Bus, settings: Any, stream: None
) -> None:
    databases = [await opened(), await opened()]
    relays = [Relay(SERVICE, database, bus) for database in databases]
    kites = [new_id() for _ in range(12)]

    async def announce_all() -> None:
        for version in range(1, 16):
            await announce(databases[0], *kites, versions=range(version, version + 1))
            for relay in relays:
                relay.wake()

    async with running(relays[0]), running(relays[1]):
        await announce_all()
        await until(lambda: _none_is_unsent(databases[0]))

    assert await versions_in_stream(bus) == {f"kites.kite/{kite_id}": list(range(1, 16)) for kite_id in kites}


async def _none_is_unsent(database: Database) -> bool:
    return await unsent(database) == 0


async def test_a_lane_that_another_relay_holds_is_left_to_it(relay: Relay, opened: Opened) -> None:
    database = await opened()
    kites = await announce_at_once(database, 40)
    held = lane_of(f"kites.kite/{kites[0]}")

    async with (await opened()).transaction(EVERYTHING) as tx:
        await tx.begin()
        await tx.sql("SELECT pg_advisory_xact_lock($1, $2)", 0x0A5A, held)
        sent = await relay.relay_batch()

    lanes = [row["lane"] for row in await database.pool.fetch("SELECT lane FROM outbox WHERE published_at IS NULL")]
    assert set(lanes) == {held}
    assert sent + len(lanes) == 40


def test_an_aggregate_has_its_lane_for_ever() -> None:
    assert [lane_of(f"kites.kite/{n}") for n in range(4)] == [3, 5, 7, 1]
    assert {lane_of(f"kites.kite/{new_id()}") for _ in range(500)} == set(range(LANES))


async def test_a_commit_wakes_the_relay(database: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without being woken it would sleep longer than this test lives.
    monkeypatch.setattr("shared.messaging.relay.POLL_S", 3600)
    relay = Relay(SERVICE, database, bus)
    database.on_announced = relay.wake
    async with running(relay):
        for _ in range(3):
            await announce(database, versions=range(1, 2))
            await until(lambda: _none_is_unsent(database))


async def test_a_hint_from_another_process_wakes_the_relay(
    database: Database, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.relay.POLL_S", 3600)
    relay = Relay(SERVICE, database, bus)
    async with running(relay):
        await until(lambda: _is_stream_there(bus))
        for _ in range(3):
            await announce(database, versions=range(1, 2))
            await bus.client.publish(hint_subject(SERVICE))
            await until(lambda: _none_is_unsent(database))


async def _is_stream_there(bus: Bus) -> bool:
    return bool(await bus.jetstream.streams_info())


async def test_what_the_stream_refuses_waits_and_nothing_overtakes_it(
    relay: Relay, database: Database, bus: Bus
) -> None:
    await announce_at_once(database, 3, versions=2)
    full = stream_of(SERVICE, replicas=1)
    full.max_msgs = 2
    await bus.jetstream.update_stream(full)  # a stream as full as a disk can be

    async with running(relay):
        await until(lambda: _sequence_is(bus, 2))
        full.max_msgs = -1
        await bus.jetstream.update_stream(full)
        await until(lambda: _none_is_unsent(database))

    assert list((await versions_in_stream(bus)).values()) == [[1, 2]] * 3


async def _sequence_is(bus: Bus, sequence: int) -> bool:
    with contextlib.suppress(nats.errors.Error):
        return (await bus.jetstream.stream_info(STREAM)).state.last_seq >= sequence
    return False


async def test_how_much_waits_and_since_when_is_known(relay: Relay, database: Database) -> None:
    assert await relay.measure() == (0, 0.0)
    async with database.transaction(EVERYTHING) as tx:
        tx.announce(KiteMade(kite_id=new_id(), name="a"), at=datetime(2021, 1, 1, tzinfo=UTC))

    count, age_s = await relay.measure()

    assert count == 1
    assert age_s > 0


async def test_a_stream_with_other_settings_is_refused(database: Database, bus: Bus) -> None:
    await bus.jetstream.add_stream(StreamConfig(name=STREAM, subjects=[f"asar.{SERVICE}.>"], max_age=60))

    with pytest.raises(TopologyDrift, match=f"stream {STREAM}"):
        await Relay(SERVICE, database, bus).run()


# --- NATS goes away and comes back ------------------------------------------------------------------------------------


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    """A NATS that a test may stop and start."""
    server = EmbeddedNats(tmp_path / "own nats", secrets=tmp_path, known=[UNRESTRICTED])
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)


@pytest.fixture
async def own_bus(own_nats: EmbeddedNats, kites_url: str, tmp_path: Path) -> AsyncIterator[Bus]:
    bus = Bus(make_settings(kites_url, own_nats.url(UNRESTRICTED.name), tmp_path / "keys"), name="own")
    yield bus
    await bus.close()


async def test_while_nats_is_away_messages_wait_and_afterwards_all_arrive_in_order(
    database: Database, own_nats: EmbeddedNats, own_bus: Bus
) -> None:
    relay = Relay(SERVICE, database, own_bus)
    database.on_announced = relay.wake
    kites = [new_id() for _ in range(5)]
    async with running(relay):
        await announce(database, *kites, versions=range(1, 4))
        await until(lambda: _none_is_unsent(database))

        await asyncio.to_thread(own_nats.stop)
        await announce(database, *kites, versions=range(4, 7))
        assert await unsent(database) == 15
        await asyncio.to_thread(own_nats.start)
        await announce(database, *kites, versions=range(7, 10))
        await until(lambda: _none_is_unsent(database))

    assert await versions_in_stream(own_bus) == {f"kites.kite/{kite_id}": list(range(1, 10)) for kite_id in kites}


async def test_a_process_that_starts_before_nats_begins_when_nats_does(
    database: Database, own_nats: EmbeddedNats, own_bus: Bus
) -> None:
    await asyncio.to_thread(own_nats.stop)
    await announce(database)
    async with running(Relay(SERVICE, database, own_bus)):
        # All parts of a process ask for the one connection.
        opening = [asyncio.create_task(own_bus.open()) for _ in range(3)]
        await asyncio.to_thread(own_nats.start)
        await until(lambda: _none_is_unsent(database))
        await asyncio.gather(*opening)

    connections = await asyncio.to_thread(_connections, own_nats)
    assert connections == 1


def _connections(server: EmbeddedNats) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/connz", timeout=5) as answer:
        return orjson.loads(answer.read())["num_connections"]


async def test_a_server_that_falls_silent_costs_a_deadline_and_nothing_else(
    database: Database, own_nats: EmbeddedNats, own_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.relay._PUBLISH_TIMEOUT_S", 0.2)
    relay = Relay(SERVICE, database, own_bus)
    await own_bus.open()
    await assert_stream(own_bus.client, SERVICE, replicas=1)
    kites = await announce_at_once(database, 5, versions=3)
    assert own_nats.process is not None

    own_nats.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(nats.errors.TimeoutError):
            await relay.relay_batch()
    finally:
        own_nats.process.send_signal(signal.SIGCONT)
    assert await unsent(database) == 15

    # What had been on its way meanwhile may be stored: then it is not stored again.
    async with running(relay):
        await until(lambda: _none_is_unsent(database))
    assert await versions_in_stream(own_bus) == {f"kites.kite/{kite_id}": [1, 2, 3] for kite_id in kites}


async def test_what_was_lost_while_nats_was_away_is_sent_again_when_it_is_back(
    database: Database, own_nats: EmbeddedNats, own_bus: Bus
) -> None:
    relay = Relay(SERVICE, database, own_bus)
    async with running(relay):
        [kite_id] = await announce(database)
        await until(lambda: _none_is_unsent(database))
        await asyncio.to_thread(_lose_all, own_nats)
        await until(lambda: _sequence_is(own_bus, 3))

    assert await versions_in_stream(own_bus) == {f"kites.kite/{kite_id}": [1, 2, 3]}


def _lose_all(server: EmbeddedNats) -> None:
    """What a power cut can do to a young stream."""
    server.stop()
    shutil.rmtree(server.home / "streams")
    server.start()
