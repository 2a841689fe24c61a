"""T12: nobody uses the gateway up for the others: requests a minute, requests at once, open streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from services.gateway.limits import WINDOW_S, Limits, TooManyStreams, Visit, Window
from services.gateway.settings import GatewaySettings
from shared.access.permissions import Role
from shared.access.principal import ANYONE, Principal, person
from tests.gateway.reading import ReadModelUnderTest
from tests.gateway.serving import DEADLINE_S, RunningGateway, UpstreamService, reply, until
from tests.gateway.watching import Watching

ALICE, BOB = person("person:alice", Role.COORDINATOR), person("person:bob", Role.COORDINATOR)
FEW: dict[str, Any] = {
    "requests_per_minute": 10,
    "key_requests_per_minute": 10,
    "anonymous_requests_per_minute": 4,
    "searches_per_minute": 3,
    "requests_at_once": 2,
    "streams_per_caller": 3,
    "anonymous_streams_per_address": 5,
}


class Clock:
    """A clock that the test sets; it begins with a whole minute."""

    def __init__(self) -> None:
        self.now = 100.0 * WINDOW_S

    def __call__(self) -> float:
        return self.now


class Gate:
    """The limits alone, with requests that are answered at once."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.clock = Clock()
        self.limits = Limits(settings.model_copy(update=FEW), clock=self.clock)

    def enter(self, who: Principal = ALICE, path: str = "/v1/centres", address: str = "192.0.2.1") -> Visit:
        scope: Any = {"type": "http", "path": path, "client": (address, 40_000)}
        return self.limits.visit(who, scope)

    def ask(self, who: Principal = ALICE, path: str = "/v1/centres", address: str = "192.0.2.1") -> Visit:
        visit = self.enter(who, path, address)
        visit.end()
        return visit

    def let_in(self, number: int, *asked: Any, **how: Any) -> list[bool]:
        return [self.ask(*asked, **how).refusal is None for _ in range(number)]


@pytest.fixture
def gate(shared_settings: GatewaySettings) -> Gate:
    return Gate(shared_settings)


# --- how often --------------------------------------------------------------------------------------------------------


def test_who_asks_too_often_is_told_when_to_come_back_and_is_let_in_then(gate: Gate) -> None:
    assert gate.let_in(10) == [True] * 10

    refusal = gate.ask().refusal
    assert refusal is not None
    assert (refusal.code(), refusal.policies) == ("quota-exceeded", ["person"])
    gate.clock.now += refusal.retry_after_s - 1
    assert gate.ask().refusal is not None
    gate.clock.now += 1
    assert gate.ask().refusal is None


def test_what_is_refused_does_not_count(gate: Gate) -> None:
    gate.let_in(100)
    wait_s = gate.ask().refusal.retry_after_s  # type: ignore[union-attr]
    gate.let_in(100)

    gate.clock.now += wait_s
    assert gate.ask().refusal is None


def test_one_caller_s_haste_is_nobody_else_s_wait(gate: Gate) -> None:
    gate.let_in(100)
    gate.let_in(100, ANYONE)

    assert gate.ask(BOB).refusal is None
    assert gate.ask(ANYONE, address="192.0.2.2").refusal is None


@given(gaps=st.lists(st.floats(min_value=0, max_value=40), min_size=1, max_size=300), quota=st.integers(1, 20))
def test_no_minute_sees_more_than_twice_the_quota_and_no_running_minute_more_than_the_quota(
    gaps: list[float], quota: int
) -> None:
    """The counters know minutes, not instants: what slides is an estimate, and this is how wrong it may be."""
    window, now, let_in = Window(), 1000.0 * WINDOW_S, list[float]()
    for gap in gaps:
        now += gap
        if window.used(now) + 1 <= quota:
            window.add()
            let_in.append(now)
    for at in let_in:
        assert sum(at <= other < at + WINDOW_S for other in let_in) <= 2 * quota
        assert sum(at // WINDOW_S == other // WINDOW_S for other in let_in) <= quota


@given(count=st.integers(1, 60), quota=st.integers(1, 20), later=st.floats(min_value=0, max_value=WINDOW_S - 1))
def test_who_comes_back_when_told_is_let_in(count: int, quota: int, later: float) -> None:
    window, now = Window(), 1000.0 * WINDOW_S
    for _ in range(count):
        now += later / count
        if window.used(now) + 1 <= quota:
            window.add()

    assert window.used(now + window.back_in_s(quota, now)) + 1 <= quota + 1e-6


@pytest.mark.parametrize("kind", ["searches", "disclosures", "exports"])
def test_searches_and_disclosures_have_a_smaller_quota_beside_the_one_of_all_requests(gate: Gate, kind: str) -> None:
    path = f"/v1/volunteers/{kind}"
    assert gate.let_in(3, ALICE, path) == [True] * 3

    visit = gate.ask(ALICE, path)
    assert visit.refusal is not None
    assert visit.refusal.policies == ["searches"]
    assert dict(visit.headers)[b"ratelimit-policy"] == b'"person";q=10;w=60, "searches";q=3;w=60'
    assert gate.let_in(7) == [True] * 7
    assert gate.ask().refusal is not None


def test_what_is_left_is_told_with_every_answer(gate: Gate) -> None:
    gate.clock.now += 18

    visits = [gate.ask() for _ in range(11)]

    assert dict(visits[0].headers) == {b"ratelimit-policy": b'"person";q=10;w=60', b"ratelimit": b'"person";r=9;t=42'}
    assert dict(visits[9].headers)[b"ratelimit"] == b'"person";r=0;t=42'
    # Six seconds into the next minute, a tenth of these ten is out of sight.
    assert dict(visits[10].headers)[b"ratelimit"] == b'"person";r=0;t=48'


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/version", "/assets/page.js", "/v1/live"])
def test_watching_machines_and_the_page_s_files_are_not_counted(gate: Gate, path: str) -> None:
    assert gate.let_in(100, ANYONE, path) == [True] * 100
    assert gate.ask(ANYONE, path).headers == []
    assert gate.ask(ANYONE).refusal is None


def test_who_has_not_been_here_for_long_is_forgotten(gate: Gate) -> None:
    for number in range(200):
        gate.ask(ANYONE, address=f"192.0.2.{number}")
    stays = gate.enter(BOB)
    gate.clock.now += 3 * WINDOW_S

    gate.ask()

    assert set(gate.limits._shares) == {"person:alice", "person:bob"}  # noqa: SLF001
    stays.end()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("person:alice", "key:1", False),
    ],
)
def test_a_caller_cannot_have_many_addresses_of_one_network(gate: Gate, one: str, other: str, same: bool) -> None:
    gate.let_in(4, ANYONE, address=one)

    assert (gate.ask(ANYONE, address=other).refusal is not None) is same
    # Whatever an address looks like, it is nobody who has said who they are.
    assert gate.ask(ALICE).refusal is None


