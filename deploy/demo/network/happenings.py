"""Events of the year: planned, held, cancelled; their shifts, who signed up, who came, how many guests there were."""

# ruff: noqa: PLR2004 - lengths are data

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from deploy.demo.network import vocabulary
from deploy.demo.network.days import EVENT_WEEK, LAST, calendar, instant
from deploy.demo.network.dice import Dice, Ids, Weighted, odds
from deploy.demo.network.giving import Campaign
from deploy.demo.network.people import Volunteer
from deploy.demo.network.places import Centre, Payload, Places, Region

HELD = 3412
DRAFTS = 148
CANCELLED = 121
NOT_HELD = 36
COMING = 14
SIGN_UPS = 6000
COMING_YEAR = 2027

_LENGTHS_MIN = odds({60: 10, 90: 18, 120: 34, 180: 24, 240: 10, 300: 4})
_STARTS = odds({9: 8, 10: 24, 11: 18, 12: 8, 14: 14, 15: 14, 16: 8, 17: 4, 18: 2})
_NEEDED = odds({2: 5, 3: 10, 4: 18, 5: 20, 6: 16, 8: 16, 10: 10, 15: 5})
_ATTENDANCE = odds({"present": 89, "absent": 7, "excused": 4})


@dataclass(frozen=True, slots=True)
class _Shift:
    """A shift of an event that was held."""

    id: str
    centre: Centre
    day: date
    places: int
    minimum_age: int
    hazardous: bool


