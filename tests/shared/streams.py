"""What the tests of messaging say again and again: announce, look into the stream, make deliveries by hand."""

import asyncio
import contextlib
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import ServerError

from shared.access.principal import EVERYTHING
from shared.contracts.envelope import envelop
from shared.database import Database
from shared.ids import new_id
from shared.messaging.connection import Bus
from shared.messaging.pull import Delivery, Puller
from shared.messaging.subjects import stream_name
from shared.messaging.topology import assert_stream
from tests.shared.kites import SERVICE, KiteFact, KiteFlown, KiteMade

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
DAY = date(2026, 11, 22)
STREAM = stream_name(SERVICE)


def fact_of(kite_id: UUID, version: int) -> KiteFact:
    """A kite's history: made, then flown a metre further each time."""
    return KiteMade(kite_id=kite_id, name="a") if version == 1 else KiteFlown(kite_id=kite_id, metres=version, on=DAY)


async def announce(database: Database, *kites: UUID, versions: range = range(1, 4)) -> list[UUID]:
    """Announce the versions of each kite's history in turn, each in a transaction of its own; returns the kites."""
    known = list(kites) or [new_id()]
    for version in versions:
        for kite_id in known:
            async with database.transaction(EVERYTHING) as tx:
                tx.announce(fact_of(kite_id, version), at=NOW, version=version)
    return known


async def announce_at_once(database: Database, kites: int, versions: int = 1) -> list[UUID]:
    """Announce many facts in one transaction, version by version."""
    known = [new_id() for _ in range(kites)]
    async with database.transaction(EVERYTHING) as tx:
        for version in range(1, versions + 1):
            for kite_id in known:
                tx.announce(fact_of(kite_id, version), at=NOW, version=version)
    return known


def delivery(fact: KiteFact, version: int, **changed: Any) -> Delivery:
    """A fact as the stream would deliver it."""
    row = envelop(fact, at=NOW, version=version)
    told = {name: row[name] for name in ("type", "aggregate", "version", "body")}
    return Delivery(**{**told, "message_id": str(row["message_id"]), "reply": "", **changed})


def history(kite_id: UUID, versions: int) -> list[Delivery]:
    return [delivery(fact_of(kite_id, version), version) for version in range(1, versions + 1)]


async def make_anew(bus: Bus) -> None:
    """A stream that has lost everything."""
    await bus.jetstream.delete_stream(STREAM)
    while True:
        # With its last stream NATS removes the folder of all, a moment later: then the new one has no place.
        with contextlib.suppress(ServerError):
            await assert_stream(bus.client, SERVICE, replicas=1)
            return
        await asyncio.sleep(0.01)


async def taken(puller: Puller, messages: int) -> list[Delivery]:
    """So many, acknowledged, in however many pages they come."""
    got: list[Delivery] = []
    while len(got) < messages:
        page = await puller.page()
        got += page
        await puller.acknowledge(page)
    return got


async def unsent(database: Database) -> int:
    return await database.pool.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")


async def messages_in_stream(bus: Bus) -> list[Msg]:
    """All that the stream holds, in its order."""
    left = (await bus.jetstream.stream_info(STREAM)).state.messages
    if not left:
        return []
    # Nothing is acknowledged, and after a thousand of those no more would come.
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, max_ack_pending=-1)
    listening = await bus.jetstream.pull_subscribe("", stream=STREAM, config=config)
    found: list[Msg] = []
    while len(found) < left:
        found += await listening.fetch(left - len(found), timeout=5)
    await listening.unsubscribe()
    return found


async def versions_in_stream(bus: Bus) -> dict[str, list[int]]:
    """The versions that the stream holds of each aggregate, in its order."""
    versions: dict[str, list[int]] = {}
    for message in await messages_in_stream(bus):
        body = orjson.loads(message.data)
        versions.setdefault(body["subject"], []).append(body["aggregateversion"])
    return versions


async def effects(database: Database) -> dict[str, Any]:
    """What a consumer's messages have done, without what may differ between two ways to the same end."""
    heard = await database.pool.fetch("SELECT kite_id, version, fact FROM heard ORDER BY kite_id, version")
    sky = await database.pool.fetch('SELECT place, "on", flights, metres FROM sky ORDER BY place, "on"')
    inbox = await database.pool.fetch("SELECT aggregate, version FROM inbox ORDER BY aggregate")
    return {"heard": list(map(tuple, heard)), "sky": list(map(tuple, sky)), "inbox": list(map(tuple, inbox))}


async def parked(database: Database) -> list[tuple[int, str]]:
    """Version and reason of what is parked."""
    rows = await database.pool.fetch("SELECT version, reason FROM parked ORDER BY aggregate, version")
    return [(row["version"], row["reason"]) for row in rows]
