"""What an operator types when messages did not arrive, on a running system."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.ids import new_id
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import stream_name
from tests.faults.load import Life
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults
TYPE = "charity.donation.received.v1"
SERVICES = ["volunteers", "events", "charity", "gateway"]


@pytest.fixture(scope="module")
async def poison(running_system: RunningSystem) -> AsyncIterator[str]:
    """The aggregate of a message that nobody can apply, and that charity never announced. It is gone at the end."""
    life = Life(running_system)
    await life.settle_in()
    async with life.going_on():
        await life.goes_on()
    await life.close()
    await running_system.settled()
    aggregate = f"charity.donation/{new_id()}"
    charity = await connect(running_system.installation.nats.url("charity"))
    headers = {"Nats-Msg-Id": str(new_id()), "Asar-Type": TYPE, "Asar-Aggregate": aggregate, "Asar-Version": "1"}
    await charity.jetstream().publish(f"asar.{TYPE}", b'{"no": "message"}', headers=headers)
    await charity.close()

    async def parked() -> bool:
        return bool(told(running_system, "messages", "parked")["items"])

    await until("the poison is parked", parked)
    yield aggregate
    await _forget(running_system)


def told(system: RunningSystem, *words: str, status: int = 0) -> dict[str, Any]:
    """What the command says to a machine."""
    done = system.try_asar(*words, "--json")
    assert done.returncode == status, done.stderr
    return dict(json.loads(done.stdout))


async def _forget(system: RunningSystem) -> None:
    """Have the stream made anew from the outbox, and the parked message forgotten."""
    connection = await system.installation.postgres.connect("gateway")
    number = await connection.fetchval("SELECT number FROM generation WHERE status = 'active'")
    await connection.execute(f"DELETE FROM projection_{number}.parked")  # noqa: S608
    await connection.close()
    operator = await connect(system.installation.nats.url(OPERATOR))
    await operator.jetstream().delete_stream(stream_name("charity"))
    await operator.close()

    async def whole() -> bool:
        done = system.try_asar("messages", "audit", "--service", "charity", "--json")
        return done.returncode == 0 and json.loads(done.stdout)["items"][0]["sent_again"] == 0

    await until("the stream is whole again", whole)
    await system.settled()


async def test_rebuild_says_how_far_it_is_and_ends_with_the_new_one_in_use(running_system: RunningSystem) -> None:
    await running_system.settled()

    rebuilt = running_system.try_asar("projection", "rebuild")

    assert rebuilt.returncode == 0, rebuilt.stderr
    first, *_, last = rebuilt.stdout.splitlines()
    assert first.startswith("Building read model")
    assert last == f"Read model {first.split()[3]} is in use."
    report = await running_system.verify()
    assert report.ok, report.differences[:10]


async def test_parked_lists_what_waits_and_why(running_system: RunningSystem, poison: str) -> None:
    [item] = told(running_system, "messages", "parked")["items"]

    assert (item["service"], item["reason"], item["aggregate"], item["version"]) == ("gateway", "failed", poison, 1)
    assert "aggregateversion: missing" in item["error"]
    assert f"gateway: failed {item['parked_at'][:19]}" in running_system.try_asar("messages", "parked").stdout


async def test_redrive_says_what_it_did(running_system: RunningSystem, poison: str) -> None:
    assert told(running_system, "messages", "redrive", poison)["items"] == [
        {"service": name, "applied": 0, "failed": int(name == "gateway")} for name in SERVICES
    ]
    one = running_system.try_asar("messages", "redrive", "--service", "events")
    assert one.stdout == "events: 0 applied, 0 failed again\n"


async def test_audit_lists_what_its_service_does_not_know(running_system: RunningSystem, poison: str) -> None:
    by_service = {item["service"]: item for item in told(running_system, "messages", "audit", status=1)["items"]}

    assert {name: item["sent_again"] for name, item in by_service.items()} == dict.fromkeys(SERVICES, 0)
    assert [(one["aggregate"], one["version"]) for one in by_service["charity"]["unknown"]] == [(poison, "1")]
    assert by_service["volunteers"]["unknown"] == []
    said = running_system.try_asar("messages", "audit", "--service", "charity")
    assert (said.returncode, f"{poison} version 1 {TYPE}" in said.stdout) == (1, True)


async def test_a_service_that_is_none_is_refused(running_system: RunningSystem) -> None:
    refused = running_system.try_asar("messages", "audit", "--service", "kites")

    assert (refused.returncode, "There is no service kites" in refused.stderr) == (1, True)
