"""`kill -9` at every registered point of a process, under load: started again, nothing is lost and nothing twice.

The process that dies is one more beside the system's own, so the others may go on at once with what it leaves behind.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from shared import failpoints
from shared.messaging.audit import stored_ids
from shared.messaging.subjects import stream_name
from shared.messaging.topology import DUPLICATE_WINDOW_S, stream_of
from tests.faults.behind import operator, parked_by_the_gateway, redriven, standing_still, stumbling_over
from tests.faults.checker import BACK_WITHIN_S
from tests.faults.history import Outcome
from tests.faults.load import Life
from tests.faults.replica import Replica, replica_of
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until
from tests.volunteers.importing import IMPORTS, csv_of, row

pytestmark = pytest.mark.faults

_people = count(200_000)
FORGETS_AFTER_S = 0.1
Provoke = Callable[[RunningSystem, Life, Replica], Awaitable[Any]]


async def give_through_it(_: RunningSystem, life: Life, replica: Replica) -> None:
    gifts = await asyncio.gather(*(life.give(through=replica.client) for _ in range(5)))
    assert not any(gift.outcome is Outcome.REFUSED for gift in gifts), gifts


async def just_live(_system: RunningSystem, life: Life, _replica: Replica) -> None:
    await life.give()


async def lose_the_stream(system: RunningSystem, life: Life, replica: Replica) -> None:
    await life.give(through=replica.client)
    async with operator(system) as client:
        await client.jetstream().delete_stream(stream_name("charity"))

        async def filled_again() -> bool:
            # The system's own process stands still until the other one is dead.
            with suppress(httpx.HTTPError):
                return not (await system.status("charity"))["unsent"]
            return False

        await until("the stream is filled again", filled_again)


async def import_people(system: RunningSystem, _life: Life, _replica: Replica) -> None:
    """Several sheets at once, so that no worker has all of them."""
    async with system.client(timeout_s=60) as client:
        form = {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"}
        centre = (await client.post("/v1/centres", json=form)).raise_for_status().json()["id"]
        same = {
            "centre_id": centre, "language": "kk", "applied_on": "2021-03-01",
            "consent_version": "1", "consent_given_on": "2021-02-28", "consent_how": "paper",
        }  # fmt: skip
        sheets = [csv_of([row(next(_people)) for _ in range(600)]) for _ in range(3)]
        jobs = [
            (await client.post(IMPORTS, params=same, content=sheet, headers={"Content-Type": "text/csv"}))
            .raise_for_status()
            .headers["location"]
            for sheet in sheets
        ]

        async def all_there() -> bool:
            told = [(await client.get(job)).json() for job in jobs]
            return all(job["status"] == "succeeded" and job["outcomes"] == {"added": 600} for job in told)

        await until("everybody is there, once", all_there)


async def rebuild(system: RunningSystem, _life: Life, _replica: Replica) -> None:
    await system.asar("projection", "rebuild")


async def rebuild_and_leave_it(system: RunningSystem, life: Life, replica: Replica) -> None:
    """The old read model lingers; one more rebuild would have it stay for longer."""
    await rebuild(system, life, replica)
    await replica.died()


@dataclass(frozen=True)
class Scenario:
    """Whose process dies there, by what it comes to the point, and which fault of the table that is."""

    service: str
    provoke: Provoke
    fault: int
    alone: bool = False
    """The system's own process stands still meanwhile: it would mostly be quicker."""


SCENARIOS = {
    "api.before_commit": Scenario("charity", give_through_it, 1),
    "api.after_commit_before_response": Scenario("charity", give_through_it, 1),
    "relay.before_publish": Scenario("charity", give_through_it, 2),
    "relay.amid_batch": Scenario("charity", give_through_it, 2),
    "relay.after_publish_before_mark": Scenario("charity", give_through_it, 2),
    "consumer.after_effect_before_commit": Scenario("gateway", just_live, 3),
    "consumer.after_commit_before_ack": Scenario("gateway", just_live, 3),
    "consumer.amid_acknowledging": Scenario("gateway", just_live, 3),
    "audit.before_sending_again": Scenario("charity", lose_the_stream, 14, alone=True),
    "job.after_page_before_note": Scenario("volunteers", import_people, 1),
    "receipts.before_commit": Scenario("charity", give_through_it, 1),
    "gateway.before_forwarding": Scenario("gateway", give_through_it, 1),
    "gateway.after_answer_before_passing_on": Scenario("gateway", give_through_it, 1),
    "generation.amid_switch": Scenario("gateway", rebuild, 3, alone=True),
    "generation.after_switch": Scenario("gateway", rebuild, 3, alone=True),
    "generation.amid_removal": Scenario("gateway", rebuild_and_leave_it, 3, alone=True),
}
ELSEWHERE = {"consumer.before_parking"}
"""Points that have a test of their own, below."""


def test_every_point_has_a_scenario() -> None:
    assert SCENARIOS.keys() | ELSEWHERE == failpoints.POINTS.keys()