# --- how much at once -------------------------------------------------------------------------------------------------


def test_so_many_requests_at_once_and_no_more(gate: Gate) -> None:
    first, second = gate.enter(), gate.enter()
    third = gate.enter()
    assert third.refusal is not None
    assert third.refusal.code() == "too-many-at-once"

    third.end()
    first.end()
    fourth = gate.enter()
    assert fourth.refusal is None
    for visit in (second, fourth):
        visit.end()


def test_streams_are_counted_apart_from_requests(gate: Gate) -> None:
    streams = [gate.enter() for _ in range(3)]
    for visit in streams:
        visit.stay()

    one_more = gate.enter()
    with pytest.raises(TooManyStreams):
        one_more.stay()
    one_more.end()
    assert gate.ask().refusal is None
    streams[0].end()
    gate.enter().stay()


# --- through the gateway ----------------------------------------------------------------------------------------------


@pytest.fixture
async def small(
    shared_settings: GatewaySettings, model: ReadModelUnderTest, upstream: UpstreamService
) -> AsyncIterator[RunningGateway]:
    """A gateway with small limits, of whom everybody is the administrator."""
    settings = shared_settings.model_copy(update=FEW | {"volunteers_url": upstream.url})
    async with RunningGateway(settings) as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/centres", "/v1/dashboard", "/v1/donations", "/v1/nothing", "/kk/", "/docs"])
async def test_every_answer_tells_the_quota_and_one_too_many_is_429(small: RunningGateway, path: str) -> None:
    async with small.client.get(path) as answer:
        first = answer.headers
    for _ in range(9):
        await small.get("/v1/centres")
    status, headers, problem = await small.get(path)

    assert first["ratelimit-policy"] == '"key";q=10;w=60'
    assert first["ratelimit"].startswith('"key";r=9;t=')
    assert (status, headers["content-type"]) == (429, "application/problem+json")
    assert (problem["code"], problem["violated-policies"]) == ("quota-exceeded", ["key"])
    assert 1 <= int(headers["retry-after"]) <= 2 * WINDOW_S
    assert headers["ratelimit"].startswith('"key";r=0;t=')
    assert (await small.get("/health/live"))[0] == 200


async def test_what_is_refused_reaches_no_service(small: RunningGateway, upstream: UpstreamService) -> None:
    for _ in range(30):
        await small.get("/v1/centres")

    assert len(upstream.asked) == 10


async def test_five_hundred_streams_of_one_key_are_not_had(
    shared_settings: GatewaySettings, model: ReadModelUnderTest
) -> None:
    settings = shared_settings.model_copy(update={"streams_per_caller": 100})
    async with RunningGateway(settings) as gateway:
        async with AsyncExitStack() as stack:

            async def open_stream(number: int) -> bytes:
                reader, writer = await stack.enter_async_context(gateway.connected())
                path = "/v1/live" if number % 2 else "/v1/messages?stream=true"
                writer.write(
                    f"GET {path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {gateway.key}\r\n\r\n".encode()
                )
                return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)

            heads = await asyncio.gather(*(open_stream(number) for number in range(500)))
            statuses = [int(head.split(b" ")[1]) for head in heads]

            assert (statuses.count(200), statuses.count(429)) == (100, 400)
            assert all(b"\r\nretry-after: " in head for head in heads if b" 429 " in head)
            assert (await gateway.get("/v1/dashboard"))[0] == 200
        await until(lambda: gateway.gateway.limits._shares[gateway.name].streams == 0)  # noqa: SLF001
        async with Watching(gateway) as one:
            assert one.status == 200


async def test_requests_that_are_not_answered_take_no_more_than_one_caller_s_places(
    small: RunningGateway, upstream: UpstreamService
) -> None:
    released = asyncio.Event()

    async def wait(_: Scope, __: Receive, send: Send) -> None:
        await released.wait()
        await reply(send, 200, b"{}")

    upstream.answer = wait
    waiting = [asyncio.create_task(small.get("/v1/centres")) for _ in range(2)]
    await until(lambda: next(iter(small.gateway.limits._shares.values()), None))  # noqa: SLF001
    await until(lambda: small.gateway.limits._shares[small.name].at_once == 2)  # noqa: SLF001
    third = await small.get("/v1/dashboard")
    released.set()
    answers = await asyncio.gather(*waiting)

    assert (third[0], third[2]["code"]) == (429, "too-many-at-once")
    assert [status for status, _, _ in answers] == [200, 200]
