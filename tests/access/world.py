"""Two centres and what belongs to the first of them, in three real services that have heard of each other's facts."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from httpx import Response

from deploy.local.postgres import EmbeddedPostgres
from services.charity.app import Charity
from services.charity.consumers import consumer as charity_consumer
from services.events.app import Events
from services.events.consumers import consumer as events_consumer
from services.gateway.proxy import owner_of
from services.volunteers.app import Volunteers
from services.volunteers.consumers import consumer as volunteers_consumer
from shared.access.principal import Principal
from shared.ids import new_id
from shared.settings import Settings
from tests.charity import factories as charity_factories
from tests.events import factories as events_factories
from tests.factories import registration
from tests.systems import ADMINISTRATOR, OWNER_ROLE, ServiceUnderTest, make_settings, migrated_template, serving
from tests.volunteers import factories as volunteers_factories

SERVICES = {"volunteers": Volunteers, "events": Events, "charity": Charity}


class World:
    """What the administrator has made before anybody else comes: each target anew, so that attempts do not meet."""

    def __init__(self, services: dict[str, ServiceUnderTest]) -> None:
        self.services = services
        self.here = ""
        """The centre that everything belongs to."""
        self.there = ""
        self.campaign = ""
        self._serial = count(1)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: Principal | None = None,
        query: dict[str, Any] | None = None,
        content: bytes | None = None,
    ) -> Response:
        """A request by a principal, the administrator when none is named, to the service that owns the path."""
        _, _, noun, *deeper = path.partition("?")[0].split("/")
        service = self.services[owner_of(noun, deeper) or ""]
        # Signed anew each time: a token lasts a minute, and so may all of this.
        headers = {"Idempotency-Key": f"k{next(self._serial)}"} | service.as_principal(by or ADMINISTRATOR)
        if method in ("PUT", "PATCH", "DELETE"):
            seen = await service.client.get(path, headers=service.as_principal(ADMINISTRATOR))
            headers["If-Match"] = seen.headers.get("etag", "*")
        if content is not None:
            headers["Content-Type"] = "text/csv"
        return await service.client.request(method, path, json=body, content=content, params=query, headers=headers)

    async def page_of(self, answer: Response, seeks: str | None, *, by: Principal) -> Response:
        """The page of a list that holds what is sought, or the last one; an answer that is no list as it is."""
        while seeks is not None and answer.is_success and seeks not in answer.text and answer.json().get("next"):
            answer = await self.ask("GET", answer.json()["next"], by=by)
        return answer

    async def make(self, path: str, body: Any = None) -> Any:
        """What the administrator makes or decides; it must succeed."""
        answer = await self.ask("POST", path, {} if body is None else body)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    async def volunteer(self, *decisions: str) -> str:
        """A volunteer of this centre, for ecology, taken through these decisions."""
        made = await self.make("/v1/volunteers", registration(self.here))
        for decision in decisions:
            await self.make(f"/v1/volunteers/{made['id']}/{decision}")
        return str(made["id"])

    async def known_volunteer(self) -> str:
        """The same as the events service knows them."""
        volunteer_id = await self.volunteer("approvals")
        fact = events_factories.volunteer_approved(volunteer_id, centre_id=self.here)
        await events_consumer.apply(self.services["events"].process.database, [events_factories.delivery(fact)])
        return volunteer_id

    async def hours_of(self, volunteer_id: str) -> str:
        """The sign-up for which a volunteer earned hours at this centre."""
        signup_id = new_id()
        facts: dict[str, Any] = {"volunteer_id": volunteer_id, "centre_id": self.here}
        arrived = [volunteers_factories.sign_up(signup_id), volunteers_factories.attendance(signup_id, **facts)]
        await volunteers_consumer.apply(self.services["volunteers"].process.database, arrived)
        return str(signup_id)

    async def event(self, **fields: Any) -> str:
        made = await self.make("/v1/events", events_factories.event(self.here, **{"public": False} | fields))
        return str(made["id"])

    async def shift(self, event_id: str | None = None, **fields: Any) -> str:
        made = await self.make("/v1/shifts", events_factories.shift(event_id or await self.event(), **fields))
        return str(made["id"])

    async def sign_up(self, volunteer_id: str, *, shift_id: str | None = None) -> str:
        form = {"shift_id": shift_id or await self.shift(), "volunteer_id": volunteer_id}
        return str((await self.make("/v1/sign-ups", form))["id"])

    async def donation(self) -> str:
        made = await self.make("/v1/donations", charity_factories.donation(self.campaign, self.here))
        return str(made["id"])

    async def disbursement(self, *decisions: str) -> str:
        form = charity_factories.disbursement(self.campaign, self.here, amount=charity_factories.money("1.00"))
        made = await self.make("/v1/disbursements", form)
        for decision in decisions:
            await self.make(f"/v1/disbursements/{made['id']}/{decision}")
        return str(made["id"])

    async def family(self, *decisions: str) -> dict[str, Any]:
        made = await self.make("/v1/families", charity_factories.family(self.here))
        for decision in decisions:
            await self.make(f"/v1/families/{made['id']}/{decision}", {})
        return dict(made)

    async def delivery(self) -> str:
        family = await self.family("verifications")
        made = await self.make("/v1/deliveries", charity_factories.delivery(family["id"], self.here))
        return str(made["id"])

    async def draft_campaign(self, *decisions: str, **fields: Any) -> str:
        made = await self.make("/v1/campaigns", charity_factories.campaign(**{"centre_ids": [self.here]} | fields))
        for decision in decisions:
            await self.make(f"/v1/campaigns/{made['id']}/{decision}")
        return str(made["id"])

    async def announced(self) -> int:
        """How much has been announced so far by all services."""
        counts = [await s.database.pool.fetchval("SELECT count(*) FROM outbox") for s in self.services.values()]
        return sum(counts)


@asynccontextmanager
async def made_world(postgres: EmbeddedPostgres, folder: Path) -> AsyncGenerator[World]:
    """Three services with databases of their own, two centres, and money in a campaign's fund."""
    async with AsyncExitStack() as stack:
        services: dict[str, ServiceUnderTest] = {}
        for name, make in SERVICES.items():
            settings = partial(make_settings, nats_url="nats://unused", keys_dir=folder / "keys", port=0)
            template = await migrated_template(postgres, name, partial(_migrate, make, settings))
            url = await postgres.create_database(f"world_{name}", template=template, owner=OWNER_ROLE)
            stack.push_async_callback(postgres.drop_database, f"world_{name}")
            services[name] = await stack.enter_async_context(serving(make, settings(url)))
        world = World(services)
        world.here = await _centre(world)
        world.there = await _centre(world)
        world.campaign = await world.draft_campaign("openings", centre_ids=[])
        await world.donation()
        yield world


def _migrate(make: type[Any], settings: Callable[[str], Settings], url: str) -> None:
    make(settings(url)).process.migrate()


async def _centre(world: World) -> str:
    centre_id = str((await world.make("/v1/centres", volunteers_factories.centre()))["id"])
    for name, consumer in (("events", events_consumer), ("charity", charity_consumer)):
        fact = events_factories.centre_opened(centre_id)
        await consumer.apply(world.services[name].process.database, [events_factories.delivery(fact)])
    return centre_id


async def operations(world: World) -> dict[str, dict[str, Any]]:
    """Every operation of the three services' OpenAPI documents, as `POST /v1/…`."""
    found: dict[str, dict[str, Any]] = {}
    for service in world.services.values():
        document = (await service.client.get("/openapi.json", headers=service.as_principal(ADMINISTRATOR))).json()
        for path, methods in document["paths"].items():
            for method in methods.keys() & {"get", "post", "put", "patch", "delete"}:
                found[f"{method.upper()} {path}"] = methods[method]
    return found
