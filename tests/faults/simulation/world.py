"""One run: a service that announces, its relays, the gateway's consumers, and what goes wrong between them.

All of it is decided by a seed. Relay, audit, pull loop, consumer and fold are the real ones; only NATS, PostgreSQL and
the clock are not.
"""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson

from services.gateway import projections
from shared.contracts.charity import CampaignChanged, CampaignDrafted, DonationReceived, DonationRefunded
from shared.contracts.envelope import DomainEvent, Message, envelop
from shared.messaging.consumer import Consumer
from shared.messaging.pull import Delivery
from shared.messaging.relay import Relay
from shared.messaging.subjects import hint_subject, stream_name
from tests.faults.simulation.broker import Arriving, MemoryClient, MemoryServer
from tests.faults.simulation.loop import VirtualLoop
from tests.faults.simulation.storage import MemoryDatabase, Store

SERVICE, LISTENER = "charity", "gateway"
STREAM = stream_name(SERVICE)
FAULTS_S, PATIENCE_S = 6.0, 60.0
"""How long things go wrong, and within how long after that everything must have arrived. Of nobody's time."""
CENTRE, CAMPAIGN = UUID(int=1), UUID(int=2)
NOW, DAY = datetime(2021, 6, 9, 10, tzinfo=UTC), date(2021, 6, 9)

ODDS = {
    "delivered twice": 0.2,
    "delivery lost": 0.1,
    "overtaken": 0.4,
    "acknowledgement lost": 0.2,
    "answer lost": 0.1,
    "database away": 0.02,
    "lost before the commit": 0.05,
    "lost after the commit": 0.05,
    "deadlock": 0.05,
    "poison": 0.1,
}
"""What may go wrong at a step, and how often. Each run has some of these."""


Work = Callable[["Node"], Coroutine[Any, Any, None]]
"""What a process does until it is killed."""


class Broken(AssertionError):
    """A promise was not kept."""


