"""Disbursements: held at once, approved by somebody else, paid or voided; a fund never goes below zero."""

import asyncio

import pytest

from shared.access.permissions import Role
from shared.access.principal import person
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money

REQUESTER = person("person:requester", Role.TREASURER)
APPROVER = person("person:approver", Role.TREASURER)


@pytest.fixture
async def fund(charity: CharityUnderTest, campaign: str, centre: str) -> str:
    """The id of a campaign whose fund holds 2 000 tenge."""
    await charity.make("/v1/donations", factories.donation(campaign, centre, amount=money("2000")))
    return campaign


async def test_fifty_at_once_from_a_fund_that_covers_twenty(charity: CharityUnderTest, fund: str, centre: str) -> None:
    answers = await asyncio.gather(
        *(charity.post("/v1/disbursements", factories.disbursement(fund, centre)) for _ in range(50))
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 30
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"fund-insufficient"}
    assert (await charity.get(f"/v1/funds/{fund}"))["balance"] == money("0.00")
    assert len(await charity.outbox("charity.disbursement.requested.v1")) == 20


async def test_payments_in_between_never_let_one_more_through(
    charity: CharityUnderTest, fund: str, centre: str
) -> None:
    """A payment turns a hold into an entry: nobody may see it in neither."""
    held = [await charity.make("/v1/disbursements", factories.disbursement(fund, centre)) for _ in range(10)]
    await charity.batch("/v1/disbursements/approvals", *({"disbursement_id": i} for i in held))

    answers = await asyncio.gather(
        *(charity.post(f"/v1/disbursements/{i}/payments", {"occurred_on": "2021-04-01"}) for i in held),
        *(charity.post("/v1/disbursements", factories.disbursement(fund, centre)) for _ in range(30)),
    )

    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert sorted(answer.status_code for answer in answers[10:]) == [201] * 10 + [409] * 20
    totals = await charity.get(f"/v1/funds/{fund}")
    assert (totals["disbursed"], totals["held"], totals["balance"]) == (
        money("1000.00"),
        money("1000.00"),
        money("0.00"),
    )


async def test_a_disbursement_goes_from_requested_to_approved_to_paid(
    charity: CharityUnderTest, fund: str, centre: str
) -> None:
    made = await charity.post("/v1/disbursements", factories.disbursement(fund, centre), by=REQUESTER)
    identity = made.json()["id"]

    too_early = await charity.post(f"/v1/disbursements/{identity}/payments")
    own = await charity.post(f"/v1/disbursements/{identity}/approvals", by=REQUESTER)
    approved = await charity.post(f"/v1/disbursements/{identity}/approvals", {"decided_on": "2021-03-11"}, by=APPROVER)
    paid = await charity.post(f"/v1/disbursements/{identity}/payments", {"occurred_on": "2021-03-12"}, by=APPROVER)
    twice = await charity.post(f"/v1/disbursements/{identity}/payments", {"occurred_on": "2021-03-12"})
    back = await charity.post(f"/v1/disbursements/{identity}/voids", {"reason": "Қажет емес"})

    assert (too_early.status_code, too_early.json()["code"]) == (409, "status-does-not-allow")
    assert (own.status_code, own.json()["code"]) == (403, "approved-by-requester")
    assert (approved.json()["status"], paid.json()["status"], paid.json()["paid_on"]) == (
        "approved",
        "paid",
        "2021-03-12",
    )
    assert (twice.status_code, back.status_code) == (409, 409)
    messages = [m for m in await charity.outbox() if m["type"].startswith("charity.disbursement.")]
    assert [m["type"].split(".")[2] for m in messages] == ["requested", "approved", "paid"]
    assert [m["aggregateversion"] for m in messages] == [1, 2, 3]
    assert [factories.of(m, "was", "status", "on") for m in messages] == [
        [None, "requested", "2021-03-10"],
        ["requested", "approved", "2021-03-11"],
        ["approved", "paid", "2021-03-12"],
    ]
    entries = (await charity.get("/v1/ledger", campaign_id=fund))["items"]
    assert [entry["kind"] for entry in entries] == ["gift", "payment"]
    legs = {leg["account"]: leg["amount"]["amount"] for leg in entries[1]["legs"]}
    assert legs == {"cash": "-100.00", "aid": "100.00"}


