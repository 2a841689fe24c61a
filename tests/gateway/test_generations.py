"""A read model is built anew beside the one in use, which serves until the new one has caught up."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest

from services.gateway import generations as module
from services.gateway import queries
from services.gateway.consumers import consumer
from services.gateway.generations import Generations
from services.gateway.settings import GatewaySettings
from services.gateway.tables import Base
from shared.contracts import charity
from shared.database import Database, DatabaseUnavailable
from shared.endings import end
from shared.ids import new_id
from shared.messaging import subjects
from shared.messaging.connection import Bus
from shared.messaging.subjects import durable_of_generation
from tests.gateway import facts
from tests.gateway.facts import Announcer
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import until
from tests.gateway.streams import Streams

FIGURES = {
    "volunteer_centres": 1,
    "donations": 1,
    "money_received_minor": 700,
    "money_net_minor": 700,
    "money_on_hand_minor": 700,
    "deliveries": 1,
    "families_helped": 1,
    "people_helped": 5,
}
TOLD = 5
"""Messages that make them."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(module, "LINGER_S", 0.5)


@pytest.fixture
async def streams(nats_url: str) -> AsyncIterator[Streams]:
    client = await nats.connect(nats_url)
    streams = Streams(client)
    await streams.make()
    yield streams
    await client.close()


class Follower:
    """One gateway process, as far as its read models go."""

    def __init__(self, generations: Generations, database: Database) -> None:
        self.generations = generations
        self.database = database

    async def figures(self) -> dict[str, Any]:
        return await ReadModelUnderTest(self.generations).figures()

    async def schemas(self) -> list[str]:
        rows = await self.database.pool.fetch(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'projection%' ORDER BY 1"
        )
        return [row["nspname"] for row in rows]

    async def heard(self) -> tuple[dict[str, Any], int]:
        """The figures and of how many messages: before a delivery by mistake they are the same as after its voiding."""
        return await self.figures(), await self.revision()

    async def revision(self) -> int:
        return (await queries.revision(self.generations.active.pool))[0]


@asynccontextmanager
async def following(settings: GatewaySettings, nats_url: str, *, folds: bool = True) -> AsyncGenerator[Follower]:
    """A process that follows and, unless it is an api alone, folds."""
    database = Database(settings.database_url, Base.metadata, pool_size=2)
    await database.open()
    bus = Bus(settings.model_copy(update={"nats_url": nats_url}), name="test")
    tasks: list[asyncio.Task[None]] = []
    try:
        async with module.opened(Generations(settings, database, consumer)) as generations:
            if folds:
                tasks.append(asyncio.create_task(generations.run(bus)))
            yield Follower(generations, database)
            await end(*tasks)
    finally:
        await bus.close()
        await database.close()


async def tell_a_little(streams: Streams) -> None:
    announce = Announcer()
    gift = facts.donation(amount_minor=700)
    made = facts.delivered()
    mistaken = facts.delivered()
    told = [facts.centre_opened(), gift, made, mistaken, facts.voided(mistaken)]
    await streams.publish([announce(fact) for fact in told])


async def test_a_new_one_is_built_beside_the_old_and_takes_its_place(
    settings: GatewaySettings, nats_url: str, streams: Streams
) -> None:
    await tell_a_little(streams)
    async with following(settings, nats_url) as process, following(settings, nats_url, folds=False) as api:
        await until(lambda: _is(process.heard(), (FIGURES, TOLD)))
        feed = await process.database.pool.fetch("SELECT position, message_id FROM feed ORDER BY position")

        number = await process.generations.rebuild()
        assert number == 2
        assert await process.figures() == FIGURES
        await until(lambda: _is(process.generations.status(2), "active"))

        for one in (process, api):
            await until(lambda one=one: one.generations.number == 2)
            assert await one.heard() == (FIGURES, TOLD)
        await until(lambda: _is(process.generations.status(1), "removed"))
        assert await process.schemas() == ["projection_2"]
        assert await streams.durables() == {"gateway_2"}
        assert await process.database.pool.fetch("SELECT position, message_id FROM feed ORDER BY position") == feed
        # What comes after the swap is folded by the new one, in every process's eyes.
        await streams.publish([Announcer()(facts.donation(amount_minor=1))])
        await until(lambda: _is(api.revision(), 6))