class Happenings:
    """All requests about events."""

    def __init__(self, seed: int, places: Places, campaigns: list[Campaign], serving: list[Volunteer]) -> None:
        self._seed = seed
        self._dice = Dice(seed, "happenings")
        self._places = places
        self._campaigns = campaigns
        self._serving = serving
        self._shift_ids = Ids(seed, "shift")
        self._held_shifts: list[_Shift] = []
        self.events: list[Payload] = []
        self.shifts: list[Payload] = []
        self.sign_ups: list[Payload] = []
        self.attendances: list[Payload] = []
        self.holdings: list[Payload] = []
        self.cancellations: list[Payload] = []
        self.headcounts: list[Payload] = []
        self._plan()
        self._sign_up()
        self._attend()

    def _plan(self) -> None:
        dice = self._dice
        ids, headcount_ids = Ids(self._seed, "event"), Ids(self._seed, "headcount")
        centres = self._places.table(
            {"volunteer_centre": 0.46, "friendship_house": 0.42, "youth_organisation": 0.03,
             "ethnocultural_association": 0.06, "mothers_council": 0.03}
        )  # fmt: skip
        formats = Weighted((format_, format_.weight) for format_ in vocabulary.FORMATS)
        days = {format_.code: calendar(format_.season, EVENT_WEEK) for format_ in vocabulary.FORMATS}
        coming = calendar(
            (0, 1, 2, 1, 1, 1, 0, 0, 1, 1, 0, 0), EVENT_WEEK, date(COMING_YEAR, 1, 1), date(COMING_YEAR, 12, 31)
        )
        fates = {"held": HELD, "draft": DRAFTS, "cancelled": CANCELLED, "published": NOT_HELD, "coming": COMING}
        plans: list[tuple[date, Centre, vocabulary.Format, str]] = []
        for fate, number in fates.items():
            for _ in range(number):
                format_ = dice.draw(formats)
                day = dice.draw(coming if fate == "coming" else days[format_.code])
                plans.append((day, self._places.standing_in(dice.draw(centres), day), format_, fate))
        plans.sort(key=lambda plan: plan[0])
        for day, centre, format_, fate in plans:
            hour = dice.draw(_STARTS)
            length = dice.draw(_LENGTHS_MIN)
            event = self._event(ids.on(min(day, LAST)), centre, format_, day, hour, length)
            event["status"] = "draft" if fate == "draft" else "published"
            self.events.append(event)
            if fate == "cancelled":
                self.cancellations.append({"event_id": event["id"], "reason": dice.pick(vocabulary.CANCELLATIONS)})
            if fate == "draft":
                continue
            if dice.chance(format_.shifts):
                self._shifts_of(event, centre, format_, day, hour, length, held=fate == "held")
            if fate == "held":
                self.holdings.append({"event_id": event["id"]})
                if dice.chance(0.72):
                    helpers = dice.between(0, 12) if dice.chance(0.8) else dice.between(12, 60)
                    self.headcounts.append(
                        {
                            "id": headcount_ids.on(day),
                            "event_id": event["id"],
                            "helpers": helpers,
                            "guests": dice.between(*format_.guests),
                            "counted_by": dice.pick(("Үйлестіруші", "Координатор", "Тіркеу парағы бойынша")),
                        }
                    )

    def _event(
        self, event_id: str, centre: Centre, format_: vocabulary.Format, day: date, hour: int, length: int
    ) -> Payload:
        dice = self._dice
        town = centre.town
        title = dice.pick(format_.titles)
        event: Payload = {
            "id": event_id,
            "centre_id": centre.id,
            "format": format_.code,
            "title": {"kk": f"{title.kk}, {town.kk}", "ru": f"{title.ru}, {town.ru}", "en": f"{title.en}, {town.en}"},
            "venue": f"{town.kk}, {dice.pick(vocabulary.VENUES).format(n=dice.between(1, 60))}",
            "starts_at": instant(day, hour),
            "ends_at": instant(day, hour + length // 60, length % 60),
        }
        direction = format_.direction or (dice.pick(vocabulary.DIRECTIONS) if dice.chance(0.5) else None)
        if direction is not None:
            event["direction"] = direction
        if format_.code in ("meeting", "training") and dice.chance(0.4):
            event["public"] = False
        if format_.code in ("charity_action", "family_visit") and dice.chance(0.45):
            running = [c for c in self._campaigns if c.first <= day <= c.last and centre.id in c.centre_ids]
            if running:
                event["campaign_id"] = dice.pick(running).id
        return event

    def _shifts_of(
        self,
        event: Payload,
        centre: Centre,
        format_: vocabulary.Format,
        day: date,
        hour: int,
        length: int,
        *,
        held: bool,
    ) -> None:
        """One shift over the whole event, or two that meet in its middle."""
        dice = self._dice
        halves = [(0, length)] if length < 120 or dice.chance(0.6) else [(0, length // 2), (length // 2, length)]
        for begin, end in halves:
            shift: Payload = {
                "id": self._shift_ids.on(min(day, LAST)),
                "event_id": event["id"],
                "role": dice.pick(vocabulary.SHIFT_ROLES),
                "starts_at": instant(day, hour + begin // 60, begin % 60),
                "ends_at": instant(day, hour + end // 60, end % 60),
            }
            needed = dice.draw(_NEEDED)
            unlimited = dice.chance(0.08)
            if not unlimited:
                shift["needed"] = needed
            minimum_age, hazardous = 0, False
            if format_.code == "clean_up" and dice.chance(0.15):
                shift["hazard"] = "heavy"
                hazardous = True
            elif dice.chance(0.12):
                minimum_age = 18 if format_.code == "blood_donation" else 16
                shift["minimum_age"] = minimum_age
            self.shifts.append(shift)
            if held:
                places = 25 if unlimited else needed
                self._held_shifts.append(_Shift(shift["id"], centre, day, places, minimum_age, hazardous))

    def _sign_up(self) -> None:
        """Fill shifts with volunteers of the region, one shift a day each, until 6 000 have signed up."""
        dice = self._dice
        ids = Ids(self._seed, "sign-up")
        by_region: dict[Region, list[Volunteer]] = defaultdict(list)
        for volunteer in self._serving:
            by_region[volunteer.centre.region].append(volunteer)
        tables = {region: Weighted((v, v.keenness) for v in some) for region, some in by_region.items()}
        busy: set[tuple[str, date]] = set()
        taken: dict[str, int] = defaultdict(int)
        made: list[tuple[date, Payload]] = []
        while len(made) < SIGN_UPS:
            shift = dice.pick(self._held_shifts)
            table = tables.get(shift.centre.region)
            if table is None or taken[shift.id] >= shift.places:
                continue
            volunteer = dice.draw(table)
            if (volunteer.id, shift.day) in busy or not _may_serve(volunteer, shift):
                continue
            busy.add((volunteer.id, shift.day))
            taken[shift.id] += 1
            made.append((shift.day, {"shift_id": shift.id, "volunteer_id": volunteer.id}))
        made.sort(key=lambda entry: entry[0])
        self.sign_ups = [{"id": ids.on(day), **sign_up} for day, sign_up in made]

    def _attend(self) -> None:
        for sign_up in self.sign_ups:
            if self._dice.chance(0.94):
                self.attendances.append({"signup_id": sign_up["id"], "attendance": self._dice.draw(_ATTENDANCE)})


def _may_serve(volunteer: Volunteer, shift: _Shift) -> bool:
    """Whether the rules of age and of readiness let this volunteer serve, with a month to spare."""
    if volunteer.ready_on >= shift.day:
        return False
    least = max(shift.minimum_age, 18 if shift.hazardous else 0)
    return volunteer.born_on + timedelta(days=int((least + 1) * 365.25)) < shift.day
