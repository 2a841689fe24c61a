"""One process of a service: its web server, relay and consumer in one loop, started together, stopped gracefully."""
# ruff: noqa: T201 - the operator's commands speak to a terminal.

import asyncio
import contextlib
import math
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import orjson
import uvloop
from fastapi import FastAPI
from sqlalchemy import MetaData
from starlette.types import ASGIApp

from shared import clock, failpoints, health, languages, openapi, problems, safety, telemetry
from shared.access.principal import EVERYTHING
from shared.access.token import Verifier
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable, Transaction, role_of
from shared.direct import Direct
from shared.endings import end
from shared.garbage import leave_alone_what_is_there
from shared.idempotency import KEEP_DAYS
from shared.jobs.job import forget_expired
from shared.jobs.worker import Kind, Worker
from shared.messaging.connection import Bus
from shared.messaging.consumer import Consumer
from shared.messaging.mending import Mending
from shared.messaging.relay import Relay
from shared.messaging.subjects import hint_subject
from shared.metrics import DATABASE_BYTES, DATABASE_UP, NATS_UP, UNSENT, UNSENT_AGE
from shared.paging import Cursors
from shared.resealing import counts, reseal
from shared.sealed import Seal
from shared.server import Server, raise_open_files
from shared.settings import Settings
from shared.telemetry import log

BODY_BYTES_MAX = 4 * 1024 * 1024
PARTS = ("api", "relay", "consume")
WORKER = ("relay", "consume")
"""Everything but the web server's requests, where those are to scale and to fail by themselves."""

_COMMANDS = ("migrate", "audit", "parked", "redrive", "replay", "step-back", "reseal", "seals")
LOOK_AT_CLOCK_EVERY_S, CLOCK_WRONG_S = 10.0, 5.0

Job = Callable[[Transaction], Awaitable[int]]
"""A command that the passing of time demands; returns how much it did, and is called at once again if that is > 0."""