class Node:
    """One process: what it does takes a while, and when it is killed it does nothing any more."""

    def __init__(self, world: "World", name: str, work: "Work") -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.client = MemoryClient(self, world.server)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.main = self.spawn(work(self))

    # What shared.messaging calls a bus.

    @property
    def jetstream(self) -> Any:
        return self.client.jetstream()

    @property
    def connected(self) -> bool:
        return self.client.is_connected

    @property
    def on_reconnect(self) -> list[Callable[[], None]]:
        return self.client.on_reconnect

    async def open(self) -> None:
        while not self.connected:  # noqa: ASYNC110  # as the real one tries
            await asyncio.sleep(0.1)

    # What it is to be a process.

    async def step(self) -> None:
        """Let others go first, perhaps for ever."""
        if self.alive:
            await asyncio.sleep(self.world.delay_s())
        if not self.alive:
            raise asyncio.CancelledError

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = self.world.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def kill(self) -> None:
        """End it where it stands: nothing that it would do at its end is done."""
        self.alive = False
        self.world.server.clients.remove(self.client)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class World:
    """Everything there is in one run, and what must hold in it."""

    def __init__(self, seed: int, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311  # the same each time, which is its use
        self.loop = VirtualLoop()
        self._say = say
        self.odds = {what: odds for what, odds in ODDS.items() if self.rng.random() < 0.5}
        self.server = MemoryServer(self)
        self.announcing, self.listening = Store(self), Store(self)
        self.nodes: dict[str, Node] = {}
        self._positions = 0
        self._poison: set[UUID] = set()
        self._broken: list[str] = []
        self._checked = 0
        self._versions: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        """Raises: Broken: a promise was not kept."""
        try:
            self.loop.run_until_complete(self._run())
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self.loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(self.loop), return_exceptions=True))
            self.loop.close()

    # --- chance -----------------------------------------------------------------------------------------------------

    def happens(self, what: str) -> bool:
        if what not in self.odds or self.rng.random() >= self.odds[what]:
            return False
        self.say(what)
        return True

    def delay_s(self) -> float:
        return self.rng.random() * 0.02

    def say(self, line: str) -> None:
        self._say(f"{self.loop.time():7.3f} {line}")

    # --- the parts --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        replicas = self.rng.choice([1, 2])
        roles = {f"relay {n}": self._relay for n in range(replicas)}
        roles |= {f"consumer {n}": self._consume for n in range(replicas)}
        for name, work in roles.items():
            self.nodes[name] = Node(self, name, work)
        announcers = [self.loop.create_task(self._announce(number)) for number in range(self.rng.randint(2, 6))]
        nemesis = self.loop.create_task(self._go_wrong(roles))
        await asyncio.sleep(FAULTS_S)
        await asyncio.gather(*announcers, nemesis)
        self.say("from here on nothing goes wrong")
        self.odds.clear()
        self._poison.clear()
        await self._arrive()
        await self._compare()

    async def _relay(self, node: Node) -> None:
        database: Any = MemoryDatabase(node, self.announcing)
        bus: Any = node
        await Relay(SERVICE, database, bus).run()

    async def _consume(self, node: Node) -> None:
        database: Any = MemoryDatabase(node, self.listening)
        bus: Any = node
        await self.consumer().run(database, bus)

    def consumer(self) -> Consumer:
        """The gateway's own handlers, of which some fail while there is poison."""
        consumer = Consumer(LISTENER)

        async def keep(tx: Any, message: Message[Any], body: str) -> None:
            if message.id in self._poison:
                raise ValueError("poison")
            await projections.keep(tx, message, body)

        consumer.on_every([SERVICE], keep)
        consumer.on(DonationReceived, projections.receive_donation)
        consumer.on(DonationRefunded, projections.refund_donation)
        consumer.on(CampaignDrafted, projections.follow_campaign)
        consumer.on(CampaignChanged, projections.follow_campaign)
        return consumer

    async def _announce(self, number: int) -> None:
        """One aggregate's history, a transaction for each version."""
        identity = UUID(int=self.rng.getrandbits(128), version=4)
        for version in range(1, self.rng.randint(2, 8)):
            await asyncio.sleep(self.rng.random())
            fact = _donation(identity, version) if number % 2 else _campaign(identity, version)
            row = {**envelop(fact, at=NOW, version=version), "published_at": None, "position": self._next_position()}
            # Positions are taken in another order than that in which their transactions commit.
            await asyncio.sleep(self.delay_s())
            self.announcing.outbox.append(row)
            self.say(f"announced {_short(row['aggregate'])} v{version}")
            if self.happens("poison"):
                self._poison.add(row["message_id"])
            for client in self.server.clients:
                client.hear(hint_subject(SERVICE), Arriving(b""), client.connection)

    def _next_position(self) -> int:
        self._positions += 1
        return self._positions

    # --- what goes wrong --------------------------------------------------------------------------------------------

    async def _go_wrong(self, roles: Mapping[str, Work]) -> None:
        blows = [self._kill_one, self._kill_one, self._restart_server, self._delete_stream, self._delete_durables]
        chosen = self.rng.sample(blows, self.rng.randint(0, 3))
        while chosen and self.loop.time() < FAULTS_S:
            await asyncio.sleep(self.rng.random() * 2)
            await self.rng.choice(chosen)(roles)

    async def _kill_one(self, roles: Mapping[str, Work]) -> None:
        name = self.rng.choice(list(roles))
        self.say(f"{name} is killed")
        await self.nodes[name].kill()
        await asyncio.sleep(self.rng.random())
        self.nodes[name] = Node(self, name, roles[name])
        self.say(f"{name} begins again")

    async def _restart_server(self, _: Any) -> None:
        losing, everything = self.rng.choice([0, 1, 3, 10]), self.rng.random() < 0.2
        self.say(f"NATS goes down, losing {'everything' if everything else losing}")
        self.server.go_down(losing=losing, everything=everything)
        await asyncio.sleep(self.rng.random())
        self.server.come_back()
        self.say("NATS is back")

    async def _delete_stream(self, _: Any) -> None:
        if STREAM in self.server.streams:
            self.say("the stream is deleted")
            self.server.delete_stream(STREAM)

    async def _delete_durables(self, _: Any) -> None:
        for name in list(self.server.streams[STREAM].durables) if STREAM in self.server.streams else []:
            self.say("the durable is deleted")
            self.server.delete_durable(STREAM, name)

    # --- what must hold ---------------------------------------------------------------------------------------------

    def committed(self) -> None:
        """Safety, at each commit: each effect once, and of each aggregate in the order of its versions."""
        feed = self.listening.applied.feed
        for body in feed[self._checked :]:
            message = orjson.loads(body)
            aggregate, version = message["subject"], message["aggregateversion"]
            self.say(f"applied {_short(aggregate)} v{version}")
            if version != self._versions[aggregate] + 1:
                # Raised in here, it would be taken for a handler's mistake.
                self._broken.append(f"{aggregate}: version {version} took effect after {self._versions[aggregate]}")
            self._versions[aggregate] = version
        self._checked = len(feed)

    async def _arrive(self) -> None:
        """Liveness: once nothing goes wrong any more, all has arrived before long; what failed is driven again."""
        operator = Node(self, "operator", self._nothing)
        database: Any = MemoryDatabase(operator, self.listening)
        until = self.loop.time() + PATIENCE_S
        while (missing := self._missing()) and not self._broken:
            if self.loop.time() > until:
                raise Broken(f"{PATIENCE_S:.0f} s after the last fault: {missing}")
            await asyncio.sleep(1)
            if any(row["reason"] == "failed" for row in self.listening.applied.parked.values()):
                await self.consumer().redrive(database)
        if self._broken:
            raise Broken(self._broken[0])

    async def _nothing(self, _: Node) -> None:
        pass

    def _missing(self) -> str:
        """What is still on its way; empty: nothing."""
        applied, stream = self.listening.applied, self.server.streams.get(STREAM)
        durables = [] if stream is None else list(stream.durables.values())
        left = {
            "unsent": len(self.announcing.unsent),
            "parked": len(applied.parked),
            "not applied": len(self.announcing.outbox) - len(applied.feed),
            "lag": sum(len(d.pending) + max(0, len(stream.messages) + 1 - d.position) for d in durables if stream),
        }
        return ", ".join(f"{number} {what}" for what, number in left.items() if number)

    async def _compare(self) -> None:
        """The read model is what one has who hears everything once and in order."""
        other = Store(self)
        node = Node(self, "who hears all in order", self._nothing)
        database: Any = MemoryDatabase(node, other)
        for row in sorted(self.announcing.outbox, key=lambda row: (row["aggregate"], row["version"])):
            told = {name: row[name] for name in ("type", "aggregate", "version", "body")}
            await self.consumer().apply(database, [Delivery(**told, message_id=str(row["message_id"]), reply="")])
        if other.applied.shown() != self.listening.applied.shown():
            raise Broken("the read model is another than that of who heard all in order")


def _short(aggregate: str) -> str:
    return f"{aggregate.split('.')[1][:8]}…{aggregate[-4:]}"


def _donation(identity: UUID, version: int) -> DomainEvent:
    about: dict[str, Any] = {"donation_id": identity, "centre_id": CENTRE, "region": "KZ-75", "kind": "money"}
    about |= {"campaign_id": CAMPAIGN, "amount_minor": 100 + version, "method": "bank", "anonymous": True, "on": DAY}
    return DonationReceived(**about) if version == 1 else DonationRefunded(**about, refund_id=UUID(int=version))


def _campaign(identity: UUID, version: int) -> DomainEvent:
    about: dict[str, Any] = {"campaign_id": identity, "title": {"kk": f"Керуен {version}"}, "goal_minor": version}
    about |= {"status": "draft", "starts_on": DAY, "ends_on": None}
    return CampaignDrafted(**about) if version == 1 else CampaignChanged(**about)
