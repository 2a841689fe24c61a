"""`asar verify` finds what somebody has tampered with, and only that."""

import asyncpg
import pytest

from tests.faults.load import Life
from tests.running import RunningSystem

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
async def lived_in(running_system: RunningSystem) -> RunningSystem:
    life = Life(running_system)
    await life.settle_in()
    async with life.going_on() as history:
        while len(history.donations) < 10 or len(history.deliveries) < 3:
            await life.goes_on()
    await life.close()
    await running_system.settled()
    return running_system


TAMPERINGS = {
    "a figure": (
        "gateway",
        "UPDATE {schema}.figureday SET money_received_minor = money_received_minor + 1 WHERE scope = 'kz'",
        "UPDATE {schema}.figureday SET money_received_minor = money_received_minor - 1 WHERE scope = 'kz'",
        ("money_received_minor", "money_net_minor"),
    ),
    "a set of helped people": (
        "gateway",
        "UPDATE {schema}.helped SET scope = 'KZ-99' WHERE scope = 'KZ-75' AND span = 'all'",
        "UPDATE {schema}.helped SET scope = 'KZ-75' WHERE scope = 'KZ-99' AND span = 'all'",
        ("people_helped", "families_helped"),
    ),
    "an inbox": (
        "gateway",
        "UPDATE {schema}.inbox SET version = version + 100 WHERE aggregate LIKE 'charity.campaign/%'",
        "UPDATE {schema}.inbox SET version = version - 100 WHERE aggregate LIKE 'charity.campaign/%'",
        ("not applied by gateway: charity.campaign/", "miscounted as applied by gateway: charity.campaign,"),
    ),
    "the ledger": (
        "charity",
        "UPDATE leg SET amount_minor = amount_minor + 1 WHERE account = 'cash'",
        "UPDATE leg SET amount_minor = amount_minor - 1 WHERE account = 'cash'",
        ("do not sum to zero",),
    ),
    "the journal": (
        "charity",
        "INSERT INTO journal VALUES (1, now(), 'somebody', 'disclosed', 'family/1', NULL, 'done', '', '')",
        "DELETE FROM journal",
        ("the journal of charity: row 1 was altered", "the journal of charity: row 1 does not follow"),
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_it_finds_what_was_tampered_with(lived_in: RunningSystem, what: str) -> None:
    database, tamper, mend, found = TAMPERINGS[what]
    connection = await asyncpg.connect(lived_in.installation.postgres.url(database))
    schema = "public"
    if database == "gateway":
        number = await connection.fetchval("SELECT number FROM generation WHERE status = 'active'")
        schema = f"projection_{number}"
    # The tables' own triggers would refuse it.
    await connection.execute("SET session_replication_role = replica")

    await connection.execute(tamper.format(schema=schema))
    report = await lived_in.verify()
    await connection.execute(mend.format(schema=schema))
    await connection.close()

    assert not report.ok
    assert [d for d in report.differences if not any(words in d for words in found)] == []
    assert (await lived_in.verify()).ok