def _rows() -> list[Any]:
    """The points by the fault that they belong to: one load, one count and one verdict for each."""
    rows: dict[int, list[str]] = {}
    for point, scenario in SCENARIOS.items():
        rows.setdefault(scenario.fault, []).append(point)
    named = {fault: f"kill -9 at {', '.join(points)}" for fault, points in rows.items()}
    return [pytest.param(points, id="", marks=pytest.mark.fault(fault, named[fault])) for fault, points in rows.items()]


@pytest.mark.parametrize("points", _rows())
async def test_a_process_that_dies_at_a_point_loses_and_doubles_nothing(
    running_system: RunningSystem, verdict: Verdict, points: list[str]
) -> None:
    async with AsyncExitStack() as stack, under_load(running_system, verdict) as life:
        replicas: dict[str, Replica] = {}
        for point in points:
            scenario = SCENARIOS[point]
            if scenario.service not in replicas:
                replicas[scenario.service] = await stack.enter_async_context(
                    replica_of(running_system, scenario.service)
                )
            replica = replicas[scenario.service]
            # Started again after the last point, it is to die at the next.
            await replica.start(failpoint=point)
            async with standing_still(running_system, scenario.service) if scenario.alone else nullcontext():
                rest = await _dead_of(scenario.provoke, running_system, life, replica)
            await rest
        for replica in replicas.values():
            await replica.start()
        await life.goes_on()


async def _dead_of(provoke: Provoke, system: RunningSystem, life: Life, replica: Replica) -> "asyncio.Task[None]":
    """Provoke it until it is dead: others may be quicker to do what it was to die over.

    Returns what comes to an end when those others have done the rest.
    """

    async def again_and_again() -> None:
        while replica.is_alive:
            await provoke(system, life, replica)

    provoking = asyncio.create_task(again_and_again())
    try:
        await replica.died()
    except BaseException:
        provoking.cancel()
        raise
    return provoking


@pytest.mark.fault(1, "neither half nor twice")
@pytest.mark.parametrize(
    ("point", "is_there"), [("api.before_commit", False), ("api.after_commit_before_response", True)]
)
async def test_what_a_dead_process_was_asked_for_is_there_whole_or_not_at_all(
    running_system: RunningSystem, verdict: Verdict, point: str, is_there: bool
) -> None:
    async with replica_of(running_system, "charity") as replica, under_load(running_system, verdict) as life:
        await replica.start(failpoint=point)
        gift = await life.give(through=replica.client)
        await replica.died()
        assert gift.outcome is Outcome.UNKNOWN
        async with running_system.client() as client:
            assert (await client.get(f"/v1/donations/{gift.identity}")).is_success == is_there

        await replica.start()
        first, second = [await life.ask(gift, through=replica.client) for _ in range(2)]

        assert (first.status, first.body) == (201, second.body)
        assert second.status == 201


@pytest.mark.fault(2, "kill -9 between publishing and marking, and the stream does not know the message's id")
async def test_a_relay_that_dies_before_it_marks_doubles_no_effect_where_nats_does_not_help(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with (
        operator(running_system) as client,
        replica_of(running_system, "charity") as replica,
        under_load(running_system, verdict) as life,
        remembering_ids_for(client, FORGETS_AFTER_S),
    ):
        # Before the other one starts: dead while this one runs, it would be taken over from before the stream forgets.
        async with standing_still(running_system, "charity"):
            await replica.start(failpoint="relay.after_publish_before_mark")
            await (await _dead_of(give_through_it, running_system, life, replica))
            # The others must not be quicker than the stream is to forget.
            await asyncio.sleep(5 * FORGETS_AFTER_S)
        await until("what was not marked is stored twice", lambda: _stored_twice(client), patience_s=BACK_WITHIN_S)


@pytest.mark.fault(3, "kill -9 at consumer.before_parking")
async def test_a_consumer_that_dies_before_it_parks_parks_after_that(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with replica_of(running_system, "gateway") as replica, under_load(running_system, verdict) as life:
        await replica.start(failpoint="consumer.before_parking")
        async with stumbling_over(running_system, 66_601):

            async def give_poison(*_: Any) -> None:
                await life.give(amount="666.01")

            await (await _dead_of(give_poison, running_system, life, replica))
            await replica.start()

            async def parked() -> bool:
                return (await parked_by_the_gateway(running_system))["failed"] > 0

            await until("what fails is parked", parked)
        await redriven(running_system)


# --- what NATS remembers ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def remembering_ids_for(client: Client, seconds: float) -> AsyncGenerator[None]:
    """How long the stream of the charity service knows again what it has."""
    config = stream_of("charity", replicas=1)
    await client.jetstream().update_stream(config.evolve(duplicate_window=seconds))
    try:
        yield
    finally:
        await client.jetstream().update_stream(config.evolve(duplicate_window=DUPLICATE_WINDOW_S))


async def _stored_twice(client: Client) -> bool:
    ids = [message_id async for message_id in stored_ids(client, "charity")]
    return len(ids) > len(set(ids))
