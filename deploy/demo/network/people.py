"""Volunteers and how they came, stayed or left; who leads and coordinates; what centres estimate beside them."""

# ruff: noqa: PLR2004 - ages are this file's matter

from dataclasses import dataclass
from datetime import date, timedelta

from deploy.demo.names import Kin, Names
from deploy.demo.network import vocabulary
from deploy.demo.network.days import FIRST, LAST, OFFICE_WEEK, SEASON_OF_JOINING, calendar
from deploy.demo.network.dice import Dice, Ids, odds
from deploy.demo.network.papers import Papers
from deploy.demo.network.places import Centre, Payload, Places

REGISTERED = 2013
ASSIGNMENTS = 150
DECLARED = 10_000

# What became of the applicants by the end of 2021. The first four are registered.
_OUTCOMES = {
    "active": 1394,
    "active_again": 61,
    "approved": 558,
    "paused": 47,
    "left": 104,
    "rejected": 121,
    "applied": 115,
}
_AGES = odds({15: 2.5, 17: 8, 21: 26, 25: 18, 30: 14, 36: 10, 44: 9, 52: 7, 60: 4, 67: 1.5})
_REJECTIONS = (
    "Құжаттары толық емес",
    "Жасы бойынша ата-анасының келісімі жоқ",
    "Анкета заполнена дважды под разными именами",
    "Не вышел на связь в течение месяца",
    "Басқа қалаға көшкен",
)
_PAUSES = ("Оқу демалысы", "Декреттік демалыс", "Учёба за границей", "По семейным обстоятельствам", "Емделуде")
_DEPARTURES = ("Көшіп кетті", "По собственному желанию", "Оқуын бітірді", "Смена работы", "Уақыты жетпейді")
_SOURCES = (
    "Штаб тізімдері бойынша бағалау",
    "Оценка по спискам акций",
    "Студенттік клубтардың хабарлауы бойынша",
    "По журналам посещений центра",
)


@dataclass(frozen=True, slots=True)
class Volunteer:
    """Somebody who serves, as far as sign-ups need to know."""

    id: str
    centre: Centre
    born_on: date
    ready_on: date
    keenness: float


