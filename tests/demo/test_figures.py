"""The network's requests add up to the acceptance table of the report on 2021, counted here anew."""

from collections import Counter
from typing import Any

import pytest

from deploy.demo.network import Network
from deploy.demo.recount import COUNTRY, FLOWS, MONTHS, Recount


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows}


def tiyn(amount: dict[str, str]) -> int:
    assert amount["currency"] == "KZT"
    return int(amount["amount"].replace(".", ""))


@pytest.mark.parametrize(
    ("figure", "number"),
    [
        ("volunteer_centres", 30),
        ("friendship_houses", 40),
        ("coordinators", 150),
        ("volunteers_registered", 2_013),
        ("volunteers_declared", 10_000),
        ("events_held", 3_412),
        ("money_net_minor", 85_064_000_000),
        ("families_helped", 16_552),
        ("people_helped", 87_115),
    ],
)
def test_the_year_shows_the_figures_of_the_report(recount: Recount, figure: str, number: int) -> None:
    assert recount.figures(COUNTRY)[figure] == number


def test_the_registered_are_those_whose_last_decision_says_so(network: Network) -> None:
    people = network.people
    decisions: list[tuple[str, str, str]] = [
        (row["volunteer_id"], row["decided_on"], status)
        for status, rows in [
            ("approved", people.approvals),
            ("rejected", people.rejections),
            ("active", people.activations),
            ("paused", people.pauses),
            ("active", people.resumptions),
            ("left", people.departures),
        ]
        for row in rows
    ]

    status = {volunteer["id"]: "applied" for volunteer in people.volunteers}
    status |= {volunteer: became for volunteer, _, became in sorted(decisions, key=lambda decision: decision[1])}

    counted = Counter(status.values())
    assert counted["approved"] + counted["active"] == 2_013
    assert min(counted[other] for other in ("applied", "rejected", "paused", "left")) > 40
    assert sum(counted.values()) == 2_400


def test_declared_estimates_replace_each_other(network: Network) -> None:
    latest = {declaration["centre_id"]: declaration["number"] for declaration in network.people.declarations}

    assert sum(latest.values()) == 10_000
    assert len(network.people.declarations) > len(latest) + 5


def test_the_events_held_are_among_others_that_were_not(network: Network) -> None:
    events = by_id(network.happenings.events)
    held = {holding["event_id"] for holding in network.happenings.holdings}
    cancelled = {cancellation["event_id"] for cancellation in network.happenings.cancellations}
    drafts = {event_id for event_id, event in events.items() if event["status"] == "draft"}

    assert len(held) == 3_412
    assert {events[event_id]["starts_at"][:4] for event_id in held} == {"2021"}
    assert not held & cancelled
    assert not drafts & (held | cancelled)
    assert 140 <= len(drafts) <= 160
    assert 110 <= len(cancelled) <= 130
    assert {event["starts_at"][:4] for event in events.values()} == {"2021", "2027"}


def test_money_received_less_refunds_is_exact(network: Network) -> None:
    giving = network.giving
    received = sum(tiyn(gift["amount"]) for gift in giving.donations if gift["kind"] == "money")
    refunded = sum(tiyn(refund["amount"]) for refund in giving.refunds)

    assert received - refunded == 85_064_000_000
    assert len(giving.refunds) == 40
    assert all(gift["occurred_on"].startswith("2021-") for gift in [*giving.donations, *giving.refunds])


def test_refunds_follow_their_gift_and_never_exceed_it(network: Network) -> None:
    donations = by_id(network.giving.donations)
    returned: Counter[str] = Counter()
    for refund in network.giving.refunds:
        donation = donations[refund["donation_id"]]
        returned[refund["donation_id"]] += tiyn(refund["amount"])
        assert donation["kind"] == "money"
        assert refund["occurred_on"] >= donation["occurred_on"]

    shares = [minor / tiyn(donations[donation_id]["amount"]) for donation_id, minor in returned.items()]
    assert max(shares) == 1
    assert min(shares) < 1


