"""Campaigns: drafted, changed, opened, closed, reported."""

from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money
from tests.systems import ANY_VERSION


async def test_a_campaign_goes_from_draft_to_reported(charity: CharityUnderTest, centre: str) -> None:
    request = factories.campaign(centre_ids=[centre], purpose="Отын", story={"kk": "Қыс суық."}, ends_on="2021-12-31")
    answer = await charity.post("/v1/campaigns", request)
    campaign_id = answer.json()["id"]

    early = await charity.post(f"/v1/campaigns/{campaign_id}/closures")
    statuses = [
        (await charity.post(f"/v1/campaigns/{campaign_id}/{step}")).json()["status"]
        for step in ("openings", "closures", "reports")
    ]

    assert answer.status_code == 201, answer.text
    assert answer.json()["title"] == {"kk": "Жүректен жүрекке", "ru": "Жүректен жүрекке", "en": "Жүректен жүрекке"}
    assert (early.status_code, early.json()["code"]) == (409, "status-does-not-allow")
    assert statuses == ["open", "closed", "reported"]
    messages = await charity.outbox()
    assert [m["type"].split(".")[2] for m in messages] == ["drafted", "opened", "closed", "reported"]
    assert [m["aggregateversion"] for m in messages] == [1, 2, 3, 4]
    assert [m["data"]["was"] for m in messages] == [None, "draft", "open", "closed"]
    assert messages[0]["data"] == {
        "campaign_id": campaign_id,
        "was": None,
        "status": "draft",
        "title": answer.json()["title"],
        "goal_minor": 100_000_000,
        "starts_on": "2021-01-01",
        "ends_on": "2021-12-31",
        "centre_ids": [centre],
        "centre_id": None,
        "region": None,
    }


async def test_a_campaign_shows_what_came_in_and_went_out(
    charity: CharityUnderTest, campaign: str, centre: str
) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre))
    await charity.make("/v1/donations", factories.goods(campaign, centre, amount=money("70")))
    await charity.post(f"/v1/donations/{gift}/refunds", factories.refund(amount=money("100")))
    paid, held = [await charity.make("/v1/disbursements", factories.disbursement(campaign, centre)) for _ in range(2)]
    await charity.post(f"/v1/disbursements/{paid}/approvals")
    await charity.post(f"/v1/disbursements/{paid}/payments", {"occurred_on": "2021-03-11"})

    shown = await charity.get(f"/v1/campaigns/{campaign}")

    amounts = {name: shown[name]["amount"] for name in ("received", "refunded", "disbursed", "held", "balance")}
    assert amounts == {
        "received": "1000.00", "refunded": "100.00", "disbursed": "100.00", "held": "100.00", "balance": "700.00",
    }  # fmt: skip
    assert shown["goods_value"] == money("70.00")
    assert (await charity.get("/v1/campaigns", status="open"))["items"] == [shown]
    assert (await charity.get("/v1/campaigns", status="draft"))["items"] == []
    assert held


async def test_a_campaign_is_changed_until_it_reports(charity: CharityUnderTest, campaign: str) -> None:
    changed = await charity.client.put(
        f"/v1/campaigns/{campaign}", json=factories.campaign(title={"kk": "Сарқыт"}), headers=ANY_VERSION
    )
    for step in ("closures", "reports"):
        await charity.post(f"/v1/campaigns/{campaign}/{step}")
    late = await charity.client.put(f"/v1/campaigns/{campaign}", json=factories.campaign(), headers=ANY_VERSION)

    assert changed.json()["title"]["ru"] == "Сарқыт"
    assert (changed.json()["version"], changed.json()["status"]) == (3, "open")
    assert (late.status_code, late.json()["code"]) == (409, "campaign-has-reported")


async def test_what_a_campaign_needs(charity: CharityUnderTest) -> None:
    backwards = await charity.post("/v1/campaigns", factories.campaign(ends_on="2020-12-31"))
    nowhere = await charity.post("/v1/campaigns", factories.campaign(centre_ids=[str(new_id())]))
    missing = await charity.post(f"/v1/campaigns/{new_id()}/openings")

    assert (backwards.status_code, backwards.json()["code"]) == (422, "ends-before-it-begins")
    assert (nowhere.status_code, nowhere.json()["code"]) == (409, "centre-unknown")
    assert (missing.status_code, missing.json()["code"]) == (404, "campaign-not-found")


async def test_many_campaigns_are_drafted_opened_and_closed_at_once(charity: CharityUnderTest, centre: str) -> None:
    rows = [factories.campaign(id=str(new_id()), centre_ids=[centre]) for _ in range(4)]
    steps = [{"campaign_id": row["id"]} for row in rows]

    drafted = await charity.batch("/v1/campaigns", *rows)
    repeated = await charity.batch("/v1/campaigns", *rows)
    opened = await charity.batch("/v1/campaigns/openings", *steps, {"campaign_id": str(new_id())})
    closed = await charity.batch("/v1/campaigns/closures", *steps[:2])
    again = await charity.batch("/v1/campaigns/closures", *steps)

    assert [row["status"] for row in drafted] == [201] * 4
    assert [row["status"] for row in repeated] == [200] * 4
    assert [row["status"] for row in opened] == [200] * 4 + [404]
    assert [row["status"] for row in closed] == [200] * 2
    assert [row["status"] for row in again] == [409, 409, 200, 200]


async def test_a_campaign_is_changed_by_who_has_read_it_as_it_is(charity: CharityUnderTest, campaign: str) -> None:
    address, form = f"/v1/campaigns/{campaign}", factories.campaign(title={"kk": "Сарқыт"})
    tag = (await charity.client.get(address)).headers["etag"]

    first, late, careless = [
        await charity.client.put(address, json=form, headers=headers)
        for headers in ({"If-Match": tag}, {"If-Match": tag}, {})
    ]

    assert [answer.status_code for answer in (first, late, careless)] == [200, 412, 428]
    assert first.headers["etag"] == (await charity.client.get(address)).headers["etag"] != tag


async def test_a_campaign_s_totals_are_sent_though_its_version_is_the_same(
    charity: CharityUnderTest, campaign: str, centre: str
) -> None:
    address = f"/v1/campaigns/{campaign}"
    tag = (await charity.client.get(address)).headers["etag"]
    await charity.make("/v1/donations", factories.donation(campaign, centre))

    answer = await charity.client.get(address, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.headers["etag"]) == (200, tag)
    assert answer.json()["received"]["amount"] != "0.00"
