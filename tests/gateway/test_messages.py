"""All facts, for who follows: in pages, and as a stream that does not end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson
import pytest

from services.gateway.routes import messages as module
from services.gateway.settings import GatewaySettings
from shared.access.permissions import Role
from shared.messaging.pull import Delivery
from tests.gateway import facts
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import DEADLINE_S, RunningGateway, until


async def tell(model: ReadModelUnderTest, number: int) -> list[Delivery]:
    """Let so many gifts happen, and fold them."""
    return await model.tell(*(facts.donation(amount_minor=n) for n in range(1, number + 1)))


class Following:
    """Someone who follows the stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.events: list[dict[str, str]] = []
        self.ended = False
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            rest = ""
            async for chunk in self.answer.content.iter_any():
                *blocks, rest = (rest + chunk.decode()).split("\n\n")
                for block in blocks:
                    self.events.append(dict(line.split(": ", 1) for line in block.split("\n")))
        self.ended = True

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events if event.get("event") == "message"]

    def stop(self) -> None:
        self._task.cancel()


@contextlib.asynccontextmanager
async def following(gateway: RunningGateway, query: str = "", **headers: str) -> AsyncGenerator[Following]:
    sent = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with gateway.client.get(f"/v1/messages{query}", headers=sent) as answer:
        assert answer.status == 200
        follower = Following(answer)
        try:
            yield follower
        finally:
            follower.stop()


async def test_every_fact_is_in_the_pages_once_and_in_order(gateway: RunningGateway, model: ReadModelUnderTest) -> None:
    told = await tell(model, 25)

    items: list[dict[str, Any]] = []
    pages = 0
    address: str | None = "/v1/messages?limit=10"
    while address is not None:
        status, headers, page = await gateway.get(address)
        assert (status, headers["cache-control"]) == (200, "no-store")
        items += page["items"]
        pages += 1
        address = page.get("next")

    assert [item["id"] for item in items] == [message.message_id for message in told]
    assert items[0] == orjson.loads(told[0].body)
    assert (pages, items[0]["specversion"], items[0]["aggregateversion"]) == (3, "1.0", 1)


async def test_a_page_that_is_just_full_leads_to_one_that_is_empty_until_something_happens(
    gateway: RunningGateway, model: ReadModelUnderTest
) -> None:
    told = await tell(model, 2)
    address = (await gateway.get("/v1/messages?limit=2"))[2]["next"]
    assert address == f"/v1/messages?limit=2&after={told[1].message_id}"
    assert (await gateway.get(address))[2] == {"items": []}

    [later] = await tell(model, 1)

    assert [item["id"] for item in (await gateway.get(address))[2]["items"]] == [later.message_id]


@pytest.mark.parametrize("after", ["0197a000-0000-7000-8000-000000000001", "nonsense", "' OR 1=1 --"])
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_after_what_nobody_knows_there_is_nothing(gateway: RunningGateway, after: str, accept: str) -> None:
    async with gateway.client.get("/v1/messages", params={"after": after}, headers={"Accept": accept}) as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
        assert (await answer.json(content_type=None))["code"] == "message-unknown"


async def test_t12_a_page_is_no_longer_than_pages_are_however_much_is_asked_for(
    gateway: RunningGateway, model: ReadModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    await model.tell(*(facts.donation() for _ in range(5)))

    for limit in ("10", "1000000000", "9" * 40):
        status, _, page = await gateway.get(f"/v1/messages?limit={limit}")
        assert (status, len(page["items"])) == (200, 3)
        assert "next" in page


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", f"after={'x' * 65}", "stream=perhaps"])
async def test_what_cannot_be_read_is_a_problem(gateway: RunningGateway, query: str) -> None:
    status, headers, problem = await gateway.get(f"/v1/messages?{query}")

    assert (status, headers["content-type"]) == (422, "application/problem+json")
    assert problem["code"] == "validation-failed"


async def test_a_nul_in_an_address_is_a_problem(gateway: RunningGateway) -> None:
    status, headers, _ = await gateway.get("/v1/messages?after=%00")

    assert (status, headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("query", ["", "?stream=true"])
async def test_the_stream_begins_where_one_is_and_goes_on(
    gateway: RunningGateway, model: ReadModelUnderTest, query: str
) -> None:
    told = await tell(model, 3)
    accept = {} if query else {"accept": "text/event-stream"}
    async with following(gateway, query, **accept) as follower:
        await until(lambda: len(follower.ids) == 3)
        told += await tell(model, 2)
        await until(lambda: len(follower.ids) == 5)

        assert follower.ids == [message.message_id for message in told]
        assert [orjson.loads(event["data"]) for event in follower.events] == [orjson.loads(m.body) for m in told]
        assert follower.answer.headers["cache-control"] == "no-store"
        assert follower.answer.headers["x-accel-buffering"] == "no"


async def test_who_comes_back_misses_nothing_and_hears_nothing_twice(
    gateway: RunningGateway, model: ReadModelUnderTest
) -> None:
    told = await tell(model, 5)
    async with following(gateway, f"?after={told[0].message_id}") as first:
        await until(lambda: len(first.ids) == 4)

    told += await tell(model, 2)
    # What a browser sends by itself goes before what once stood in the address.
    async with following(gateway, f"?after={told[0].message_id}", last_event_id=first.ids[1]) as again:
        await until(lambda: len(again.ids) == 4)

    assert again.ids == [message.message_id for message in told[3:]]


async def test_a_stream_of_more_than_a_page_is_whole(
    gateway: RunningGateway, model: ReadModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 7)
    told = await tell(model, 30)

    async with following(gateway) as follower:
        await until(lambda: len(follower.ids) == 30)

    assert follower.ids == [message.message_id for message in told]


async def test_a_quiet_stream_shows_that_it_is_open(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT_EVERY", 2)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)

    async with following(gateway) as follower:
        await until(lambda: len(follower.events) >= 3)

    assert follower.events[:3] == [{"": "hb"}] * 3


async def test_who_follows_does_not_notice_that_the_database_was_away(
    gateway: RunningGateway, model: ReadModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)
    async with following(gateway) as follower:
        await tell(model, 1)
        await until(lambda: follower.ids)
        await gateway.process.database.close()
        status, _, problem = await gateway.get("/v1/messages")
        assert (status, problem["code"]) == (503, "database-unavailable")
        await gateway.process.database.open()

        await tell(model, 1)
        await until(lambda: len(follower.ids) == 2)


async def test_at_shutdown_a_stream_ends_at_once(settings: GatewaySettings) -> None:
    async with RunningGateway(settings) as gateway, following(gateway) as follower:
        await gateway.stop()
        await until(lambda: follower.ended)

        # Whose stream is broken off, and not ended, is told nothing.
        assert list(follower.events[-1]) == ["retry"]


async def test_who_is_shut_out_does_not_go_on_following(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HEARTBEAT_EVERY", 1)
    key = await gateway.make_key(Role.AUDITOR)
    async with (
        gateway.calling(Authorization=f"Bearer {key}") as client,
        client.get("/v1/messages?stream=true") as stream,
    ):
        assert await stream.content.readany()
        await gateway.process.database.pool.execute(
            "UPDATE apikey SET ended_at = now() WHERE key_id = $1", key.split("_")[2]
        )
        gateway.process.authentication.forget()

        async with asyncio.timeout(DEADLINE_S):
            await stream.content.read()
