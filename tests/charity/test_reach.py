"""Whose families and money one reaches; what holds for a fund holds over all centres."""

from typing import Any
from uuid import UUID

import pytest

from shared.access.permissions import Role
from shared.access.principal import ANYONE, Principal, person
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest


@pytest.fixture
async def elsewhere(charity: CharityUnderTest) -> str:
    """The id of another centre."""
    return await charity.know_centre()


def of(role: Role, centre: str) -> Principal:
    return person(f"person:{role}", role, centres=[UUID(centre)])


async def get(charity: CharityUnderTest, path: str, by: Principal) -> Any:
    return await charity.client.get(path, headers=charity.service.as_principal(by))


async def test_another_centres_family_is_not_there(charity: CharityUnderTest, centre: str, elsewhere: str) -> None:
    own, others = await charity.verified_family(centre), await charity.verified_family(elsewhere)
    staff = of(Role.COORDINATOR, centre)

    read = [(await get(charity, f"/v1/families/{f['id']}", staff)).status_code for f in (own, others)]
    listed = (await get(charity, "/v1/families", staff)).json()["items"]
    archived = await charity.post(f"/v1/families/{others['id']}/archivals", by=staff)
    joined = await charity.post(f"/v1/families/{others['id']}/members", factories.member(), by=staff)
    delivered = [
        (await charity.post("/v1/deliveries", factories.delivery(family["id"], where), by=staff)).status_code
        for family, where in ((own, centre), (others, centre), (own, elsewhere))
    ]

    assert read == [200, 404]
    assert [family["id"] for family in listed] == [own["id"]]
    assert (archived.status_code, joined.status_code) == (404, 404)
    # A family that one does not see is as unknown as one that never was.
    assert delivered == [201, 422, 404]


async def test_a_gift_is_recorded_at_ones_own_centre_only(
    charity: CharityUnderTest, campaign: str, centre: str, elsewhere: str
) -> None:
    staff = of(Role.COORDINATOR, centre)
    items = [factories.donation(campaign, where) for where in (centre, elsewhere, centre)]

    alone = [
        await charity.post("/v1/donations", factories.donation(campaign, c), by=staff) for c in (centre, elsewhere)
    ]
    together = await charity.post("/v1/donations/batches", {"items": items}, by=staff)

    assert [answer.status_code for answer in alone] == [201, 404]
    assert [item["status"] for item in together.json()["items"]] == [201, 404, 201]
    assert (
        await charity.scalar("SELECT count(*) FROM entry") == await charity.scalar("SELECT count(*) FROM donation") == 3
    )


async def test_a_fund_is_one_though_its_gifts_came_to_several_centres(
    charity: CharityUnderTest, campaign: str, centre: str, elsewhere: str
) -> None:
    for where in (centre, elsewhere):
        await charity.make("/v1/donations", factories.donation(campaign, where, amount=factories.money("100.00")))
    treasurer = of(Role.TREASURER, centre)

    fund = (await get(charity, f"/v1/funds/{campaign}", treasurer)).json()
    ledger = (await get(charity, "/v1/ledger", treasurer)).json()["items"]
    asked = [
        await charity.post(
            "/v1/disbursements", factories.disbursement(campaign, centre, amount=factories.money(much)), by=treasurer
        )
        for much in ("150.00", "51.00")
    ]

    assert fund["received"]["amount"] == "200.00"
    assert {leg["centre_id"] for entry in ledger for leg in entry["legs"]} == {centre}
    assert [answer.status_code for answer in asked] == [201, 409]
    assert asked[1].json()["code"] == "fund-insufficient"


async def test_a_refund_of_another_centres_gift_is_not_there(
    charity: CharityUnderTest, campaign: str, centre: str, elsewhere: str
) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, elsewhere))

    refused = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(), by=of(Role.TREASURER, centre))

    assert (refused.status_code, refused.json()["code"]) == (404, "donation-not-found")
    assert await charity.scalar("SELECT count(*) FROM refund") == 0


async def test_a_draft_is_seen_where_it_is_prepared(charity: CharityUnderTest, centre: str, elsewhere: str) -> None:
    draft = await charity.make("/v1/campaigns", factories.campaign(centre_ids=[centre]))

    seen = [
        (await get(charity, f"/v1/campaigns/{draft}", by)).status_code
        for by in (of(Role.COORDINATOR, centre), of(Role.COORDINATOR, elsewhere), ANYONE)
    ]

    assert seen == [200, 404, 404]


async def test_somebody_who_is_in_a_family_elsewhere_is_known(
    charity: CharityUnderTest, centre: str, elsewhere: str
) -> None:
    somebody = factories.iin()
    await charity.make("/v1/families", factories.family(elsewhere, members=[factories.member("head", iin=somebody)]))
    here = factories.family(centre, members=[factories.member("head", iin=somebody)])

    answer = await charity.post("/v1/families/batches", {"items": [here]}, by=of(Role.COORDINATOR, centre))

    assert answer.json()["items"][0]["problem"]["code"] == "member-known"