def test_no_fund_ever_falls_below_zero_neither_as_a_whole_nor_at_a_centre(network: Network) -> None:
    giving = network.giving
    place_of = {gift["id"]: (gift["campaign_id"], gift["centre_id"]) for gift in giving.donations}
    moves: list[tuple[str, int, tuple[str, str], int]] = [
        (gift["occurred_on"], 0, place_of[gift["id"]], tiyn(gift["amount"]))
        for gift in giving.donations
        if gift["kind"] == "money"
    ]
    moves += [(r["occurred_on"], 1, place_of[r["donation_id"]], -tiyn(r["amount"])) for r in giving.refunds]
    # Requested money is held at once, whatever becomes of the request.
    moves += [
        (d["occurred_on"], 2, (d["campaign_id"], d["centre_id"]), -tiyn(d["amount"])) for d in giving.disbursements
    ]

    fund: Counter[tuple[str, str]] = Counter()
    for _, _, place, minor in sorted(moves):
        fund[place] += minor
        assert fund[place] >= 0


def test_disbursements_are_decided_in_all_ways(network: Network) -> None:
    giving = network.giving
    approved = {row["disbursement_id"] for row in giving.disbursement_approvals}
    paid = {row["disbursement_id"] for row in giving.disbursement_payments}
    voided = {row["disbursement_id"] for row in giving.disbursement_voids}

    assert paid < approved
    assert not voided & approved
    assert len(giving.disbursements) > len(approved) + len(voided)
    assert voided


def test_families_and_people_are_distinct_and_voids_take_back_only_what_they_gave(network: Network) -> None:
    helping = network.helping
    members = {family["id"]: [member["id"] for member in family["members"]] for family in helping.families}
    voided = {void["delivery_id"] for void in helping.voids}
    families: set[str] = set()
    people: set[str] = set()
    for delivery in helping.deliveries:
        if delivery["id"] not in voided:
            families.add(delivery["family_id"])
            people.update(delivery.get("member_ids", members[delivery["family_id"]]))
    of_voided = {delivery["family_id"] for delivery in helping.deliveries if delivery["id"] in voided}

    assert len(families) == 16_552
    assert len(people) == 87_115
    assert len(helping.deliveries) - len(voided) > 23_000
    assert len(voided) == len(helping.voids) == 61
    assert of_voided & families
    assert of_voided - families
    assert len({member for family in members.values() for member in family}) == sum(map(len, members.values()))


def test_families_are_helped_again_elsewhere_and_for_other_campaigns(network: Network, recount: Recount) -> None:
    deliveries = network.helping.deliveries
    region_of = {centre.id: centre.region.code for centre in network.places.centres}
    regions: dict[str, set[str]] = {}
    campaigns: dict[str, set[str]] = {}
    for delivery in deliveries:
        regions.setdefault(delivery["family_id"], set()).add(region_of[delivery["centre_id"]])
        campaigns.setdefault(delivery["family_id"], set()).add(delivery.get("campaign_id", ""))

    assert sum(len(some) > 1 for some in regions.values()) > 100
    assert sum(len(some) > 1 for some in campaigns.values()) > 2_000
    of_regions = [recount.figures(code)["families_helped"] for code in set(region_of.values())]
    assert sum(of_regions) > 16_552


def test_flows_add_up_over_months_regions_and_centres(recount: Recount) -> None:
    country = recount.figures(COUNTRY)
    months = [recount.figures(COUNTRY, month) for month in MONTHS]
    regions = [recount.figures(scope) for scope in recount.scopes() if scope.startswith("KZ-")]
    centres = [recount.figures(scope) for scope in recount.scopes() if scope.startswith("centre:")]

    for figure in FLOWS:
        for parts in (months, regions, centres):
            assert sum(part[figure] for part in parts) == country[figure], figure
    assert len(regions) == 17


def test_every_region_and_month_has_its_share(recount: Recount) -> None:
    for scope in recount.scopes():
        figures = recount.figures(scope)
        if scope.startswith("KZ-"):
            assert 60 <= figures["events_held"] <= 500
            assert 400 <= figures["families_helped"] <= 2_500
            assert figures["volunteers_registered"] >= 30
    school, lull = recount.figures(COUNTRY, MONTHS[7]), recount.figures(COUNTRY, MONTHS[1])
    assert school["deliveries"] > 1.5 * lull["deliveries"]
    assert recount.figures(COUNTRY, MONTHS[2])["events_held"] > recount.figures(COUNTRY, MONTHS[6])["events_held"]