class Process:
    """What runs in one process; `services/*/app.py` puts one together."""

    is_a_door = False
    """Whether the world asks it, and not the gateway."""

    def __init__(
        self,
        service: str,
        settings: Settings,
        metadata: MetaData,
        *,
        migrations: Path,
        consumer: Consumer | None = None,
        publishes: bool = True,
        jobs: dict[float, Job] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        larger_bodies: Mapping[str, int] | None = None,
    ) -> None:
        """`jobs`: what to do every so many seconds. `kinds`: the long work that callers begin (`shared.jobs`).

        `larger_bodies`: the paths that take more bytes than others, and how many.
        """
        safety.require(safety.faults(settings))
        failpoints.arm(settings.failpoint)
        clock.follow(clock.now() + timedelta(seconds=settings.clock_ahead_s))
        self.service = service
        self.settings = settings
        self.database = Database(settings.database_url, metadata, pool_size=settings.pool_size)
        self.bus = Bus(settings, name=f"asar-{service}")
        self.relay = Relay(service, self.database, self.bus, replicas=settings.stream_replicas) if publishes else None
        self.consumer = consumer
        self.jobs = jobs or {}
        self.worker = Worker(kinds, lambda: self.seal) if kinds else None
        self.larger_bodies = larger_bodies or {}
        self._migrations = migrations
        self.running: tuple[str, ...] = ()

    @cached_property
    def seal(self) -> Seal:
        """The key ring, read when it is first needed."""
        return Seal(self.settings.keys_dir)

    # --- the web application ----------------------------------------------------------------------------------------

    def application(self, title: str, description: str) -> FastAPI:
        """A FastAPI application with the house's problem documents, health routes and access."""
        app = FastAPI(
            title=title,
            description=description,
            version="1",
            openapi_url="/openapi.json",
            docs_url=None,
            redoc_url=None,
            # Redirected, a caller would be told an address that only the gateway knows.
            redirect_slashes=False,
            generate_unique_id_function=openapi.name_of,
            lifespan=self._lifespan,
            # Our own middleware traces; FastAPI's costs half the rate.
            telemetry={"tracing": False, "metrics": False, "logs": False},  # pyright: ignore[reportArgumentType]
        )
        problems.install(app)
        openapi.describe(app)
        app.include_router(health.router(self.service, ready=self._ready(), report=self.report))
        app.state.database = self.database
        app.state.seal = self.seal
        app.state.cursors = Cursors(self.settings.keys_dir)
        app.state.verifier = Verifier(self.settings.keys_dir, self.service)
        app.add_middleware(Direct)
        app.add_middleware(problems.BodyLimit, bytes_max=BODY_BYTES_MAX, larger=self.larger_bodies)
        app.add_middleware(languages.Listening)
        app.add_middleware(telemetry.Observed, from_outside=self.is_a_door)
        return app

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        async with self.resources(), self._working():
            yield

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncGenerator[None]:
        """What runs beside the web server. It begins once the database answers and ends before that is closed."""
        if not self.running:
            yield
            return
        working = asyncio.create_task(self._work(), name="background")
        try:
            yield
        finally:
            await end(working)
            await self.bus.close()

    @contextlib.asynccontextmanager
    async def resources(self) -> AsyncGenerator[None]:
        """The database, opened as soon as it answers; once per process, however many parts run in it."""
        pause_s = 0.1
        while True:
            try:
                await self.database.open()
                break
            except CONNECTION_LOST as error:
                log.warning("database is not reachable yet", error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)
        await self._set_clock()
        keeping_time = asyncio.create_task(self._keep_time())
        try:
            if self.settings.environment == "production":
                safety.require(await safety.faults_of_role(self.database.pool))
            yield
        finally:
            await end(keeping_time)
            await self.database.close()

    async def _set_clock(self) -> None:
        """Take over the database's time."""
        with contextlib.suppress(*CONNECTION_LOST, DatabaseUnavailable):
            wrong_s = clock.follow(await self.database.pool.fetchval("SELECT clock_timestamp()"))
            if abs(wrong_s) > CLOCK_WRONG_S:
                log.warning("this machine's clock is wrong; the database's is followed", seconds=round(wrong_s))

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_CLOCK_EVERY_S)
            await self._set_clock()

    def _ready(self) -> dict[str, health.Check]:
        async def migrated() -> None:
            at = await self.database.pool.fetchval("SELECT version_num FROM alembic_version")
            # A revision that is not known here is of a later version, which is about to take over.
            if at is None or at in _overtaken(self._migrations):
                raise RuntimeError("migrations are not at head")

        # NATS is not asked: the outbox carries a service through its absence.
        return {"database": self.database.ping, "migrations": migrated}

    async def report(self) -> dict[str, Any]:
        """What `asar status` shows of this process; Prometheus is told it as well."""
        answer: dict[str, Any] = {"parts": list(self.running), "nats": self.bus.connected}
        needs_nats = self.relay is not None or "consume" in self.running
        NATS_UP.set(self.bus.connected if needs_nats else math.nan)
        try:
            DATABASE_BYTES.set(await self.database.bytes())
            DATABASE_UP.set(1)
            self.database.tell("own")
            if self.worker is not None:
                await self.worker.tell(self.database)
            if self.relay is not None:
                unsent, age_s = await self.relay.measure()
                await self.relay.tell()
                answer |= {"unsent": unsent, "oldest_unsent_s": round(age_s, 3)}
            if self.consumer is not None:
                measured = await self.consumer.measure(self.read_database(), self.bus, self.durable)
                await self.consumer.tell(self.read_database(), measured)
                answer |= measured
        except (*CONNECTION_LOST, DatabaseUnavailable):
            # What was true when it last answered might be far from it.
            for gauge, unknown in ((DATABASE_UP, 0), (UNSENT, math.nan), (UNSENT_AGE, math.nan)):
                gauge.set(unknown)
        return answer

    def read_database(self) -> Database:
        """The database in which this process applies what it hears."""
        return self.database

    @property
    def durable(self) -> str | None:
        """The name of its durable consumers, where it is not the consumer's own."""
        return None

    # --- running ----------------------------------------------------------------------------------------------------

    def main(self, application: Callable[[], ASGIApp], arguments: Sequence[str] = ()) -> None:
        """`python -m services.<name> [api|relay|consume|worker|<command>]`; none runs the first three.

        `worker` is relay and consume in one process.
        """
        telemetry.set_up(self.service, self.settings)
        match list(arguments):
            case ["migrate"]:
                self.migrate()
            case ["reseal"]:
                uvloop.run(self._reseal())
            case ["seals"]:
                uvloop.run(self._seals())
            case ["audit" | "parked" | "redrive" | "step-back" as word, *rest]:
                # For a machine, a line of JSON for each thing; for a person, words.
                as_json, others = "--json" in rest, [one for one in rest if one != "--json"]
                mending = Mending(self.service, self.read_database, self.consumer, as_json=as_json)
                uvloop.run(self._once(lambda: self._mend(mending, word, others)))
            case ["replay"]:
                uvloop.run(self._once(self._replay))
            case []:
                uvloop.run(self._serve(application, PARTS))
            case ["worker"]:
                uvloop.run(self._serve(application, WORKER))
            case [part] if part in PARTS:
                uvloop.run(self._serve(application, (part,)))
            case _:
                sys.exit(f"usage: python -m services.{self.service} [{'|'.join((*PARTS, 'worker', *_COMMANDS))}]")

    async def _serve(self, application: Callable[[], ASGIApp], parts: tuple[str, ...]) -> None:
        self.running = parts
        raise_open_files()
        # Told to stop while it waits for the database, the server is cancelled.
        with contextlib.suppress(asyncio.CancelledError):
            server = Server(application(), self.settings)
            leave_alone_what_is_there()
            await server.serve()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self.relay is not None and "relay" in self.running:
                self.database.on_announced = self.relay.wake
                group.create_task(_for_ever(self.relay.run))
            elif self.relay is not None:
                group.create_task(self._hint())
            if "consume" in self.running:
                group.create_task(_for_ever(self.consume))
                for every_s, job in self.jobs.items():
                    group.create_task(self._regularly(every_s, job))
                group.create_task(self._regularly(3600.0, self._forget_answers))
                if self.worker is not None:
                    group.create_task(_for_ever(partial(self.worker.run, self.database)))
                    group.create_task(self._regularly(3600.0, forget_expired))

    async def consume(self) -> None:
        if self.consumer is not None:
            await self.consumer.run(self.database, self.bus, replicas=self.settings.stream_replicas)

    async def _hint(self) -> None:
        """Tell a relay in another process, after each commit, that there is something to send. May be lost."""
        await self.bus.open()
        due = asyncio.Event()
        self.database.on_announced = due.set
        while True:
            await due.wait()
            due.clear()
            with contextlib.suppress(Exception):
                await self.bus.client.publish(hint_subject(self.service))

    async def _regularly(self, every_s: float, job: Job) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                async with self.database.transaction(EVERYTHING) as tx:
                    done = await job(tx)
                while done:
                    async with self.database.transaction(EVERYTHING) as tx:
                        done = await job(tx)
            except Exception as error:  # noqa: BLE001  # the edge of the loop: the next turn tries again
                log.warning("job failed", job=getattr(job, "__name__", "job"), error=type(error).__name__)

    async def _forget_answers(self, tx: Transaction) -> int:
        forget = "DELETE FROM idempotency WHERE answered_at < now() - make_interval(days => $1)"
        await tx.sql(forget, KEEP_DAYS)
        return 0

    # --- the operator's commands ------------------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the database to head, and give the service its rights. Safe to run by several processes at once."""
        # Those who serve need none of Alembic: a tenth of a second of every start, and seven MiB for good.
        from shared import migrations  # noqa: PLC0415

        migrations.upgrade(
            self._migrations,
            database_url=self.settings.owner_database_url or self.settings.database_url,
            service_role=role_of(self.settings.database_url),
            keys_dir=self.settings.keys_dir,
        )

    async def _reseal(self) -> None:
        async with self.resources():
            seal = Seal(self.settings.keys_dir)
            done = await reseal(self.database, seal, report=lambda line: print(f"{self.service}: {line}", flush=True))
            print(f"{self.service}: {done} rows were sealed anew")

    async def _seals(self) -> None:
        async with self.resources():
            print(orjson.dumps(await counts(self.database)).decode())

    async def _once(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self.resources():
            await self.bus.open()
            try:
                await work()
            finally:
                await self.bus.close()

    async def _mend(self, mending: Mending, word: str, words: list[str]) -> None:
        match word:
            case "audit" if self.relay is not None:
                await mending.audit(self.database, self.bus.client)
            case "parked":
                await mending.parked()
            case "redrive":
                await mending.redrive(words[0] if words else None)
            case "step-back" if words and self.durable is None:
                await mending.step_back(words[0], self.database, self.bus.client)
            case "step-back":
                sys.exit("step-back SERVICE: whom to hear again. The gateway has `rebuild` for that.")
            case _:
                mending.say({"sent_again": 0, "unknown": []}, "announces nothing")

    async def _replay(self) -> None:
        if self.consumer is not None:
            await self.consumer.hear_again(self.bus, self.durable)
            print(f"{self.service}: hears its streams from their beginning")


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    """Run a loop of the service; should it end by an error, say so and begin it again."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  # a part must not fall silent while the others live
            log.error("part failed and begins again", part=getattr(work, "__qualname__", "?"), error=repr(error))
            await asyncio.sleep(1)
        else:
            return


@lru_cache
def _overtaken(migrations: Path) -> set[str]:
    """The revisions that this code knows, and needs more than: scripts are named by their revisions, in their order."""
    return set(sorted(script.name.partition("_")[0] for script in migrations.glob("versions/*.py"))[:-1])
