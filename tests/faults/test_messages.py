"""Messages that come three times and out of order, and messages that cannot be applied."""
# ruff: noqa: S608 - the names are those of our own tables

import random
from typing import Any

import asyncpg
import orjson
import pytest
from nats.js.errors import NotFoundError

from services.gateway.domain import COUNTRY
from services.gateway.tables import Campaign, Centre, FigureDay
from shared import clock
from shared.contracts.charity import DonationRefunded
from shared.contracts.envelope import envelop
from shared.ids import new_id
from shared.messaging.subjects import stream_name
from shared.rows import table_of
from tests.faults.behind import (
    database_of,
    not_relaying,
    operator,
    parked_by_the_gateway,
    read_model,
    redriven,
    stumbling_over,
)
from tests.faults.load import Life
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults


@pytest.mark.fault(12, "three times, shuffled, under ids of their own, before they come as they should")
async def test_messages_three_times_and_in_any_order_make_the_same_figures(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life, not_relaying(running_system, "charity"):
        await life.goes_on()
        sent = await _send_three_times_in_any_order(running_system)
        assert sent > 5
    scopes = [COUNTRY, "KZ-75", f"centre:{life.centre_id}", f"campaign:{life.campaign_id}"]
    folded_as_they_came = await _shown(running_system, scopes)

    await running_system.asar("projection", "rebuild")

    assert await _shown(running_system, scopes) == folded_as_they_came


async def _send_three_times_in_any_order(system: RunningSystem) -> int:
    async with database_of(system, "charity") as connection, operator(system, user="charity") as client:
        rows = await connection.fetch("SELECT * FROM outbox WHERE published_at IS NULL")
        thrice = rows * 3
        random.Random(12).shuffle(thrice)  # noqa: S311  # the same disorder each time
        for row in thrice:
            headers = {"Nats-Msg-Id": str(new_id()), "Asar-Type": row["type"], "Asar-Aggregate": row["aggregate"]}
            headers["Asar-Version"] = str(row["version"])
            await client.jetstream().publish(row["subject"], row["body"].encode(), headers=headers)
        return len(rows)


async def _shown(system: RunningSystem, scopes: list[str]) -> list[Any]:
    """The documents that the gateway answers, but for the news, and the rows that they are made of."""
    async with system.client() as client:
        documents = [(await client.get("/v1/dashboard", params={"scope": scope})).json() for scope in scopes]
    for document in documents:
        del document["revision"], document["as_of"], document["ticker"]
    async with database_of(system, "gateway") as connection:
        schema = await read_model(connection)
        names = [table_of(model).name for model in (FigureDay, Campaign, Centre)]
        return documents + [
            await connection.fetchval(
                f'SELECT string_agg(t::text, chr(10) ORDER BY t::text) FROM "{schema}"."{name}" AS t'
            )
            for name in names
        ]


@pytest.mark.fault(13, "a mistake in a handler, a body that lacks a field, a type that nobody knows")
async def test_what_cannot_be_applied_is_parked_with_its_reason_and_redriven_when_it_is_mended(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    async with under_load(running_system, verdict) as life:
        # Given a gift over which the gateway stumbles, and what lacks a field, with one message behind it
        async with stumbling_over(running_system, 77_701):
            await life.give(amount="777.01")
            lacking, lacks = await _announce_what_lacks_a_field(running_system, life)
            unknown = await _announce_what_nobody_knows(running_system, life)

            async def parked() -> bool:
                return await parked_by_the_gateway(running_system) == {"failed": 2, "gap": 1}

            await until("what cannot be applied is parked", parked)

            # Then others go on, the alert's metric tells, and the reason is there
            await life.goes_on()
            assert await parked()
            assert 'asar_messages_parked{consumer="gateway",reason="failed"} 2.0' in await _metrics(running_system)
            told = await running_system.asar("messages", "parked", "--service", "gateway")
            assert f"{lacking} version 1 {DonationRefunded.type} data/amount_minor: missing" in told
            assert "DivisionByZeroError" in told
            assert unknown not in told

        # When both are mended
        whole = lacks | {"data": lacks["data"] | {"amount_minor": 0}}
        async with database_of(running_system, "gateway") as connection:
            schema = await read_model(connection)
            await _mend(connection, f"{schema}.parked", lacking, whole)
        await redriven(running_system)

        # Then each has taken effect once, with what waited behind it
        async with database_of(running_system, "gateway") as connection:
            for aggregate in (lacking, unknown):
                count = "SELECT array_agg((body::jsonb ->> 'aggregateversion')::int ORDER BY position) FROM feed"
                versions = await connection.fetchval(f"{count} WHERE body::jsonb ->> 'subject' = $1", aggregate)
                assert versions == [1, 2]
        await _forget_what_was_lacking(running_system, lacking, whole)


async def _announce_what_lacks_a_field(system: RunningSystem, life: Life) -> tuple[str, dict[str, Any]]:
    """Two versions of an aggregate, the first of which is not as its contract says; and the first one's body."""
    facts = [_refund(life) for _ in range(2)]
    facts[1] = facts[1].model_copy(update={"donation_id": facts[0].donation_id})
    rows = [envelop(fact, at=clock.now(), version=version) for version, fact in enumerate(facts, 1)]
    lacking = orjson.loads(rows[0]["body"])
    del lacking["data"]["amount_minor"]
    rows[0]["body"] = orjson.dumps(lacking).decode()
    await _announce(system, rows)
    return rows[0]["aggregate"], lacking


async def _announce_what_nobody_knows(system: RunningSystem, life: Life) -> str:
    """A type of a later version of the service, and behind it one that everybody knows."""
    fact = _refund(life)
    rows = [envelop(fact, at=clock.now(), version=version) for version in (1, 2)]
    rows[0]["type"] = "charity.donation.blessed.v1"
    rows[0]["body"] = rows[0]["body"].replace(DonationRefunded.type, rows[0]["type"])
    await _announce(system, rows)
    return rows[0]["aggregate"]


def _refund(life: Life) -> DonationRefunded:
    """Of nothing, so that no figure is another one for it."""
    return DonationRefunded(
        donation_id=new_id(), refund_id=new_id(), campaign_id=life.campaign_id, centre_id=life.centre_id,
        region="KZ-75", amount_minor=0, on=clock.civil_day(clock.now()),
    )  # fmt: skip


async def _announce(system: RunningSystem, rows: list[dict[str, Any]]) -> None:
    async with database_of(system, "charity") as connection:
        columns = ", ".join(rows[0])
        values = ", ".join(f"${number}" for number in range(1, len(rows[0]) + 1))
        await connection.executemany(
            f"INSERT INTO outbox ({columns}) VALUES ({values})", [list(row.values()) for row in rows]
        )


async def _metrics(system: RunningSystem) -> str:
    async with system.client() as client:
        return (await client.get("/metrics")).raise_for_status().text


async def _mend(connection: asyncpg.Connection, table: str, aggregate: str, body: dict[str, Any]) -> None:
    mend = f"UPDATE {table} SET body = $2 WHERE aggregate = $1 AND version = 1"
    assert await connection.execute(mend, aggregate, orjson.dumps(body).decode()) == "UPDATE 1"


async def _forget_what_was_lacking(system: RunningSystem, aggregate: str, whole: dict[str, Any]) -> None:
    """A stream keeps everything: have it filled from an outbox that is mended, for the tests that fold it anew."""
    async with database_of(system, "charity") as connection, operator(system) as client:
        await connection.execute("SET session_replication_role = replica")
        await _mend(connection, "outbox", aggregate, whole)
        await client.jetstream().delete_stream(stream_name("charity"))

        async def filled() -> bool:
            try:
                stored = (await client.jetstream().stream_info(stream_name("charity"))).state.messages
            except NotFoundError:
                return False
            return stored >= await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NOT NULL") > 0

        await until("the stream is filled again", filled)
