"""Row 15: a database is put back alone. Its listeners are ahead of it: that is told, and they can be brought back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
import pytest
from nats.js.errors import NotFoundError

from shared.access.principal import EVERYTHING
from shared.contracts.envelope import Message
from shared.database import Database, Transaction
from shared.endings import end
from shared.ids import new_id
from shared.messaging import audit
from shared.messaging.connection import Bus
from shared.messaging.consumer import Consumer
from shared.messaging.mending import Mending
from shared.messaging.relay import Relay
from tests.faults.verdict import Verdict
from tests.shared.conftest import until
from tests.shared.kites import SERVICE, KiteFlown
from tests.shared.streams import DAY, NOW, STREAM, announce, unsent


class Watcher:
    """A listener that notes what it hears of flights."""

    def __init__(self) -> None:
        self.consumer = Consumer("watchers")
        self.consumer.on(KiteFlown, self._flown)
        self.flights: list[tuple[UUID, int, int]] = []
        """Which kite, in which version of it, how far."""

    async def _flown(self, _: Transaction, message: Message[KiteFlown]) -> None:
        self.flights.append((message.data.kite_id, message.aggregateversion, message.data.metres))


@pytest.fixture
async def watcher(database: Database, bus: Bus) -> Watcher:
    return Watcher()


@asynccontextmanager
async def everything_running(database: Database, bus: Bus, watcher: Watcher) -> AsyncIterator[None]:
    """The relay and the listener, for a block; all is sent and applied when it ends."""
    relay = asyncio.create_task(Relay(SERVICE, database, bus).run())
    listening = asyncio.create_task(watcher.consumer.run(database, bus))

    async def settled() -> bool:
        # In this order: a stream in which nothing is yet has nothing to be applied either.
        return await unsent(database) == 0 and (await watcher.consumer.measure(database, bus))["lag"] == {STREAM: 0}

    try:
        yield
        await until(settled)
    finally:
        await end(relay, listening)


@pytest.mark.fault(15, "one database alone: its listeners are ahead of it")
async def test_a_database_that_is_put_back_is_missed_by_nobody_for_long(
    database: Database, bus: Bus, watcher: Watcher, verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an announcer whose database was put back to before the third flight of one kite, and before all of another
    kept, lost = new_id(), new_id()
    async with everything_running(database, bus, watcher):
        await announce(database, kept, lost)
    await database.pool.execute("DELETE FROM outbox WHERE aggregate = $1 OR version = 3", f"kites.kite/{lost}")

    # When it is asked, it tells exactly what it has forgotten
    forgotten = await audit.unknown(SERVICE, database, bus.client)
    assert {(m.aggregate, m.version) for m in forgotten} == {
        (f"kites.kite/{kept}", "3"), *((f"kites.kite/{lost}", str(version)) for version in (1, 2, 3)),
    }  # fmt: skip
    mending = Mending(SERVICE, lambda: database, watcher.consumer, as_json=True)
    with pytest.raises(SystemExit):
        await mending.audit(database, bus.client)
    [audited] = _told(capsys)
    assert len(audited["unknown"]) == 4

    # And when the stream is made anew of what it knows, and the listener put back to that
    await bus.jetstream.delete_stream(STREAM)
    watcher.flights.clear()
    async with everything_running(database, bus, watcher):
        await until(lambda: _is_filled(bus, database))
        await mending.step_back(SERVICE, database, bus.client)
        told = _told(capsys)
        # Then what it announces next, with a version that was heard before, is heard.
        async with database.transaction(EVERYTHING) as tx:
            tx.announce(KiteFlown(kite_id=kept, metres=77, on=DAY), at=NOW, version=3)
    assert watcher.flights == [(kept, 3, 77)]
    assert {(line["had_heard"], line["there_is"]) for line in told[:-1]} == {(3, 2), (3, 0)}
    assert told[-1]["put_back"] == 2
    assert await audit.unknown(SERVICE, database, bus.client) == []
    verdict.give(lost=0, doubled=0)


async def test_what_strangers_put_into_a_stream_is_told_as_well(database: Database, bus: Bus, watcher: Watcher) -> None:
    async with everything_running(database, bus, watcher):
        await announce(database)
    await bus.jetstream.publish(f"asar.{SERVICE}.kite.made.v1", b"{}", headers={"Nats-Msg-Id": "anything at all"})

    assert [message.message_id for message in await audit.unknown(SERVICE, database, bus.client)] == ["anything at all"]


async def _is_filled(bus: Bus, database: Database) -> bool:
    try:
        known = await audit.newest_versions(bus.client, SERVICE)
    except NotFoundError:
        # Not made yet.
        return False
    return sum(known.values()) == await database.pool.fetchval("SELECT count(*) FROM outbox")


def _told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was said to a machine; what was logged goes elsewhere in a process of its own."""
    return [orjson.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