async def test_a_changed_fold_builds_a_new_one_by_itself(
    settings: GatewaySettings, nats_url: str, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell_a_little(streams)
    async with following(settings, nats_url) as process:
        await until(lambda: _is(process.heard(), (FIGURES, TOLD)))

    monkeypatch.setattr(module, "READ_MODEL_VERSION", 999)
    async with following(settings, nats_url) as process:
        assert process.generations.number == 1
        assert await process.figures() == FIGURES
        await until(lambda: process.generations.number == 2)
        assert await process.figures() == FIGURES
        await until(lambda: _is(process.schemas(), ["projection_2"]))

    async with following(settings, nats_url) as again:
        assert (again.generations.number, await again.schemas()) == (2, ["projection_2"])


async def test_another_version_s_read_model_is_left_to_that_version_s_code(
    settings: GatewaySettings, nats_url: str, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a rolling upgrade old code must not fold, by its old rules, into the new one's tables."""
    async with following(settings, nats_url, folds=False) as old:
        with monkeypatch.context() as upgraded:
            upgraded.setattr(module, "READ_MODEL_VERSION", 999)
            async with following(settings, nats_url, folds=False):
                assert await old.schemas() == ["projection_1", "projection_2"]
    await tell_a_little(streams)

    async with following(settings, nats_url) as old:
        await until(lambda: _is(old.heard(), (FIGURES, TOLD)))
        assert await old.database.pool.fetch("SELECT * FROM projection_2.inbox") == []
        assert await streams.durables() == {"gateway_1"}


async def test_one_that_lacks_messages_does_not_take_over(
    settings: GatewaySettings, nats_url: str, streams: Streams
) -> None:
    """A stream that has just lost its messages looks as if everything had been delivered."""
    await tell_a_little(streams)
    async with following(settings, nats_url) as process:
        await until(lambda: _is(process.heard(), (FIGURES, TOLD)))
        await streams.lose("charity")

        number = await process.generations.rebuild()
        built = await process.generations.model(number)
        await until(lambda: _is(built.pool.fetchval("SELECT revision FROM progress"), 1))
        await until(lambda: _is(lag_of(process, nats_url, number), {0}))
        await until(lambda: process.generations._waits_for.get(number))  # noqa: SLF001

        assert await process.generations.status(number) == "building"
        assert await process.figures() == FIGURES


async def lag_of(process: Follower, nats_url: str, number: int) -> set[int | None]:
    bus = Bus(process.generations._settings.model_copy(update={"nats_url": nats_url}), name="test")  # noqa: SLF001
    await bus.open()
    model = await process.generations.model(number)
    measured = await consumer.measure(model, bus, durable_of_generation(number))
    await bus.close()
    return set(measured["lag"].values())


async def test_many_processes_that_start_at_once_make_one_read_model(settings: GatewaySettings) -> None:
    database = Database(settings.database_url, Base.metadata, pool_size=10)
    await database.open()
    processes = [Generations(settings, database, consumer) for _ in range(8)]

    await asyncio.gather(*(process.open() for process in processes))

    assert {process.number for process in processes} == {1}
    assert await database.pool.fetchval("SELECT count(*) FROM generation") == 1
    for process in processes:
        await process.close()
    await database.close()


async def test_before_there_is_a_read_model_the_figures_are_unavailable(settings: GatewaySettings) -> None:
    database = Database(settings.database_url, Base.metadata)

    with pytest.raises(DatabaseUnavailable):
        _ = Generations(settings, database, consumer).active


async def test_a_read_model_of_another_shape_is_unavailable_until_its_successor_is_there(
    own_model: ReadModelUnderTest,
) -> None:
    await own_model.database.pool.execute("DROP TABLE progress")

    with pytest.raises(DatabaseUnavailable):
        await own_model.state()


async def test_two_generations_keep_each_message_once_and_in_one_order(own_model: ReadModelUnderTest) -> None:
    gift = facts.donation()
    opened = facts.campaign(charity.CampaignOpened, None, "open", campaign_id=new_id())
    page = await own_model.tell(gift, facts.refund(gift), opened)
    other = await own_model.generations.model(await own_model.generations.rebuild())

    # The new one hears the streams interleaved otherwise, and something that the old one has not heard yet.
    later = own_model.announce(facts.donation())
    await consumer.apply(other, [page[2], later, page[0], page[1]])
    await own_model.fold([later])

    feed = await own_model.database.pool.fetch("SELECT message_id FROM public.feed ORDER BY position")
    assert [row["message_id"] for row in feed] == [message.message_id for message in [*page, later]]
    assert await other.pool.fetchval("SELECT revision FROM progress") == 4
    assert (await own_model.state())["revision"] == 4


async def _is(asked: Any, wanted: Any) -> bool:
    return await asked == wanted


async def test_durables_names_come_round_again_and_are_never_shared(
    settings: GatewaySettings, nats_url: str, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in (module, subjects):
        monkeypatch.setattr(where, "GENERATIONS", 2)
    await tell_a_little(streams)
    async with following(settings, nats_url) as process:
        await until(lambda: _is(process.heard(), (FIGURES, TOLD)))

        # The third has the name of the first, which is in use until the second takes over.
        numbers = [await process.generations.rebuild() for _ in range(2)]
        await until(lambda: _is(process.generations.status(3), "active"))
        await until(lambda: _is(process.schemas(), ["projection_3"]))

        assert numbers == [2, 3]
        assert await process.figures() == FIGURES
        assert await streams.durables() == {"gateway_1"}
