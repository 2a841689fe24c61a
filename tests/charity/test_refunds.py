"""Refunds: never more than was given, never more than is there."""

import asyncio

import pytest

from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money


@pytest.fixture
async def gift(charity: CharityUnderTest, campaign: str, centre: str) -> str:
    """The id of a gift of 1 000 tenge."""
    return await charity.make("/v1/donations", factories.donation(campaign, centre))


async def test_a_refund_is_a_reversal_that_names_the_gift(charity: CharityUnderTest, gift: str, campaign: str) -> None:
    answer = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(amount=money("250")))

    assert answer.status_code == 201, answer.text
    assert (await charity.get(f"/v1/donations/{gift}"))["refunded"] == money("250.00")
    [message] = await charity.outbox("charity.donation.refunded.v1")
    assert (message["subject"], message["aggregateversion"]) == (f"charity.donation/{gift}", 2)
    assert factories.of(message, "refund_id", "amount_minor", "on") == [answer.json()["id"], 25000, "2021-03-05"]
    [_, entry] = (await charity.get("/v1/ledger", campaign_id=campaign))["items"]
    assert (entry["kind"], entry["reverses_id"]) == ("refund", gift)
    assert {leg["account"]: leg["amount"]["amount"] for leg in entry["legs"]} == {"donors": "250.00", "cash": "-250.00"}
    assert [r["id"] for r in (await charity.get(f"/v1/donations/{gift}/refunds"))["items"]] == [answer.json()["id"]]


async def test_refunds_at_once_never_exceed_the_gift(charity: CharityUnderTest, gift: str, campaign: str) -> None:
    # Another gift, so that the fund itself would have enough.
    centre = (await charity.get(f"/v1/donations/{gift}"))["centre_id"]
    await charity.make("/v1/donations", factories.donation(campaign, centre, amount=money("9000")))

    answers = await asyncio.gather(
        *(charity.post(f"/v1/donations/{gift}/refunds", factories.refund(amount=money("300"))) for _ in range(20))
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 17
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"refund-exceeds-gift"}
    assert (await charity.get(f"/v1/donations/{gift}"))["refunded"] == money("900.00")
    versions = sorted(m["aggregateversion"] for m in await charity.outbox("charity.donation.refunded.v1"))
    assert versions == [2, 3, 4]


async def test_promised_money_cannot_go_back(charity: CharityUnderTest, gift: str, campaign: str, centre: str) -> None:
    await charity.make("/v1/disbursements", factories.disbursement(campaign, centre, amount=money("800")))

    refused = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(amount=money("201")))
    granted = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(amount=money("200")))

    assert (refused.status_code, refused.json()["code"]) == (409, "fund-insufficient")
    assert granted.status_code == 201


async def test_refunds_and_disbursements_at_once_never_overdraw_the_fund(
    charity: CharityUnderTest, campaign: str, centre: str
) -> None:
    gifts = [await charity.make("/v1/donations", factories.donation(campaign, centre)) for _ in range(4)]

    answers = await asyncio.gather(
        *(charity.post(f"/v1/donations/{g}/refunds", factories.refund(amount=money("700"))) for g in gifts),
        *(
            charity.post("/v1/disbursements", factories.disbursement(campaign, centre, amount=money("600")))
            for _ in range(8)
        ),
    )

    assert {answer.status_code for answer in answers} == {201, 409}
    fund = await charity.get(f"/v1/funds/{campaign}")
    assert 0 <= float(fund["balance"]["amount"]) < 600


async def test_the_same_refund_again_gives_back_once(charity: CharityUnderTest, gift: str) -> None:
    request = factories.refund(id=str(new_id()))

    first = await charity.post(f"/v1/donations/{gift}/refunds", request)
    again = await charity.post(f"/v1/donations/{gift}/refunds", request)
    in_a_batch = await charity.batch("/v1/donations/refunds", request | {"donation_id": gift})

    assert (first.status_code, again.status_code, in_a_batch[0]["status"]) == (201, 200, 200)
    assert (await charity.get(f"/v1/donations/{gift}"))["refunded"] == money("100.00")


async def test_what_cannot_be_refunded(charity: CharityUnderTest, gift: str, campaign: str, centre: str) -> None:
    flour = await charity.make("/v1/donations", factories.goods(campaign, centre))

    goods = await charity.post(f"/v1/donations/{flour}/refunds", factories.refund())
    early = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(occurred_on="2021-02-28"))
    nothing = await charity.post(f"/v1/donations/{new_id()}/refunds", factories.refund())

    assert (goods.status_code, goods.json()["code"]) == (422, "goods-are-not-refunded")
    assert (early.status_code, early.json()["code"]) == (422, "refund-before-gift")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "donation-not-found")


async def test_rows_of_a_batch_share_a_gift_and_a_fund(
    charity: CharityUnderTest, gift: str, campaign: str, centre: str
) -> None:
    rows = [factories.refund(amount=money("400"), donation_id=gift) for _ in range(4)]

    answers = await charity.batch("/v1/donations/refunds", *rows)

    assert [row["status"] for row in answers] == [201, 201, 409, 409]
    assert answers[3]["problem"]["code"] == "refund-exceeds-gift"
    assert answers[3]["problem"]["errors"][0]["pointer"] == "#/items/3/amount"
    assert (await charity.get(f"/v1/funds/{campaign}"))["balance"] == money("200.00")
