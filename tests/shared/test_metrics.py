"""What Prometheus is told of a process: what is true when it asks, and NaN where that is not known."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.access.principal import EVERYTHING
from shared.database import Database
from shared.database import transaction as module
from shared.ids import new_id
from shared.telemetry import recorded_at_in
from tests.shared.kites import Listener
from tests.shared.streams import history
from tests.systems import ServiceUnderTest


async def told(kites: ServiceUnderTest, name: str, **labels: str) -> float | None:
    """A sample as the service exports it; None where there is none."""
    text = (await kites.client.get("/metrics")).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


async def test_a_refusal_is_counted_by_its_code(kites: ServiceUnderTest) -> None:
    before = await told(kites, "asar_problems_total", code="kite-not-found") or 0

    await kites.client.get(f"/v1/kites/{new_id()}")

    assert await told(kites, "asar_problems_total", code="kite-not-found") == before + 1


async def test_a_repeat_that_gets_the_first_answer_is_counted(kites: ServiceUnderTest) -> None:
    before = await told(kites, "asar_idempotent_replays_total") or 0
    key = str(new_id())

    for _ in range(3):
        await kites.post("/v1/kites", {"name": "a"}, idempotency_key=key)

    assert await told(kites, "asar_idempotent_replays_total") == before + 2


async def test_the_request_that_asks_is_itself_in_progress(kites: ServiceUnderTest) -> None:
    assert await told(kites, "asar_requests_in_progress") == 1

    await kites.post("/v1/kites/crashes", {"text": "a"})

    assert await told(kites, "asar_requests_in_progress") == 1


async def test_the_pool_is_told_as_it_is_used(kites: ServiceUnderTest) -> None:
    async with kites.process.database.transaction(EVERYTHING) as tx:
        await tx.begin()

        assert await told(kites, "asar_database_connections", database="own", state="used") == 1
    assert await told(kites, "asar_database_connections", database="own", state="used") == 0
    assert await told(kites, "asar_database_connections_max", database="own") == 10
    assert (await told(kites, "asar_database_bytes") or 0) > 1_000_000


async def test_waiting_for_a_connection_is_told_and_having_one_is_not(
    kites: ServiceUnderTest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits() -> float:
        return await told(kites, "asar_database_wait_seconds_count") or 0

    before = await waits()
    monkeypatch.setattr(module, "WAIT_TOLD_FROM_S", 60)
    async with database.transaction(EVERYTHING) as tx:
        await tx.begin()
    assert await waits() == before

    monkeypatch.setattr(module, "WAIT_TOLD_FROM_S", 0)
    async with database.transaction(EVERYTHING) as tx:
        await tx.begin()
    assert await waits() == before + 1


async def test_what_is_not_known_is_not_told_as_it_was(kites: ServiceUnderTest) -> None:
    await kites.post("/v1/kites", {"name": "a"})
    assert await told(kites, "asar_database_up") == 1
    assert await told(kites, "asar_outbox_unsent") == 1

    await kites.process.database.close()

    assert await told(kites, "asar_database_up") == 0
    assert str(await told(kites, "asar_outbox_unsent")) == "nan"
    assert str(await told(kites, "asar_outbox_oldest_unsent_seconds")) == "nan"


async def test_a_process_that_needs_nats_says_whether_it_has_it(kites: ServiceUnderTest) -> None:
    assert await told(kites, "asar_nats_up") == 0


async def test_what_a_consumer_has_not_been_delivered_is_not_known_where_nats_is_silent(
    kites: ServiceUnderTest, listener: Listener
) -> None:
    await listener.consumer.tell(
        kites.database, {"parked": {"gap": 2, "failed": 1}, "lag": {"ASAR_A": 7, "ASAR_B": None}}
    )

    assert await told(kites, "asar_messages_parked", consumer="watchers", reason="failed") == 1
    assert await told(kites, "asar_consumer_lag", consumer="watchers", stream="ASAR_A") == 7
    assert str(await told(kites, "asar_consumer_lag", consumer="watchers", stream="ASAR_B")) == "nan"


def test_when_a_fact_was_recorded_is_found_in_its_message() -> None:
    [delivery] = history(new_id(), 1)

    assert recorded_at_in(delivery.body) is not None
    assert recorded_at_in('{"time":"2026-99-01T00:00:00Z"}') is None
    assert recorded_at_in("{}") is None
