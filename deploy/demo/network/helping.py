"""Whom the year's deliveries helped: families, what was brought to them, what turned out never to have been."""

# ruff: noqa: PLR2004 - shares and sizes are this file's matter

from dataclasses import dataclass
from datetime import date, timedelta

from deploy.demo.network.days import LAST, OFFICE_WEEK, SEASON_OF_AID, calendar
from deploy.demo.network.dice import Dice, Ids, Weighted, odds
from deploy.demo.network.families import FamilyBook
from deploy.demo.network.giving import Campaign, money
from deploy.demo.network.papers import Papers
from deploy.demo.network.places import Centre, Payload, Places

FAMILIES_HELPED = 16_552
PEOPLE_HELPED = 87_115
NEVER_HELPED = 540
DRAFTS = 260
VOIDED_ALONE = 31
VOIDED_BESIDE = 30
_LARGEST = 12

_WELCOMING = {"volunteer_centre": 0.46, "friendship_house": 0.4, "mothers_council": 0.14}
_TIMES = odds({1: 70, 2: 20, 3: 6, 4: 2.6, 5: 1, 6: 0.4})
_KINDS = odds({"goods": 71, "money": 11, "service": 18})
_GOODS = odds({"Азық-түлік себеті": 46, "Школьный набор": 14, "Жылы киім": 16, "Көмір": 14, "Гигиенический набор": 10})
_SERVICES = ("Үй жұмысына көмек", "Сопровождение в больницу", "Заң кеңесі", "Ремонт печи", "Репетитор")
_VOID_REASONS = ("Екі рет енгізілген", "Адресат не найден", "Жеткізу болмай қалды", "Ошибка в ведомости")


@dataclass(slots=True)
class _Household:
    """How a family fared in 2021: how many of it were helped and how many never were, and when."""

    centre: Centre
    helped: int
    unhelped: int
    days: list[date]


