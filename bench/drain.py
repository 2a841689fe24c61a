"""How fast facts pass from the outbox through the stream into the read model, against the pull loop alone."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from statistics import median
from uuid import UUID

import anyio.to_thread

from bench.measure import Goal, Growth, Result, in_turn
from bench.servers import NOBODY, Servers
from services.gateway.app import Gateway
from services.gateway.consumers import consumer
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared.access.principal import EVERYTHING
from shared.clock import now
from shared.contracts.volunteers import VolunteerRegistered
from shared.database import Database
from shared.garbage import leave_alone_what_is_there
from shared.ids import new_id
from shared.messaging.connection import Bus
from shared.messaging.pull import Puller
from shared.messaging.relay import Relay
from shared.messaging.topology import Subscription, assert_stream

MESSAGES = 10_000
SIZES = (10_000, 100_000, 1_000_000)
_FILL_S = 300
_SENT = """
INSERT INTO outbox (message_id, type, aggregate, version, lane, subject, body, recorded_at, published_at)
SELECT gen_random_uuid(), 'volunteers.volunteer.registered.v1', 'volunteers.volunteer/was-' || n, 1, n % 8, 'bench',
    repeat('x', 600), now(), now() FROM generate_series($1::int, $2::int) AS n
"""
_APPLIED = """
INSERT INTO inbox (consumer, aggregate, version) SELECT 'gateway', 'volunteers.volunteer/was-' || n, 1
FROM generate_series($1::int, $2::int) AS n
"""


async def measure(servers: Servers) -> AsyncIterator[Result]:
    async with _drain(servers) as drain:
        rates = await in_turn(drain.relayed_and_folded, drain.pulled)
    yield Result("outbox to read model", "messages/s", rates[0], Goal(5_000, 20_000))
    yield Result("outbox to read model", "messages/s", rates[0], Goal(0.15, 0.15), "pull loop alone", rates[1])


async def growth(servers: Servers) -> AsyncIterator[Growth]:
    """With what was announced and applied before."""
    rates: list[float] = []
    there = 0
    async with _drain(servers) as drain:
        for size in SIZES:
            await drain.fill(there, size)
            there = size
            rates.append(median([await drain.relayed_and_folded() for _ in range(4)][1:]))
    yield Growth("outbox to read model", "messages/s", "messages before", SIZES, rates, more_is_better=True)


@dataclass(frozen=True)
class _Drain:
    """A service that announces, and a read model that is folded of it, in this process."""

    volunteers: Database
    model: Database
    bus: Bus
    relay: Relay

    async def relayed_and_folded(self) -> float:
        await _announce(self.volunteers)
        began = time.perf_counter()
        while await self.relay.relay_batch():
            pass
        await _follow(self.bus, "bench_fold", self.model)
        took_s = time.perf_counter() - began
        await _follow(self.bus, "bench_pull", None)
        return MESSAGES / took_s

    async def pulled(self) -> float:
        await _announce(self.volunteers)
        while await self.relay.relay_batch():
            pass
        began = time.perf_counter()
        await _follow(self.bus, "bench_pull", None)
        await _follow(self.bus, "bench_fold", None)
        return 2 * MESSAGES / (time.perf_counter() - began)

    async def fill(self, there: int, size: int) -> None:
        """As if so many messages had been sent and applied already."""
        for database, statement in ((self.volunteers, _SENT), (self.model, _APPLIED)):
            await database.pool.execute(statement, there + 1, size, timeout=_FILL_S)


@asynccontextmanager
async def _drain(servers: Servers) -> AsyncGenerator[_Drain]:
    settings = await servers.settings("drain")
    volunteers = Volunteers(settings)
    gateway_settings = GatewaySettings(
        **(await servers.settings("drain_gateway")).model_dump(),
        volunteers_url=NOBODY,
        events_url=NOBODY,
        charity_url=NOBODY,
    )
    gateway = Gateway(gateway_settings)
    for service in (volunteers, gateway):
        await _migrated(service)
    bus = Bus(settings, name="bench")
    await bus.open()
    async with volunteers.process.resources(), gateway.process.resources():
        await assert_stream(bus.client, "volunteers", replicas=1)
        database = volunteers.process.database
        leave_alone_what_is_there()
        yield _Drain(database, gateway.process.generations.active, bus, Relay("volunteers", database, bus))
    await bus.close()


async def _migrated(service: Volunteers | Gateway) -> None:
    await anyio.to_thread.run_sync(service.process.migrate)


async def _announce(database: Database) -> None:
    """Ten thousand facts in the outbox, of as many volunteers."""
    centre: UUID = new_id()
    for _ in range(MESSAGES // 1000):
        async with database.transaction(EVERYTHING) as tx:
            for _ in range(1000):
                fact = VolunteerRegistered(
                    volunteer_id=new_id(), centre_id=centre, region="KZ-75", status="applied", born_in="1990-05",
                    consent=True, on=date(2021, 6, 9),
                )  # fmt: skip
                tx.announce(fact, at=now())


async def _follow(bus: Bus, durable: str, model: Database | None) -> None:
    """Take a round's messages off the stream; fold them if there is a read model."""
    left = MESSAGES
    async with Puller(bus.client, Subscription(durable, "volunteers")) as puller:
        while left > 0:
            page = await puller.page()
            if model is not None:
                await consumer.apply(model, page)
            await puller.acknowledge(page)
            left -= len(page)
