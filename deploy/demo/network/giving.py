"""Campaigns, what was given to them in money and goods, what was returned, and what was paid out."""

# ruff: noqa: PLR2004 - sums of tenge and shares are this file's matter

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from deploy.demo.names import Names
from deploy.demo.network import gifts
from deploy.demo.network.days import FIRST, LAST, OFFICE_WEEK, SEASON_OF_GIVING, calendar
from deploy.demo.network.dice import Dice, Ids, Weighted
from deploy.demo.network.places import Centre, Payload, Places

NET_MINOR = 85_064_000_000
PERSONS = 4_800
GOODS = 430
REFUNDS = 40
# What the last gift of the year leaves room for: it makes the sum come out exactly.
_ROOM_MINOR = 700_000_000
_WORTH_SPENDING_MINOR = 30_000_000
_SPENDING_CENTRES = 10


def money(minor: int) -> dict[str, str]:
    return {"amount": f"{minor // 100}.{minor % 100:02d}", "currency": "KZT"}


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign while it ran in 2021, and who took part."""

    id: str
    plan: gifts.CampaignPlan
    first: date
    last: date
    centre_ids: frozenset[str]
    centres: Weighted[Centre]


class Giving:
    """All requests about campaigns and money."""

    def __init__(self, seed: int, places: Places) -> None:
        self._seed = seed
        self._dice = Dice(seed, "giving")
        self._names = Names(self._dice)
        self._places = places
        self.campaigns: list[Payload] = []
        self.openings: list[Payload] = []
        self.closures: list[Payload] = []
        self.donations: list[Payload] = []
        self.refunds: list[Payload] = []
        self.disbursements: list[Payload] = []
        self.disbursement_approvals: list[Payload] = []
        self.disbursement_payments: list[Payload] = []
        self.disbursement_voids: list[Payload] = []
        self.running: list[Campaign] = []
        self._open()
        self._give()
        self._pay_out()

    def _open(self) -> None:
        ids = Ids(self._seed, "campaign")
        for plan in gifts.CAMPAIGNS:
            centres = [
                centre
                for centre in self._places.of_kinds(*gifts.COLLECTING)
                if plan.regions is None or centre.region.code in plan.regions
            ]
            campaign_id = ids.on(plan.starts_on)
            self.campaigns.append(
                {
                    "id": campaign_id,
                    "title": plan.title.payload(),
                    "purpose": plan.purpose,
                    "goal": money(plan.goal_tenge * 100),
                    "starts_on": plan.starts_on.isoformat(),
                    **({"ends_on": plan.ends_on.isoformat()} if plan.ends_on else {}),
                    "centre_ids": [centre.id for centre in centres],
                }
            )
            if plan.weight == 0:
                continue
            self.openings.append({"campaign_id": campaign_id, "decided_on": plan.starts_on.isoformat()})
            if plan.ends_on is not None:
                closed_on = plan.ends_on + timedelta(days=self._dice.between(3, 40))
                self.closures.append({"campaign_id": campaign_id, "decided_on": closed_on.isoformat()})
            collecting = self._places.table(gifts.COLLECTING, only={centre.id for centre in centres})
            self.running.append(
                Campaign(
                    campaign_id, plan, max(plan.starts_on, FIRST), min(plan.ends_on or LAST, LAST),
                    frozenset(centre.id for centre in centres), collecting,
                )
            )  # fmt: skip

    def _give(self) -> None:
        """Small gifts, then large ones until the year's sum is near, refunds, and the gift that completes it."""
        dice = self._dice
        campaigns = Weighted((campaign, campaign.plan.weight) for campaign in self.running)
        days = {
            campaign.id: calendar(SEASON_OF_GIVING, OFFICE_WEEK, campaign.first, campaign.last)
            for campaign in self.running
        }
        given: list[tuple[date, Payload]] = []
        received = 0

        def give(*, organisation: bool, minor: int, goods: Payload | None = None) -> Payload:
            campaign = dice.draw(campaigns)
            day = dice.draw(days[campaign.id])
            centre = self._places.standing_in(dice.draw(campaign.centres), day)
            gift: Payload = {"campaign_id": campaign.id, "centre_id": centre.id, "occurred_on": day.isoformat()}
            gift["donor"] = self._donor(centre, organisation=organisation)
            if goods is None:
                method = dice.draw(gifts.METHODS_OF_ORGANISATIONS if organisation else gifts.METHODS_OF_PERSONS)
                gift |= {"kind": "money", "amount": money(minor), "method": method}
            else:
                gift |= {"kind": "goods", "amount": money(minor), "method": "goods", "goods": [goods]}
            given.append((day, gift))
            return gift

        for _ in range(PERSONS):
            minor = dice.draw(gifts.SMALL_AMOUNTS) * 100
            if dice.chance(0.04):
                minor += dice.below(100_000)
            give(organisation=False, minor=minor)
            received += minor
        while received < NET_MINOR - _ROOM_MINOR:
            minor = dice.draw(gifts.LARGE_AMOUNTS) * 100
            give(organisation=True, minor=minor)
            received += minor
        returned = self._choose_refunds([gift for _, gift in given])
        last_minor = NET_MINOR + sum(minor for _, minor in returned) - received
        give(organisation=True, minor=last_minor)
        for _ in range(GOODS):
            goods, tenge = gifts.parcel(dice)
            give(organisation=dice.chance(0.6), minor=tenge * 100, goods=goods)

        ids, refund_ids = Ids(self._seed, "donation"), Ids(self._seed, "refund")
        given.sort(key=lambda entry: entry[0])
        self.donations = [{"id": ids.on(day), **gift} for day, gift in given]
        by_gift = {id(gift): donation for (_, gift), donation in zip(given, self.donations, strict=True)}
        for gift, minor in returned:
            donation = by_gift[id(gift)]
            day = min(date.fromisoformat(donation["occurred_on"]) + timedelta(days=dice.between(1, 25)), LAST)
            self.refunds.append(
                {
                    "id": refund_ids.on(day),
                    "donation_id": donation["id"],
                    "amount": money(minor),
                    "reason": dice.pick(gifts.REFUND_REASONS),
                    "occurred_on": day.isoformat(),
                }
            )
        self.refunds.sort(key=lambda refund: refund["occurred_on"])

    def _choose_refunds(self, given: list[Payload]) -> list[tuple[Payload, int]]:
        """Some gifts go back, whole or in part; of large ones only a part."""
        returned: list[tuple[Payload, int]] = []
        for gift in self._dice.some(given, REFUNDS):
            minor = minor_of(gift["amount"])
            whole = minor <= 10_000_000 and self._dice.chance(0.6)
            returned.append(
                (gift, minor if whole else max(100, minor // 100 * self._dice.between(10, 50) // 100 * 100))
            )
        return returned

    def _donor(self, centre: Centre, *, organisation: bool) -> Payload:
        dice = self._dice
        if dice.chance(0.04 if organisation else 0.42):
            return {"anonymous": True}
        if organisation:
            return {"kind": "organisation", "name": gifts.organisation_name(dice)}
        kin = self._names.kin(centre.region.kazakh_share)
        return {"kind": "person", "name": self._names.full(kin, male=dice.chance(0.5))}

    def _pay_out(self) -> None:
        """Each month the centres with most at hand for a campaign spend a part of it."""
        dice = self._dice
        ids = Ids(self._seed, "disbursement")
        fund = _Funds(self.donations, self.refunds)
        for month in range(1, 13):
            last = (date(2021, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            for campaign in self.running:
                counted_on = last - timedelta(days=8)
                for centre_id, at_hand in fund.richest(campaign.id, counted_on)[:_SPENDING_CENTRES]:
                    minor = int(at_hand * (0.55 + 0.3 * dice.share())) // 100_000 * 100_000
                    requested_on = counted_on + timedelta(days=dice.between(1, 7))
                    disbursement_id = ids.on(requested_on)
                    fund.commit(campaign.id, centre_id, minor)
                    self.disbursements.append(
                        {
                            "id": disbursement_id,
                            "campaign_id": campaign.id,
                            "centre_id": centre_id,
                            "amount": money(minor),
                            "purpose": dice.pick(campaign.plan.spent_on),
                            "occurred_on": requested_on.isoformat(),
                        }
                    )
                    self._decide(disbursement_id, requested_on)

    def _decide(self, disbursement_id: str, requested_on: date) -> None:
        fate = self._dice.draw(gifts.DISBURSEMENT_FATES)
        decided_on = min(requested_on + timedelta(days=self._dice.below(3)), LAST)
        decision: Payload = {"disbursement_id": disbursement_id, "decided_on": decided_on.isoformat()}
        if fate in ("paid", "approved"):
            self.disbursement_approvals.append(decision)
        if fate == "paid":
            paid_on = min(decided_on + timedelta(days=self._dice.between(0, 5)), LAST)
            self.disbursement_payments.append({"disbursement_id": disbursement_id, "occurred_on": paid_on.isoformat()})
        if fate == "voided":
            self.disbursement_voids.append(decision | {"reason": self._dice.pick(gifts.VOID_REASONS)})


def minor_of(amount: dict[str, str]) -> int:
    tenge, tiyn = amount["amount"].split(".")
    return int(tenge) * 100 + int(tiyn)


class _Funds:
    """What each centre has of each campaign, counting refunds that are still to come as gone already."""

    def __init__(self, donations: list[Payload], refunds: list[Payload]) -> None:
        self._received: dict[str, dict[str, list[tuple[str, int]]]] = defaultdict(lambda: defaultdict(list))
        self._gone: dict[tuple[str, str], int] = defaultdict(int)
        place_of: dict[str, tuple[str, str]] = {}
        for donation in donations:
            campaign_id, centre_id = place_of[donation["id"]] = donation["campaign_id"], donation["centre_id"]
            if donation["kind"] == "money":
                entry = (donation["occurred_on"], minor_of(donation["amount"]))
                self._received[campaign_id][centre_id].append(entry)
        for refund in refunds:
            self._gone[place_of[refund["donation_id"]]] += minor_of(refund["amount"])

    def richest(self, campaign_id: str, day: date) -> list[tuple[str, int]]:
        """The centres that have something worth spending, and how much, the one with most first."""
        until = day.isoformat()
        at_hand = {
            centre_id: sum(minor for on, minor in entries if on <= until) - self._gone[campaign_id, centre_id]
            for centre_id, entries in self._received[campaign_id].items()
        }
        ranked = sorted(at_hand.items(), key=lambda entry: (-entry[1], entry[0]))
        return [(centre_id, minor) for centre_id, minor in ranked if minor >= _WORTH_SPENDING_MINOR]

    def commit(self, campaign_id: str, centre_id: str, minor: int) -> None:
        self._gone[campaign_id, centre_id] += minor