async def test_an_administrator_may_approve_their_own_request(
    charity: CharityUnderTest, fund: str, centre: str
) -> None:
    identity = await charity.make("/v1/disbursements", factories.disbursement(fund, centre))

    assert (await charity.post(f"/v1/disbursements/{identity}/approvals")).status_code == 200


async def test_a_void_gives_the_fund_back_what_was_held(charity: CharityUnderTest, fund: str, centre: str) -> None:
    identity = await charity.make("/v1/disbursements", factories.disbursement(fund, centre, amount=money("2000")))
    full = await charity.post("/v1/disbursements", factories.disbursement(fund, centre))

    voided = await charity.post(f"/v1/disbursements/{identity}/voids", {"reason": "Жеткізуші бас тартты"})
    again = await charity.post("/v1/disbursements", factories.disbursement(fund, centre))

    assert (full.status_code, voided.status_code, again.status_code) == (409, 200, 201)
    assert (await charity.outbox("charity.disbursement.voided.v1"))[0]["data"]["was"] == "requested"


async def test_rows_of_a_batch_share_the_fund(charity: CharityUnderTest, fund: str, centre: str) -> None:
    rows = [factories.disbursement(fund, centre, id=str(new_id()), amount=money("300")) for _ in range(10)]

    first = await charity.batch("/v1/disbursements", *rows)
    again = await charity.batch("/v1/disbursements", *rows)

    assert [row["status"] for row in first] == [201] * 6 + [409] * 4
    assert [row["status"] for row in again] == [200] * 6 + [409] * 4
    assert (await charity.get(f"/v1/funds/{fund}"))["balance"] == money("200.00")


async def test_a_row_that_the_database_refuses_takes_nothing_from_the_fund(
    charity: CharityUnderTest, fund: str, centre: str
) -> None:
    identity = str(new_id())
    rows = [
        factories.disbursement(fund, centre, id=identity, amount=money("1500")),
        # The same id twice in a batch: only the database notices.
        factories.disbursement(fund, centre, id=identity, amount=money("400")),
        factories.disbursement(fund, centre, amount=money("500")),
    ]

    answers = await charity.batch("/v1/disbursements", *rows)

    assert [row["status"] for row in answers] == [201, 409, 201]
    assert answers[1]["problem"]["code"] == "already-exists"
    assert (await charity.get(f"/v1/funds/{fund}"))["balance"] == money("0.00")


async def test_many_are_approved_paid_and_voided_at_once(charity: CharityUnderTest, fund: str, centre: str) -> None:
    ids = [await charity.make("/v1/disbursements", factories.disbursement(fund, centre)) for _ in range(3)]

    approved = await charity.batch("/v1/disbursements/approvals", *({"disbursement_id": i} for i in ids))
    paid = await charity.batch(
        "/v1/disbursements/payments",
        {"disbursement_id": ids[0], "occurred_on": "2021-03-20"},
        {"disbursement_id": ids[1], "occurred_on": "2021-03-01"},
        {"disbursement_id": str(new_id())},
    )
    voided = await charity.batch("/v1/disbursements/voids", *({"disbursement_id": i, "reason": "x"} for i in ids))

    assert [row["status"] for row in approved] == [200] * 3
    assert [row["status"] for row in paid] == [200, 422, 404]
    assert paid[1]["problem"]["code"] == "paid-before-requested"
    assert [row["status"] for row in voided] == [409, 200, 200]


async def test_money_is_spent_until_the_campaign_reports(charity: CharityUnderTest, fund: str, centre: str) -> None:
    await charity.post(f"/v1/campaigns/{fund}/closures")
    after_closing = await charity.post("/v1/disbursements", factories.disbursement(fund, centre))
    while_held = await charity.post(f"/v1/campaigns/{fund}/reports")
    await charity.post(f"/v1/disbursements/{after_closing.json()['id']}/voids", {"reason": "x"})
    reported = await charity.post(f"/v1/campaigns/{fund}/reports")
    after_report = await charity.post("/v1/disbursements", factories.disbursement(fund, centre))

    assert after_closing.status_code == 201
    assert (while_held.status_code, while_held.json()["code"]) == (409, "money-is-still-held")
    assert reported.json()["status"] == "reported"
    assert (after_report.status_code, after_report.json()["code"]) == (409, "campaign-has-reported")
