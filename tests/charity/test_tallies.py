"""Tallies: any period, region, centre and campaign; families and people counted once."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.access.permissions import Role
from shared.access.principal import ANYONE, person
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest
from tests.charity.factories import money

FIRST = date(2021, 4, 1)


async def tally(charity: CharityUnderTest, **scope: Any) -> dict[str, Any]:
    return (await charity.get("/v1/tallies", **scope))["figures"]


async def test_money_counts_on_its_own_day_and_in_its_own_scope(charity: CharityUnderTest) -> None:
    almaty, astana = await charity.know_centre(), await charity.know_centre(region="KZ-71")
    one, other = await charity.open_campaign(), await charity.open_campaign()
    gift = await charity.make("/v1/donations", factories.donation(one, almaty, occurred_on="2021-03-01"))
    await charity.make("/v1/donations", factories.donation(one, astana, occurred_on="2021-03-02", amount=money("50")))
    await charity.make("/v1/donations", factories.goods(other, astana, occurred_on="2021-03-02", amount=money("7")))
    refund = factories.refund(amount=money("100"), occurred_on="2021-04-10")
    await charity.post(f"/v1/donations/{gift}/refunds", refund)
    spent = await charity.make("/v1/disbursements", factories.disbursement(one, almaty, amount=money("200")))
    await charity.post(f"/v1/disbursements/{spent}/approvals")
    await charity.post(f"/v1/disbursements/{spent}/payments", {"occurred_on": "2021-05-01"})

    def amounts(figures: dict[str, Any]) -> list[str]:
        names = ("received", "refunded", "net", "disbursed", "on_hand")
        return [figures[f"money_{name}"]["amount"] for name in names]

    ever = await tally(charity)
    assert amounts(ever) == ["1050.00", "100.00", "950.00", "200.00", "750.00"]
    assert (ever["goods_value"], ever["donations"]) == (money("7.00"), 3)
    march = {"from": "2021-03-01", "to": "2021-03-31"}
    assert amounts(await tally(charity, **march)) == ["1050.00", "0.00", "1050.00", "0.00", "1050.00"]
    april = {"from": "2021-04-01", "to": "2021-04-30"}
    assert amounts(await tally(charity, **april)) == ["0.00", "100.00", "-100.00", "0.00", "950.00"]
    assert amounts(await tally(charity, region="KZ-71")) == ["50.00", "0.00", "50.00", "0.00", "50.00"]
    assert amounts(await tally(charity, centre_id=almaty)) == ["1000.00", "100.00", "900.00", "200.00", "700.00"]
    assert amounts(await tally(charity, campaign_id=other)) == ["0.00"] * 5
    assert amounts(await tally(charity, campaign_id=one, region="KZ-75", **march)) == [
        "1000.00", "0.00", "1000.00", "0.00", "1000.00",
    ]  # fmt: skip


async def test_a_tally_says_what_it_is_about(charity: CharityUnderTest, centre: str) -> None:
    answer = await charity.get("/v1/tallies", **{"from": "2021-01-01", "centre_id": centre})

    assert answer["scope"] == {"region": None, "centre_id": centre, "campaign_id": None}
    assert answer["period"] == {"from": "2021-01-01", "to": None}
    assert answer["as_of"].endswith("Z")
    assert set(answer["definitions"]) == set(answer["figures"])
    assert all(set(text) == {"kk", "ru", "en"} and all(text.values()) for text in answer["definitions"].values())


async def test_a_family_helped_in_two_regions_is_one(charity: CharityUnderTest) -> None:
    almaty, astana = await charity.know_centre(), await charity.know_centre(region="KZ-71")
    family = await charity.verified_family(almaty, size=4)
    for centre_id in (almaty, astana, astana):
        await charity.make("/v1/deliveries", factories.delivery(family["id"], centre_id))

    def helped(figures: dict[str, Any]) -> tuple[int, int, int]:
        return figures["deliveries"], figures["families_helped"], figures["people_helped"]

    assert helped(await tally(charity)) == (3, 1, 4)
    assert helped(await tally(charity, region="KZ-75")) == (1, 1, 4)
    assert helped(await tally(charity, region="KZ-71")) == (2, 1, 4)


async def test_the_public_does_not_see_very_few_people_in_a_part_of_the_country(
    charity: CharityUnderTest, centre: str
) -> None:
    family = await charity.verified_family(centre, size=4)
    await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))
    public = charity.service.as_principal(ANYONE)

    in_the_region = (await charity.client.get("/v1/tallies?region=KZ-75", headers=public)).json()
    in_the_country = (await charity.client.get("/v1/tallies", headers=public)).json()

    assert in_the_region["hidden"] == ["families_helped", "people_helped"]
    assert in_the_region["figures"]["people_helped"] is None
    assert (in_the_country["hidden"], in_the_country["figures"]["people_helped"]) == ([], 4)
    assert (await charity.get("/v1/tallies", region="KZ-75"))["figures"]["people_helped"] == 4


async def test_who_looks_after_families_sees_those_of_their_own_centre_only(
    charity: CharityUnderTest, centre: str
) -> None:
    family = await charity.verified_family(centre, size=4)
    await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))

    async def people_seen_by(centre_id: str) -> int | None:
        coordinator = person("person:coordinator", Role.COORDINATOR, centres={UUID(centre_id)})
        headers = charity.service.as_principal(coordinator)
        answer = await charity.client.get(f"/v1/tallies?centre_id={centre}", headers=headers)
        return answer.json()["figures"]["people_helped"]

    assert await people_seen_by(centre) == 4
    assert await people_seen_by(await charity.know_centre()) is None


@dataclass
class Helping:
    """What a list of deliveries and voids should add up to, kept as plainly as possible."""

    made: list[tuple[str, str, date, frozenset[str]]] = field(default_factory=list)
    voided: set[int] = field(default_factory=set)

    def of(self, *centres: str, days: tuple[date, date] | None = None) -> tuple[set[str], set[str], int]:
        """Families, people and deliveries."""
        chosen = [
            (family, people)
            for number, (family, centre, on, people) in enumerate(self.made)
            if number not in self.voided and centre in centres and (days is None or days[0] <= on <= days[1])
        ]
        return {f for f, _ in chosen}, set().union(*(p for _, p in chosen)), len(chosen)


@pytest.fixture
async def families(charity: CharityUnderTest, centre: str) -> list[dict[str, Any]]:
    return [await charity.verified_family(centre, size=size) for size in (1, 2, 3, 4)]


delivering = st.tuples(
    st.integers(0, 3), st.sampled_from("AB"), st.integers(0, 3), st.frozensets(st.integers(0, 3), min_size=1)
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=st.lists(delivering, min_size=1, max_size=12), voids=st.frozensets(st.integers(0, 11)))
async def test_distinct_of_either_is_distinct_of_each_less_of_both(
    charity: CharityUnderTest,
    families: list[dict[str, Any]],
    deliveries: list[tuple[int, str, int, frozenset[int]]],
    voids: frozenset[int],
) -> None:
    """And after any voids each tally is what the remaining deliveries alone would give."""
    campaign = await charity.open_campaign()
    centres = {name: await charity.know_centre() for name in "AB"}
    model, rows = Helping(), list[dict[str, Any]]()
    for which, centre_name, day, chosen in deliveries:
        family, on = families[which], FIRST + timedelta(days=day)
        people = sorted({family["members"][i % len(family["members"])]["id"] for i in chosen})
        model.made.append((family["id"], centres[centre_name], on, frozenset(people)))
        rows.append(
            factories.delivery(
                family["id"], centres[centre_name], campaign_id=campaign, member_ids=people, occurred_on=on.isoformat()
            )
        )
    ids = [row["id"] for row in await charity.batch("/v1/deliveries", *rows)]
    model.voided = {number for number in voids if number < len(ids)}
    if model.voided:
        await charity.batch("/v1/deliveries/voids", *({"delivery_id": ids[n], "reason": "x"} for n in model.voided))

    async def helped(**scope: Any) -> tuple[int, int, int]:
        figures = await tally(charity, campaign_id=campaign, **scope)
        return figures["families_helped"], figures["people_helped"], figures["deliveries"]

    def counted(of: tuple[set[str], set[str], int]) -> tuple[int, int, int]:
        return len(of[0]), len(of[1]), of[2]

    a, b = model.of(centres["A"]), model.of(centres["B"])
    either = await helped()
    of_a, of_b = await helped(centre_id=centres["A"]), await helped(centre_id=centres["B"])
    assert (of_a, of_b) == (counted(a), counted(b))
    assert either[0] == of_a[0] + of_b[0] - len(a[0] & b[0])
    assert either[1] == of_a[1] + of_b[1] - len(a[1] & b[1])
    assert either[2] == of_a[2] + of_b[2]
    middle = (FIRST + timedelta(days=1), FIRST + timedelta(days=2))
    period = {"from": middle[0].isoformat(), "to": middle[1].isoformat()}
    assert await helped(**period) == counted(model.of(*centres.values(), days=middle))


async def test_void_and_deliver_again_changes_no_figure(charity: CharityUnderTest, centre: str, campaign: str) -> None:
    family = await charity.verified_family(centre)
    request = factories.delivery(family["id"], centre, campaign_id=campaign)
    first = await charity.make("/v1/deliveries", request)
    before = await tally(charity)

    await charity.post(f"/v1/deliveries/{first}/voids", {"reason": "x"})
    between = await tally(charity)
    await charity.make("/v1/deliveries", request)

    assert (between["deliveries"], between["people_helped"]) == (0, 0)
    assert await tally(charity) == before