class Helping:
    """All requests about families and deliveries."""

    def __init__(self, seed: int, places: Places, campaigns: list[Campaign], papers: Papers) -> None:
        self._seed = seed
        self._dice = Dice(seed, "helping")
        self._places = places
        self._campaigns = campaigns
        self._book = FamilyBook(seed, papers)
        self._days = calendar(SEASON_OF_AID, OFFICE_WEEK, date(2021, 1, 5), LAST)
        self._centres = places.table(_WELCOMING)
        self.families: list[Payload] = []
        self.verifications: list[Payload] = []
        self.deliveries: list[Payload] = []
        self.voids: list[Payload] = []
        self._drafts: list[tuple[date, Payload, bool]] = []
        self._help()
        self._turn_away()
        self._number()

    def _help(self) -> None:
        households = [self._household() for _ in range(FAMILIES_HELPED)]
        self._make_people_exact(households)
        partly = self._dice.some([household for household in households if household.unhelped], VOIDED_BESIDE // 3)
        beside = {id(household) for household in [*partly, *self._dice.some(households, VOIDED_BESIDE - len(partly))]}
        for household in households:
            family = self._registered(household.centre, household.helped + household.unhelped, household.days[0])
            helped = family["members"][: household.helped]
            for nth, day in enumerate(household.days):
                some = helped
                if nth and len(helped) > 2 and self._dice.chance(0.25):
                    # The whole family was helped at first; now it is for the children, or for one of them.
                    some = helped[self._dice.between(1, len(helped) - 1) :]
                self._deliver(household.centre, family, some, day)
            if id(household) in beside:
                # A void takes nobody back who was helped otherwise, and leaves out whom it alone had reached.
                day = max(household.days[0], self._dice.draw(self._days))
                self._deliver(household.centre, family, family["members"], day, void=True)

    def _household(self) -> _Household:
        dice = self._dice
        centre = dice.draw(self._centres)
        # Size is one and eleven coins, bent differently in each family so that there are small ones and large ones.
        bend = (centre.region.family_size - 1) / 11 * (0.45 + 1.1 * dice.share())
        helped = 1 + sum(dice.share() < bend for _ in range(11))
        unhelped = 0 if dice.chance(0.95) or helped < 2 or helped > 10 else dice.between(1, 2)
        days = sorted(dice.draw(self._days) for _ in range(dice.draw(_TIMES)))
        return _Household(self._places.standing_in(centre, days[0]), helped, unhelped, days)

    def _make_people_exact(self, households: list[_Household]) -> None:
        missing = PEOPLE_HELPED - sum(household.helped for household in households)
        step = 1 if missing > 0 else -1
        while missing:
            household = self._dice.pick(households)
            if 2 <= household.helped + step <= _LARGEST - 2:
                household.helped += step
                missing -= step

    def _turn_away(self) -> None:
        """Families that were never helped, whose only delivery was voided, or that nobody has verified yet."""
        dice = self._dice
        for nth in range(NEVER_HELPED + DRAFTS + VOIDED_ALONE):
            day = dice.draw(self._days)
            centre = self._places.standing_in(dice.draw(self._centres), day)
            size = 1 + sum(dice.share() < (centre.region.family_size - 1) / 11 for _ in range(11))
            family = self._registered(centre, size, day, verified=nth >= DRAFTS)
            if nth >= DRAFTS + NEVER_HELPED:
                self._deliver(centre, family, family["members"], day, void=True)

    def _registered(self, centre: Centre, size: int, needed_on: date, *, verified: bool = True) -> Payload:
        dice = self._dice
        longer = dice.chance(0.3)
        registered_on = needed_on - timedelta(days=dice.between(60, 500) if longer else dice.between(0, 25))
        registered_on = max(registered_on, centre.opened_on)
        family = self._book.write_down(centre, size, registered_on)
        self.families.append(family)
        if verified:
            verified_on = min(registered_on + timedelta(days=dice.below(8)), needed_on)
            self.verifications.append({"family_id": family["id"], "verified_on": verified_on.isoformat()})
        return family

    def _deliver(
        self, centre: Centre, family: Payload, members: list[Payload], day: date, *, void: bool = False
    ) -> None:
        dice = self._dice
        centre = self._bringing(centre, day)
        kind = dice.draw(_KINDS)
        delivery: Payload = {
            "family_id": family["id"],
            "centre_id": centre.id,
            "kind": kind,
            "occurred_on": day.isoformat(),
        }
        if len(members) < len(family["members"]):
            delivery["member_ids"] = [member["id"] for member in members]
        if kind == "goods":
            delivery |= {"description": dice.draw(_GOODS), "value": money(dice.between(16, 120) * 50_000)}
        elif kind == "money":
            delivery["value"] = money(dice.between(4, 30) * 500_000)
        else:
            delivery["description"] = dice.pick(_SERVICES)
        running = [c for c in self._campaigns if c.first <= day <= c.last and centre.id in c.centre_ids]
        if running and dice.chance(0.88):
            delivery["campaign_id"] = dice.draw(Weighted((c, c.plan.weight) for c in running)).id
        self._drafts.append((day, delivery, void))

    def _bringing(self, centre: Centre, day: date) -> Centre:
        """Mostly the family's own centre, at times another of its region, rarely one from elsewhere."""
        share = self._dice.share()
        if share < 0.04:
            centre = self._dice.draw(self._centres)
        elif share < 0.22:
            centre = self._dice.pick([c for c in self._places.of_region[centre.region] if c.kind in _WELCOMING])
        return self._places.standing_in(centre, day)

    def _number(self) -> None:
        """Put everything in the order of its days and give deliveries their ids."""
        ids = Ids(self._seed, "delivery")
        self.families.sort(key=lambda family: family["registered_on"])
        self.verifications.sort(key=lambda verification: verification["verified_on"])
        self._drafts.sort(key=lambda draft: draft[0])
        for day, delivery, void in self._drafts:
            delivery_id = ids.on(day)
            self.deliveries.append({"id": delivery_id, **delivery})
            if void:
                self.voids.append({"delivery_id": delivery_id, "reason": self._dice.pick(_VOID_REASONS)})
