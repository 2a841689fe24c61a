"""How fast facts pass from the outbox through the stream into the read model, against the pull loop alone."""

import time
from collections.abc import AsyncIterator
from datetime import date
from itertools import count
from uuid import UUID

import anyio.to_thread

from bench.measure import Goal, Result, in_turn
from bench.servers import NOBODY, Servers
from services.gateway.app import Gateway
from services.gateway.consumers import consumer
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared.access.principal import EVERYTHING
from shared.clock import now
from shared.contracts.volunteers import VolunteerRegistered
from shared.database import Database
from shared.ids import new_id
from shared.messaging.connection import Bus
from shared.messaging.pull import Puller
from shared.messaging.relay import Relay
from shared.messaging.topology import Subscription, assert_stream

MESSAGES = 10_000
_rounds = count(1)


async def measure(servers: Servers) -> AsyncIterator[Result]:
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
        relay = Relay("volunteers", volunteers.process.database, bus)

        async def relayed_and_folded() -> float:
            await _announce(volunteers.process.database)
            began = time.perf_counter()
            while await relay.relay_batch():
                pass
            await _follow(bus, "bench_fold", gateway.process.generations.active)
            return MESSAGES / (time.perf_counter() - began)

        async def pulled() -> float:
            await _announce(volunteers.process.database)
            while await relay.relay_batch():
                pass
            began = time.perf_counter()
            await _follow(bus, "bench_pull", None)
            await _follow(bus, "bench_fold", None)
            return 2 * MESSAGES / (time.perf_counter() - began)

        rates = await in_turn(relayed_and_folded, pulled)
    await bus.close()
    yield Result("outbox to read model", "messages/s", rates[0], Goal(5_000, 20_000))
    yield Result("outbox to read model", "messages/s", rates[0], Goal(0.15, 0.15), "pull loop alone", rates[1])


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
