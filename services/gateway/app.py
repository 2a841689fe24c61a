"""The composition root of the gateway: the only place where its parts are wired."""
# ruff: noqa: T201 - the operator's commands speak to a terminal.

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from services.gateway import queries
from services.gateway.authentication import Authentication
from services.gateway.commands import accounts, throttle
from services.gateway.consumers import consumer
from services.gateway.current import Current
from services.gateway.domain.access import ADMINISTRATOR_LINK_LIFE, CredentialsRefused, SignInRefused
from services.gateway.door import Door
from services.gateway.generations import Generations, opened
from services.gateway.limits import Limits
from services.gateway.live import Live, TooManyWatchers
from services.gateway.metrics import AS_OF, GENERATION, REVISION, WATCHERS
from services.gateway.oidc import Issuer
from services.gateway.proxy import Proxy
from services.gateway.routes import ROUTERS
from services.gateway.schemas.access import Invite
from services.gateway.settings import GatewaySettings, unsafe
from services.gateway.states import States
from services.gateway.tables import Base
from shared import clock, safety
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING
from shared.access.token import Signer
from shared.database import CONNECTION_LOST, Database, DatabaseUnavailable, Transaction
from shared.endings import end
from shared.messaging.subjects import durable_of_generation
from shared.metrics import PROBLEMS
from shared.process import Process
from shared.sealed import Seal

REBUILD_DEADLINE_S = 3600.0
REBUILD_TOLD_EVERY_S = 5.0
THROTTLE_FORGETS_EVERY_S = 600.0


class GatewayProcess(Process):
    """A process that folds generations of read models in place of a consumer of its own database."""

    is_a_door = True

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__(
            "gateway",
            settings,
            Base.metadata,
            migrations=Path(__file__).with_name("migrations"),
            consumer=consumer,
            publishes=False,
            jobs={THROTTLE_FORGETS_EVERY_S: _forget_failed_sign_ins},
        )
        self.generations = Generations(settings, self.database, consumer)
        self.states = States(self.generations)
        self.live = Live(self.states, watchers_max=settings.watchers_max)
        self.generations.on_moved = self.live.wake
        self.urls = {
            "volunteers": settings.volunteers_url,
            "events": settings.events_url,
            "charity": settings.charity_url,
        }
        self.proxy = Proxy(self.urls, Signer(settings.keys_dir))
        self.issuer = Issuer(settings, self.database, Seal(settings.keys_dir)) if settings.oidc_issuer else None
        self.authentication = Authentication(self.database, settings.environment, self.issuer)
        self.closing = asyncio.Event()

    @contextlib.asynccontextmanager
    async def resources(self) -> AsyncGenerator[None]:
        async with super().resources(), opened(self.generations):
            await self.proxy.open()
            if self.issuer is not None:
                await self.issuer.open()
            hub = asyncio.create_task(self.live.run())
            try:
                yield
            finally:
                await end(hub)
                await self.proxy.close()
                if self.issuer is not None:
                    await self.issuer.close()

    async def consume(self) -> None:
        await self.generations.run(self.bus)

    async def end_streams(self) -> None:
        self.closing.set()
        await self.live.end()

    def read_database(self) -> Database:
        return self.generations.active

    @property
    def durable(self) -> str | None:
        return durable_of_generation(self.generations.number)

    async def report(self) -> dict[str, Any]:
        watchers, generation = self.live.watchers, self.generations.number
        answer = await super().report() | {"watchers": watchers, "generation": generation}
        WATCHERS.set(watchers)
        GENERATION.set(generation)
        with contextlib.suppress(*CONNECTION_LOST, DatabaseUnavailable):
            model = self.generations.active
            model.tell("read model")
            revision, as_of = await queries.revision(model.pool)
            REVISION.set(revision)
            AS_OF.set(as_of.timestamp() if as_of else 0)
            answer["revision"] = revision
        return answer


class Gateway:
    """The gateway, put together from its settings."""

    def __init__(self, settings: GatewaySettings | None = None) -> None:
        self.settings = settings or GatewaySettings()  # pyright: ignore[reportCallIssue]  # the environment fills them in
        safety.require(unsafe(self.settings))
        self.process = GatewayProcess(self.settings)
        self.limits = Limits(self.settings)
        for watched in (SignInRefused, CredentialsRefused, TooManyWatchers):
            # Counters that begin with their first event show no increase.
            PROBLEMS.labels(watched.code())

    def own_application(self) -> FastAPI:
        """What the gateway answers by itself."""
        process = self.process
        app = process.application("Asar gateway", "The one door, and the live dashboard.")
        app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", "") != "/openapi.json"]
        for router in ROUTERS:
            app.include_router(router)
        app.state.generations = process.generations
        app.state.states = process.states
        app.state.proxy = process.proxy
        app.state.service_urls = process.urls
        app.state.closing = process.closing
        app.state.organisation_name = self.settings.organisation_name
        app.state.environment = self.settings.environment
        app.state.authentication = process.authentication
        app.state.issuer = process.issuer
        app.state.links = self._links
        return app

    def application(self) -> ASGIApp:
        return Door(
            self.own_application(),
            self.process.live,
            Current(self.process.states),
            self.process.proxy,
            self.limits,
            self.process.authentication,
            trusted_proxies=self.settings.trusted_proxies,
            https=self.settings.public_url.startswith("https://"),
            cors_origins=self.settings.cors_origins,
            end_streams=self.process.end_streams,
        )

    def run(self, arguments: Sequence[str]) -> None:
        match list(arguments):
            case ["link"]:
                uvloop.run(self._link())
            case ["rebuild"]:
                uvloop.run(self._rebuild())
            case _:
                self.process.main(self.application, arguments)

    async def _link(self) -> None:
        """Print a link by which one person becomes an administrator: for whoever may run commands in here."""
        form = Invite(for_whom="administrator", role=Role.ADMINISTRATOR, centres=None)
        seal, life = Seal(self.settings.keys_dir), ADMINISTRATOR_LINK_LIFE
        async with super(GatewayProcess, self.process).resources(), self.process.database.transaction(EVERYTHING) as tx:
            _, secret = accounts.invite(tx, form, by="operator", seal=seal, now=clock.now(), life=life)
        print(self._links + secret)

    @property
    def _links(self) -> str:
        """What a link of invitation begins with."""
        return f"{self.settings.public_url.rstrip('/')}/enrolment/"

    async def _rebuild(self) -> None:
        """Have the running gateway fold a new read model, and wait until it is in use."""
        async with super(GatewayProcess, self.process).resources():
            number = await self.process.generations.rebuild()
            print(f"Building read model {number} beside the one in use …", flush=True)
            began = told_at = time.monotonic()
            while await self.process.generations.status(number) != "active":
                now = time.monotonic()
                if now - began > REBUILD_DEADLINE_S:
                    raise SystemExit("It is not done after an hour. Is the gateway running? See its log.")
                if now - told_at > REBUILD_TOLD_EVERY_S:
                    told_at = now
                    done, of = await self.process.generations.progress(number)
                    print(f"  {done:,} of {of:,} messages", flush=True)
                await asyncio.sleep(0.2)
            print(f"Read model {number} is in use.")


async def _forget_failed_sign_ins(tx: Transaction) -> int:
    return await throttle.forget(tx, now=clock.now())
