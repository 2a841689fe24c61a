"""What comes in at the doors: bad input is a problem document and changes nothing; roles may do what they may."""

from datetime import date
from typing import Any

import pytest

from services.charity.consumers import consumer
from shared.access.permissions import Role
from shared.access.principal import person
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money

# Fixed: ids in the names of tests must be the same in every test process.
SOMEBODY = "01a20000-0000-7000-8000-000000000001"

BAD_GIFTS: dict[str, dict[str, Any]] = {
    "a number for text": {"method": 5},
    "text for an object": {"donor": "Айгүл"},
    "an unknown field": {"colour": "red"},
    "negative money": {"amount": money("-1")},
    "no money": {"amount": money("0.00")},
    "three decimals": {"amount": money("1.005")},
    "digits of another script": {"amount": money("١٠")},
    "a number with a sign": {"amount": money("+5")},
    "an exponent": {"amount": money("1e3")},
    "true for money": {"amount": {"amount": True}},
    "another currency": {"amount": {"amount": "5", "currency": "USD"}},
    "NUL in a name": {"donor": {"kind": "person", "name": "Ай\x00гүл"}},
    "a bidi override": {"donor": {"kind": "person", "name": "Ай\u202eгүл"}},
    "an empty name": {"donor": {"kind": "person", "name": "  "}},
    "a name too long": {"donor": {"kind": "person", "name": "А" * 201}},
    "anonymous with a name": {"donor": {"anonymous": True, "name": "Айгүл"}},
    "nobody": {"donor": {}},
    "a person with a BIN": {"donor": {"kind": "person", "name": "А", "bin": "940140000385"}},
    "a wrong BIN": {"donor": {"kind": "organisation", "name": "А", "bin": "940140000380"}},
    "goods by card": {"kind": "goods"},
    "money as goods": {"method": "goods"},
    "money with goods": {"goods": [{"kind": "flour", "quantity": 1, "unit": "kg"}]},
    "not a day": {"occurred_on": "2021-02-30"},
    "a day as a number": {"occurred_on": 1700000000},
    "an instant for a day": {"occurred_on": "2021-03-01T00:00:00Z"},
    "a day to come": {"occurred_on": "2190-01-01"},
    "not an id": {"campaign_id": "5"},
    "missing": {"centre_id": None},
}


@pytest.mark.parametrize("wrong", BAD_GIFTS.values(), ids=BAD_GIFTS.keys())
async def test_a_bad_gift_is_refused(
    charity: CharityUnderTest, campaign: str, centre: str, wrong: dict[str, Any]
) -> None:
    answer = await charity.post("/v1/donations", factories.donation(campaign, centre) | wrong)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "validation-failed"
    assert all(error["pointer"].startswith("#") for error in problem["errors"])
    assert "Айгүл" not in answer.text
    assert await charity.scalar("SELECT count(*) FROM donation") == 0


async def test_a_body_that_is_no_json_is_refused(charity: CharityUnderTest) -> None:
    headers = {**factories.keyed(), "Content-Type": "application/json"}

    broken = await charity.client.post("/v1/donations", content=b'{"campaign_id": ', headers=headers)
    other = await charity.client.post(
        "/v1/donations", content=b"a=b", headers={**headers, "Content-Type": "text/plain"}
    )
    large = await charity.client.post("/v1/donations/batches", content=b" " * 20_000_000, headers=headers)
    too_many = await charity.client.post("/v1/donations/batches", json={"items": [{}] * 501})

    assert [answer.status_code for answer in (broken, other, large, too_many)] == [400, 415, 413, 422]
    for answer in (broken, other, large, too_many):
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/campaigns", factories.campaign(title={"ru": "Без казахского"})),
        ("/v1/campaigns", factories.campaign(goal=money("0"))),
        ("/v1/campaigns", factories.campaign(centre_ids=["here"])),
        ("/v1/disbursements", factories.disbursement(SOMEBODY, SOMEBODY, purpose="")),
        (f"/v1/donations/{SOMEBODY}/refunds", factories.refund(reason="\x07")),
        ("/v1/families", factories.family(SOMEBODY, region="75")),
        ("/v1/families", factories.family(SOMEBODY, members=[factories.member("head", iin="821214240092")])),
        ("/v1/families", factories.family(SOMEBODY, members=[factories.member("head", born_on="2150-01-01")])),
        ("/v1/families", factories.family(SOMEBODY, members=[factories.member("friend")])),
        ("/v1/deliveries", factories.delivery(SOMEBODY, SOMEBODY, member_ids=[])),
        ("/v1/deliveries", factories.delivery(SOMEBODY, SOMEBODY, value=money("-5"))),
        (f"/v1/deliveries/{SOMEBODY}/voids", {}),
    ],
)
async def test_bad_requests_are_refused(charity: CharityUnderTest, path: str, body: dict[str, Any]) -> None:
    answer = await charity.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed"), answer.text
    assert await charity.outbox() == []