class People:
    """All requests about volunteers, assignments and declarations."""

    def __init__(self, seed: int, places: Places, papers: Papers) -> None:
        self._dice = Dice(seed, "people")
        self._names = Names(self._dice)
        self._papers = papers
        self._places = places
        self._seed = seed
        self._known: set[tuple[str, date]] = set()
        self.volunteers: list[Payload] = []
        self.approvals: list[Payload] = []
        self.rejections: list[Payload] = []
        self.activations: list[Payload] = []
        self.pauses: list[Payload] = []
        self.resumptions: list[Payload] = []
        self.departures: list[Payload] = []
        self.assignments: list[Payload] = []
        self.endings: list[Payload] = []
        self.declarations: list[Payload] = []
        self.serving: list[Volunteer] = []
        self._enrol()
        self._assign()
        self._declare()

    def _enrol(self) -> None:
        ids = Ids(self._seed, "volunteer")
        centres = self._places.table({"volunteer_centre": 0.8, "youth_organisation": 0.12, "friendship_house": 0.08})
        before = calendar(SEASON_OF_JOINING, OFFICE_WEEK, date(2020, 1, 6), FIRST - timedelta(days=1))
        within = calendar(SEASON_OF_JOINING, OFFICE_WEEK)
        outcomes = self._dice.shuffled(outcome for outcome, number in _OUTCOMES.items() for _ in range(number))
        drafts: list[tuple[date, str, list[int], Centre]] = []
        for outcome in outcomes:
            centre = self._dice.draw(centres)
            steps = self._steps(outcome)
            applied_on = LAST
            while applied_on + timedelta(days=sum(steps)) >= LAST:
                early = self._dice.chance(0.0 if outcome == "applied" else 0.36)
                applied_on = self._dice.draw(before if early else within)
            drafts.append((applied_on, outcome, steps, self._places.standing_in(centre, applied_on)))
        drafts.sort(key=lambda draft: draft[0])
        for applied_on, outcome, steps, centre in drafts:
            born_on = self._born_on(applied_on)
            volunteer_id = ids.on(applied_on)
            self.volunteers.append(self._application(volunteer_id, centre, born_on, applied_on))
            self._follow(volunteer_id, centre, born_on, applied_on, outcome, steps)
        for stage in (self.approvals, self.rejections, self.activations, self.pauses, self.resumptions):
            stage.sort(key=lambda item: item["decided_on"])
        self.departures.sort(key=lambda item: item["decided_on"])

    def _steps(self, outcome: str) -> list[int]:
        """Days from one step to the next: decision, first service, pause or departure, return."""
        reach = {"applied": 0, "rejected": 1, "approved": 1, "active": 2, "paused": 3, "left": 3, "active_again": 4}
        dice = self._dice
        return [dice.between(1, 18), dice.between(2, 40), dice.between(20, 120), dice.between(10, 60)][: reach[outcome]]

    def _follow(
        self, volunteer_id: str, centre: Centre, born_on: date, applied_on: date, outcome: str, steps: list[int]
    ) -> None:
        days = [applied_on]
        for step in steps:
            days.append(days[-1] + timedelta(days=step))

        def decision(nth: int, reason: str | None = None) -> Payload:
            decided: Payload = {"volunteer_id": volunteer_id, "decided_on": days[nth].isoformat()}
            return decided | ({"reason": reason} if reason else {})

        if outcome == "rejected":
            self.rejections.append(decision(1, self._dice.pick(_REJECTIONS)))
        elif outcome != "applied":
            self.approvals.append(decision(1))
        if len(steps) >= 2:
            self.activations.append(decision(2))
        if outcome in ("paused", "active_again"):
            self.pauses.append(decision(3, self._dice.pick(_PAUSES)))
        if outcome == "active_again":
            self.resumptions.append(decision(4))
        if outcome == "left":
            self.departures.append(decision(3, self._dice.pick(_DEPARTURES)))
        if outcome in ("active", "active_again"):
            keenness = self._dice.share() ** 3 + 0.02
            self.serving.append(Volunteer(volunteer_id, centre, born_on, days[-1], keenness))

    def _born_on(self, applied_on: date) -> date:
        """Nobody under fifteen; ages cluster around those of students."""
        age = self._dice.draw(_AGES)
        spread = 0 if age <= 17 else 2 if age < 30 else 4
        age += self._dice.between(-spread, spread)
        return applied_on - timedelta(days=int(age * 365.25) + self._dice.between(2, 360))

    def _stranger(self, kin: Kin, born_on: date, *, male: bool) -> str:
        """A name that no other volunteer with this birth day bears."""
        while (bearer := (self._names.full(kin, male=male), born_on)) in self._known:
            pass
        self._known.add(bearer)
        return bearer[0]

    def _application(self, volunteer_id: str, centre: Centre, born_on: date, applied_on: date) -> Payload:
        dice = self._dice
        male = dice.chance(0.38)
        kin = self._names.kin(centre.region.kazakh_share)
        full_name = self._stranger(kin, born_on, male=male)
        day = applied_on.isoformat()
        under_age = applied_on < _birthday(born_on, 16)
        consent: Payload = {
            "version": "2019-1" if applied_on < FIRST else "2021-1",
            "given_on": day,
            "how": dice.draw(vocabulary.CONSENT_FORMS),
            "by": "self",
        }
        if under_age:
            by = "parent" if dice.chance(0.85) else "guardian"
            elder = self._names.full(kin, male=dice.chance(0.3))
            consent |= {"how": "paper", "by": by, "by_name": elder}
        form: Payload = {
            "id": volunteer_id,
            "full_name": full_name,
            "language": "kk" if dice.chance(0.9 if kin.kazakh else 0.03) else "ru",
            "born_on": born_on.isoformat(),
            "phone": self._papers.phone(),
            "centre_id": centre.id,
            "directions": dice.some(vocabulary.DIRECTIONS, dice.between(1, 3)),
            "languages_spoken": ["kk", "ru"] if kin.kazakh or dice.chance(0.25) else ["ru"],
            "consent": consent,
            "applied_on": day,
        }
        if dice.chance(0.86):
            form["iin"] = self._papers.iin(born_on, male=male)
        if dice.chance(0.62):
            form["email"] = self._papers.email(full_name)
        if dice.chance(0.2):
            form["languages_spoken"].append("en")
        if dice.chance(0.35):
            form["skills"] = dice.some(vocabulary.SKILLS, dice.between(1, 2))
        if under_age or dice.chance(0.3):
            form["emergency_contact"] = f"{self._names.full(kin, male=False)}, {self._papers.phone()}"
        if dice.chance(0.4):
            form["affiliation"] = dice.pick(vocabulary.AFFILIATIONS)
        return form

    def _assign(self) -> None:
        """One leader and three coordinators in each volunteer centre, the others in the houses."""
        ids = Ids(self._seed, "assignment")
        posts: list[tuple[Centre, str, str]] = []
        for centre in self._places.of_kinds("volunteer_centre"):
            leader, *coordinators = self._dice.some(vocabulary.DIRECTIONS, 4)
            posts.append((centre, leader, "leader"))
            posts += [(centre, direction, "coordinator") for direction in coordinators]
        houses = self._places.of_kinds("friendship_house")
        while len(posts) < ASSIGNMENTS:
            posts.append((houses[len(posts) % len(houses)], self._dice.pick(vocabulary.DIRECTIONS), "coordinator"))
        predecessors = {
            id(post) for post in self._dice.some([p for p in posts if p[0].opened_on < date(2020, 6, 1)], 13)
        }
        for post in posts:
            centre = post[0]
            from_on = max(centre.opened_on, date(2019, 3, 1)) + timedelta(days=self._dice.below(120))
            if id(post) in predecessors:
                left_on = date(2021, self._dice.between(1, 11), self._dice.between(5, 25))
                former = self._assignment(ids, post, from_on)
                self.endings.append({"assignment_id": former, "until_on": left_on.isoformat()})
                from_on = left_on + timedelta(days=self._dice.between(1, 20))
            self._assignment(ids, post, min(from_on, date(2021, 12, 10)))

    def _assignment(self, ids: Ids, post: tuple[Centre, str, str], from_on: date) -> str:
        centre, direction, role = post
        kin = self._names.kin(centre.region.kazakh_share)
        assignment: Payload = {
            "id": ids.on(from_on),
            "person_name": self._names.full(kin, male=self._dice.chance(0.4)),
            "centre_id": centre.id,
            "direction": direction,
            "role": role,
            "from_on": from_on.isoformat(),
        }
        self.assignments.append(assignment)
        return assignment["id"]

    def _declare(self) -> None:
        """Latest estimates that add up to 10 000, some of them replacing an earlier one."""
        ids = Ids(self._seed, "declaration")
        dice = self._dice
        centres = [
            *self._places.of_kinds("volunteer_centre"),
            *dice.some(self._places.of_kinds("friendship_house"), 12),
        ]
        shares = [centre.region.weight * centre.weight * (0.6 + dice.share()) for centre in centres]
        numbers = [max(20, int(DECLARED * share / sum(shares)) // 10 * 10) for share in shares]
        numbers[numbers.index(max(numbers))] += DECLARED - sum(numbers)
        twice = {centre.id for centre in dice.some(centres, 14)}
        for centre, number in zip(centres, numbers, strict=True):
            latest_on = date(2021, 7, 1) + timedelta(days=dice.below(170))
            estimates = [(latest_on, number)]
            if centre.id in twice:
                estimates.append(
                    (latest_on - timedelta(days=dice.between(90, 330)), int(number * (0.5 + dice.share())))
                )
            for declared_on, estimate in estimates:
                if declared_on >= centre.opened_on:
                    self.declarations.append(
                        {
                            "id": ids.on(declared_on),
                            "centre_id": centre.id,
                            "number": estimate,
                            "declared_on": declared_on.isoformat(),
                            "source": dice.pick(_SOURCES),
                        }
                    )
        self.declarations.sort(key=lambda declaration: declaration["declared_on"])


def _birthday(born_on: date, age_years: int) -> date:
    if (born_on.month, born_on.day) == (2, 29):
        return date(born_on.year + age_years, 3, 1)
    return born_on.replace(year=born_on.year + age_years)
