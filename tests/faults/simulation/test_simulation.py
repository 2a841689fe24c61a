"""Thousands of runs, each another disorder: nothing lost, nothing twice, everything in its order, all of it arrived.

A seed that fails is printed, and runs again with `python -m tests.faults.simulation SEED`.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

import nats.errors
import pytest
import structlog

from shared.database import Database
from shared.messaging import audit, inbox, order
from shared.messaging.consumer import Consumer
from shared.messaging.pull import Puller
from shared.messaging.relay import Relay
from tests.faults.simulation.world import Broken, World
from tests.faults.verdict import Verdict

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "400"))
FOUND_WITHIN = 150
"""Runs within which a broken rule must be noticed."""


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """What goes wrong on purpose is not worth a line in the log."""
    kept = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**kept)


def first_failure(seeds: range) -> str | None:
    for seed in seeds:
        try:
            World(seed).run()
        except Broken as broken:
            return f"seed {seed}: {broken}"
    return None


@pytest.mark.fault(12, f"simulated, with everything else that goes wrong: {SEEDS} seeds")
def test_whatever_goes_wrong_each_effect_is_there_once_and_in_its_order(verdict: Verdict) -> None:
    failure = first_failure(range(SEEDS))

    assert failure is None, f"{failure}; again with: python -m tests.faults.simulation {failure.split()[1][:-1]}"
    verdict.give()


def test_a_seed_runs_the_same_way_each_time() -> None:
    runs: list[list[str]] = [[], []]
    for lines in runs:
        World(17, say=lines.append).run()

    assert runs[0] == runs[1]
    assert len(runs[0]) > 20


# --- broken rules are found -------------------------------------------------------------------------------------------


async def _acknowledge_first(consumer: Consumer, database: Database, puller: Puller) -> None:
    page = list(await puller.page())
    await puller.acknowledge(page)
    await consumer._apply_for_sure(database, page)  # noqa: SLF001  # the rule is broken on purpose


def _whatever_version(page: Any, seen: Any, waiting: Any = ()) -> order.Turn[Any]:
    to_apply = list(page)
    return order.Turn(to_apply, list(waiting), {item.aggregate: item.version for item in to_apply}, 0)


def _later_ones_too(page: Any, seen: Any, waiting: Any = ()) -> order.Turn[Any]:
    to_apply = [item for item in page if item.version > seen.get(item.aggregate, 0)]
    return order.Turn(to_apply, list(waiting), {item.aggregate: item.version for item in to_apply}, 0)


_publish = Relay._publish  # noqa: SLF001


async def _mark_what_was_not_taken(relay: Relay, rows: list[Any]) -> None:
    with contextlib.suppress(nats.errors.Error):
        await _publish(relay, rows)


async def _nothing(*_: Any, **__: Any) -> Any:
    return None


def _not_even_asked(_: Relay) -> None:
    pass


BROKEN = {
    "acknowledged before it is applied": (Consumer, "_take_in", _acknowledge_first),
    "applied whatever its version": (order, "turn", _whatever_version),
    "applied with a gap before it": (order, "turn", _later_ones_too),
    "replicas side by side": (inbox, "take_turns", _nothing),
    "what comes too early is dropped": (inbox, "park", _nothing),
    "how far it is not remembered": (inbox, "see", _nothing),
    "marked though not taken": (Relay, "_publish", _mark_what_was_not_taken),
    "no audit after an absence": (Relay, "demand_audit", _not_even_asked),
    "durables left where the stream is no longer": (audit, "forget_consumers", _nothing),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_found(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, instead = BROKEN[rule]
    monkeypatch.setattr(place, name, instead)

    assert first_failure(range(FOUND_WITHIN)) is not None