@pytest.mark.parametrize("noun", ["campaigns", "donations", "disbursements", "families", "deliveries", "funds"])
async def test_an_unknown_id_is_not_found(charity: CharityUnderTest, noun: str) -> None:
    missing = await charity.client.get(f"/v1/{noun}/{new_id()}")
    nonsense = await charity.client.get(f"/v1/{noun}/nonsense")

    assert (missing.status_code, nonsense.status_code) == (404, 422)


MAY: dict[str, set[Role]] = {
    "POST /v1/campaigns": {Role.ADMINISTRATOR},
    "POST /v1/donations": {Role.ADMINISTRATOR, Role.COORDINATOR, Role.TREASURER},
    "POST /v1/disbursements": {Role.ADMINISTRATOR, Role.TREASURER},
    "POST /v1/families": {Role.ADMINISTRATOR, Role.COORDINATOR},
    "POST /v1/deliveries": {Role.ADMINISTRATOR, Role.COORDINATOR},
    "GET /v1/campaigns": {*Role} - {Role.SYSTEM},
    "GET /v1/tallies": {*Role} - {Role.SYSTEM},
    "GET /v1/categories": {*Role} - {Role.SYSTEM},
    "GET /v1/donations": {Role.ADMINISTRATOR, Role.TREASURER, Role.AUDITOR},
    "GET /v1/ledger": {Role.ADMINISTRATOR, Role.TREASURER, Role.AUDITOR},
    "GET /v1/families": {Role.ADMINISTRATOR, Role.COORDINATOR},
    "GET /v1/deliveries": {Role.ADMINISTRATOR, Role.COORDINATOR},
}


@pytest.mark.parametrize("door", MAY)
async def test_each_role_comes_in_where_it_may(charity: CharityUnderTest, door: str) -> None:
    method, path = door.split()
    for role in set(Role) - {Role.SYSTEM}:
        principal = person(f"person:{role}", role)
        headers = {**factories.keyed(), **charity.service.as_principal(principal)}
        answer = await charity.client.request(method, path, headers=headers, json={} if method == "POST" else None)
        assert (answer.status_code != 403) == (role in MAY[door]), (role, answer.text)


async def test_without_a_token_nobody_comes_in(charity: CharityUnderTest) -> None:
    answer = await charity.client.get("/v1/campaigns", headers={"Authorization": "Bearer forged"})

    assert (answer.status_code, answer.json()["code"]) == (401, "token-refused")


async def test_a_centre_is_known_once_its_message_has_come_twice(charity: CharityUnderTest, campaign: str) -> None:
    centre = new_id()
    page = [
        factories.delivered(factories.centre_opened(centre, region="KZ-71")),
        factories.delivered(factories.centre_changed(centre, region="KZ-75"), version=2),
    ]

    applied = [await consumer.apply(charity.process.database, page) for _ in range(2)]
    gift = await charity.post("/v1/donations", factories.donation(campaign, str(centre)))

    assert applied == [2, 0]
    assert gift.json()["region"] == "KZ-75"
    assert await charity.scalar("SELECT count(*) FROM knowncentre") == 1


async def test_a_closed_centre_stays_closed_when_it_is_changed(charity: CharityUnderTest, campaign: str) -> None:
    centre = new_id()
    page = [
        factories.delivered(factories.centre_opened(centre)),
        factories.delivered(factories.centre_closed(centre, date(2021, 2, 1)), version=2),
        factories.delivered(factories.centre_changed(centre, region="KZ-71"), version=3),
    ]

    applied = [await consumer.apply(charity.process.database, page) for _ in range(2)]
    assert applied == [3, 0]

    gift = await charity.post("/v1/donations", factories.donation(campaign, str(centre)))
    assert (gift.status_code, gift.json()["code"]) == (409, "centre-is-closed")


async def test_the_doors_are_described(charity: CharityUnderTest) -> None:
    paths = (await charity.get("/openapi.json"))["paths"]

    for path in (
        "/v1/campaigns/openings/batches",
        "/v1/donations/refunds/batches",
        "/v1/disbursements/payments/batches",
        "/v1/families/verifications/batches",
        "/v1/deliveries/voids/batches",
        "/v1/tallies",
    ):
        assert path in paths
    refusals = paths["/v1/donations"]["post"]["responses"]
    assert {"201", "400", "409", "422"} <= refusals.keys()
