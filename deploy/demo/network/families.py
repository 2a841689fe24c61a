"""Families as they are written down: who heads them, who belongs to them, why they are in need."""

# ruff: noqa: PLR2004 - ages and sizes are this file's matter

from datetime import date, timedelta
from typing import Any

from deploy.demo.names import Kin, Names
from deploy.demo.network import vocabulary
from deploy.demo.network.dice import Dice, Ids, odds
from deploy.demo.network.papers import Papers
from deploy.demo.network.places import Centre, Payload

_REFERRALS = ("Аналар кеңесі", "Қоғамдық келісім кеңесі", "Акимат", "Мектеп", "Соседи", "Өзі жүгінген", "Поликлиника")
_STREETS = (
    "Бейбітшілік",
    "Достық",
    "Бірлік",
    "Тәуелсіздік",
    "Жеңіс",
    "Степная",
    "Садовая",
    "Жастар",
    "Арай",
    "Школьная",
)
_PARENTS_AGE = odds({24: 6, 28: 14, 32: 22, 36: 22, 40: 16, 45: 11, 50: 6, 56: 3})


class FamilyBook:
    """Writes families down, one after another."""

    def __init__(self, seed: int, papers: Papers) -> None:
        self._dice = Dice(seed, "families")
        self._names = Names(self._dice)
        self._papers = papers
        self._family_ids = Ids(seed, "family")
        self._member_ids = Ids(seed, "member")
        self._known: set[tuple[str, date]] = set()

    def write_down(self, centre: Centre, size: int, registered_on: date) -> Payload:
        """The request that registers a family of this size at this centre."""
        dice = self._dice
        kin = self._names.kin(centre.region.kazakh_share)
        return {
            "id": self._family_ids.on(registered_on),
            "centre_id": centre.id,
            "address": f"{centre.town.kk}, {dice.pick(_STREETS)} к-сі, {dice.between(1, 180)}",
            "categories": self._categories(size),
            "referred_by": dice.pick(_REFERRALS),
            "members": self._members(kin, size, registered_on),
            "registered_on": registered_on.isoformat(),
        }

    def _categories(self, size: int) -> list[str]:
        dice = self._dice
        first = "large_family" if size >= 6 else "pensioner" if size <= 2 and dice.chance(0.6) else None
        drawn = [dice.draw(vocabulary.CATEGORIES) for _ in range(1 if first is None or dice.chance(0.25) else 0)]
        held = dict.fromkeys(([first] if first else []) + drawn)
        if size < 4:
            held.pop("large_family", None)
        return list(held) or ["single_parent_family"]

    def _members(self, kin: Kin, size: int, day: date) -> list[Payload]:
        dice = self._dice
        if size <= 2 and dice.chance(0.55):
            return self._elders(kin, size, day)
        age = dice.draw(_PARENTS_AGE) + dice.below(4)
        single = size == 2 or dice.chance(0.2)
        head_male = not single and dice.chance(0.55)
        father = self._names.given(kin, male=True)
        members = [self._member(kin, "head", day, age, male=head_male, given=father if head_male else None)]
        if not single and size >= 2:
            spouse_age = max(20, age + dice.between(-4, 3))
            members.append(
                self._member(kin, "spouse", day, spouse_age, male=not head_male, given=None if head_male else father)
            )
        if size >= 5 and dice.chance(0.22):
            members.append(self._member(kin, "parent", day, age + dice.between(20, 30), male=dice.chance(0.25)))
        oldest = min(age - 19, 17)
        named = {father}
        for nth in range(size - len(members)):
            child_age = max(0, oldest - nth * 2 - dice.below(3)) if oldest > 0 else 0
            male = dice.chance(0.5)
            while (given := self._names.given(kin, male=male)) in named:
                pass
            named.add(given)
            members.append(self._member(kin, "child", day, child_age, male=male, given=given, father=father))
        return members

    def _elders(self, kin: Kin, size: int, day: date) -> list[Payload]:
        age = self._dice.between(61, 84)
        head_male = size == 2 and self._dice.chance(0.6)
        members = [self._member(kin, "head", day, age, male=head_male)]
        if size == 2:
            members.append(self._member(kin, "spouse", day, age - self._dice.below(6), male=not head_male))
        return members

    def _member(
        self,
        kin: Kin,
        relation: str,
        day: date,
        age: int,
        *,
        male: bool,
        given: str | None = None,
        father: str | None = None,
    ) -> dict[str, Any]:
        dice = self._dice
        full_name = self._names.full(kin, male=male, given=given, father=father)
        # No two people share both their name and their birth day.
        while (bearer := (full_name, day - timedelta(days=age * 365 + age // 4 + dice.below(360) + 1))) in self._known:
            pass
        self._known.add(bearer)
        born_on = bearer[1]
        member: dict[str, Any] = {
            "id": self._member_ids.on(day),
            "full_name": full_name,
            "born_on": born_on.isoformat(),
            "relation": relation,
        }
        # Children's numbers are rarely at hand when a family is written down.
        if dice.chance(0.92 if relation == "head" else 0.6 if relation == "spouse" else 0.05):
            member["iin"] = self._papers.iin(born_on, male=male)
        if relation == "child" and dice.chance(0.03):
            member["categories"] = ["child_with_disability"]
        return member
