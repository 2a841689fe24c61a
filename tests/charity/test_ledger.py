"""The ledger: balanced by the database itself, never changed; receipts without gaps."""

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.charity import commands, domain
from services.charity.tables import Base
from shared.access.principal import EVERYTHING
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money

ENTRY = (
    "INSERT INTO entry (id, kind, centre_id, occurred_on, recorded_by, recorded_at)"
    " VALUES ($1, 'gift', $1, $2, 'test', $3)"
)
LEG = (
    "INSERT INTO leg (entry_id, position, account, amount_minor, campaign_id, centre_id, region, occurred_on)"
    " VALUES ($1, $2, $3, $4, $5, $6, 'KZ-75', $7)"
)


async def book(charity: CharityUnderTest, *legs: tuple[str, int, UUID]) -> None:
    identity, day = new_id(), date(2021, 3, 1)
    async with charity.database.pool.acquire() as connection, connection.transaction():
        await connection.execute(ENTRY, identity, day, datetime.now(UTC))
        for position, (account, amount, campaign) in enumerate(legs, 1):
            await connection.execute(LEG, identity, position, account, amount, campaign, new_id(), day)


async def test_legs_that_do_not_sum_to_zero_are_refused_at_the_commit(charity: CharityUnderTest) -> None:
    one, other = new_id(), new_id()

    await book(charity, ("donors", -5, one), ("cash", 3, one), ("aid", 2, one))
    for legs in (
        [("donors", -5, one), ("cash", 4, one)],
        [("cash", 5, one)],
        # In sum zero, but one fund lends to another.
        [("donors", -5, one), ("cash", 5, other)],
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="do not sum to zero"):
            await book(charity, *legs)

    assert await charity.scalar("SELECT count(*) FROM entry") == 1


async def test_a_leg_added_later_is_refused_too(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))

    with pytest.raises(asyncpg.CheckViolationError):
        await charity.database.pool.execute(LEG, gift, 3, "cash", 7, campaign, centre, date(2021, 3, 1))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE leg SET amount_minor = amount_minor * 2",
        "DELETE FROM leg",
        "UPDATE entry SET occurred_on = '2020-01-01'",
        "DELETE FROM entry",
        "TRUNCATE leg, entry CASCADE",
    ],
)
async def test_nothing_in_the_ledger_changes(
    charity: CharityUnderTest, campaign: str, centre: str, change: str
) -> None:
    await charity.make("/v1/donations", factories.donation(campaign, centre))

    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await charity.database.pool.execute(change)


async def test_the_ledger_is_read_by_period_and_page(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    days = ["2021-03-01", "2021-03-02", "2021-03-03"]
    await charity.batch("/v1/donations", *(factories.donation(campaign, centre, occurred_on=day) for day in days))

    period = {"from": "2021-03-02", "to": "2021-03-02"}
    [entry] = (await charity.get("/v1/ledger", centre_id=centre, **period))["items"]
    first = await charity.get("/v1/ledger", limit=2)
    rest = (await charity.client.get(first["next"])).json()

    assert entry["occurred_on"] == "2021-03-02"
    assert len(first["items"] + rest["items"]) == 3
    assert (await charity.get("/v1/ledger", campaign_id=str(new_id())))["items"] == []


async def test_funds_are_listed(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    await charity.make("/v1/donations", factories.donation(campaign, centre))

    [fund] = (await charity.get("/v1/funds"))["items"]

    assert fund == await charity.get(f"/v1/funds/{campaign}")
    assert (fund["campaign_id"], fund["received"], fund["balance"]) == (campaign, money("1000.00"), money("1000.00"))
    assert (await charity.client.get(f"/v1/funds/{new_id()}")).status_code == 404


async def issue(charity: CharityUnderTest) -> int:
    async with charity.database.transaction(EVERYTHING) as tx:
        return await commands.issue_receipts(tx)


async def test_receipts_have_no_gaps_whoever_issues_them(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    gifts = [
        factories.donation(campaign, centre, occurred_on=f"{year}-03-01") for year in (2020, 2021) for _ in range(9)
    ]
    await charity.batch("/v1/donations", *gifts)
    assert (await charity.get("/v1/donations"))["items"][0]["receipt_number"] is None

    issued = await asyncio.gather(*(issue(charity) for _ in range(5)))
    await charity.batch("/v1/donations", *gifts[:9])
    while await issue(charity):
        pass

    assert sum(issued) == 18
    rows = await charity.database.pool.fetch("SELECT receipt_year, receipt_number FROM donation ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [(2020, n) for n in range(1, 19)] + [(2021, n) for n in range(1, 10)]
    shown = {gift["receipt_number"] for gift in (await charity.get("/v1/donations"))["items"]}
    assert {"2020-000001", "2021-000009"} <= shown


async def test_a_refund_keeps_the_receipt(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))
    await issue(charity)

    await charity.post(f"/v1/donations/{gift}/refunds", factories.refund())

    assert (await charity.get(f"/v1/donations/{gift}"))["receipt_number"] == "2021-000001"


amounts = st.integers(1, 10**15)


@given(kind=st.sampled_from(["money", "goods"]), amount=amounts, part=amounts)
def test_legs_sum_to_zero(kind: str, amount: int, part: int) -> None:
    gift = domain.gift(kind, amount)
    for legs in (gift, domain.payment(amount), domain.reversal(gift, part)):
        assert sum(leg.amount_minor for leg in legs) == 0


@given(kind=st.sampled_from(["money", "goods"]), parts=st.lists(amounts, min_size=1, max_size=8))
def test_reversals_of_all_parts_leave_every_account_as_it_was(kind: str, parts: list[int]) -> None:
    gift = domain.gift(kind, sum(parts))

    balance = {leg.account: leg.amount_minor for leg in gift}
    for part in parts:
        for leg in domain.reversal(gift, part):
            balance[leg.account] += leg.amount_minor

    assert set(balance.values()) == {0}


@given(there=amounts, wanted=st.lists(amounts, max_size=20))
def test_a_fund_never_gives_more_than_it_has(there: int, wanted: list[int]) -> None:
    campaign = new_id()
    funds, given_out = domain.Funds({campaign: there}), 0
    for amount in wanted:
        try:
            funds.take(campaign, amount)
        except domain.FundInsufficient:
            assert given_out + amount > there
        else:
            given_out += amount
    assert given_out <= there


def test_tables_have_names_of_their_own() -> None:
    """The service's metadata is not SQLModel's global one."""
    assert {"donation", "leg", "family", "outbox", "inbox", "idempotency"} <= Base.metadata.tables.keys()
    assert "volunteer" not in Base.metadata.tables
