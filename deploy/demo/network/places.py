"""The regions of 2021, their towns, and the organisations in them."""

# ruff: noqa: PLR2004 - which house of a region is young

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from deploy.demo.network.dice import Dice, Ids, Weighted

Payload = dict[str, Any]


class Town(NamedTuple):
    """A town's name in three languages."""

    kk: str
    ru: str
    en: str


@dataclass(frozen=True)
class Region:
    """A region as it was in 2021, with what shapes its figures."""

    code: str
    weight: float
    """Its share of the network's activity, roughly its share of the people."""
    kazakh_share: float
    family_size: float
    houses: int
    centres: int
    towns: tuple[Town, ...]


def _towns(text: str) -> tuple[Town, ...]:
    return tuple(Town(*town.split("/")) for town in text.split("; "))


REGIONS = (
    Region("KZ-11", 0.74, 0.55, 4.5, 2, 1, _towns("Көкшетау/Кокшетау/Kokshetau; Степногорск/Степногорск/Stepnogorsk")),
    Region("KZ-15", 0.89, 0.80, 5.4, 2, 2, _towns("Ақтөбе/Актобе/Aktobe; Хромтау/Хромтау/Khromtau")),
    Region(
        "KZ-19", 1.90, 0.72, 5.5, 4, 2,
        _towns("Талдықорған/Талдыкорган/Taldykorgan; Жаркент/Жаркент/Zharkent; Талғар/Талгар/Talgar; Есік/Есик/Esik"),
    ),
    Region("KZ-23", 0.66, 0.90, 5.8, 2, 1, _towns("Атырау/Атырау/Atyrau; Құлсары/Кульсары/Kulsary")),
    Region("KZ-27", 0.66, 0.74, 4.9, 2, 1, _towns("Орал/Уральск/Oral; Ақсай/Аксай/Aksai")),
    Region("KZ-31", 1.14, 0.75, 5.8, 3, 2, _towns("Тараз/Тараз/Taraz; Шу/Шу/Shu; Қаратау/Каратау/Karatau")),
    Region(
        "KZ-35", 1.38, 0.55, 4.6, 4, 2,
        _towns("Қарағанды/Караганда/Karaganda; Теміртау/Темиртау/Temirtau; Жезқазған/Жезказган/Zhezkazgan; "
               "Балқаш/Балхаш/Balkhash"),
    ),
    Region(
        "KZ-39", 0.86, 0.42, 4.2, 3, 1,
        _towns("Қостанай/Костанай/Kostanay; Рудный/Рудный/Rudny; Арқалық/Аркалык/Arkalyk"),
    ),
    Region("KZ-43", 0.82, 0.95, 6.1, 2, 1, _towns("Қызылорда/Кызылорда/Kyzylorda; Арал/Аральск/Aral")),
    Region("KZ-47", 0.72, 0.91, 6.0, 2, 1, _towns("Ақтау/Актау/Aktau; Жаңаөзен/Жанаозен/Zhanaozen")),
    Region(
        "KZ-55", 0.75, 0.53, 4.4, 3, 2,
        _towns("Павлодар/Павлодар/Pavlodar; Екібастұз/Экибастуз/Ekibastuz; Ақсу/Аксу/Aksu"),
    ),
    Region("KZ-59", 0.54, 0.37, 4.1, 2, 1, _towns("Петропавл/Петропавловск/Petropavl; Тайынша/Тайынша/Taiynsha")),
    Region(
        "KZ-61", 1.85, 0.82, 6.4, 3, 2,
        _towns("Түркістан/Туркестан/Turkistan; Кентау/Кентау/Kentau; Сарыағаш/Сарыагаш/Saryagash"),
    ),
    Region(
        "KZ-63", 1.36, 0.62, 4.7, 3, 2,
        _towns("Өскемен/Усть-Каменогорск/Oskemen; Семей/Семей/Semey; Риддер/Риддер/Ridder"),
    ),
    Region("KZ-71", 1.35, 0.78, 4.8, 1, 3, _towns("Астана/Астана/Astana")),
    Region("KZ-75", 2.20, 0.65, 4.6, 1, 4, _towns("Алматы/Алматы/Almaty")),
    Region("KZ-79", 1.15, 0.76, 5.9, 1, 2, _towns("Шымкент/Шымкент/Shymkent")),
)  # fmt: skip
BY_CODE = {region.code: region for region in REGIONS}
REPUBLICAN_SEAT = "KZ-75"

_CENTRE_NAMES = (
    ("Мейірім", "Meirim"), ("Шапағат", "Shapagat"), ("Жанашыр", "Zhanashyr"), ("Қамқор", "Qamqor"), ("Асар", "Asar"),
    ("Ақ ниет", "Aq niet"), ("Жылу", "Zhylu"), ("Үміт жұлдызы", "Umit zhuldyzy"), ("Ізгілік", "Izgilik"),
    ("Алтын жүрек", "Altyn zhurek"), ("Достар", "Dostar"), ("Игі іс", "Igi is"), ("Бірге", "Birge"),
    ("Нұрлы жол", "Nurly zhol"), ("Қол ұшы", "Qol ushy"), ("Серпін", "Serpin"), ("Жаңа леп", "Zhana lep"),
)  # fmt: skip
_PEOPLES = (
    ("украин", "Украинское", "Ukrainian"), ("өзбек", "Узбекское", "Uzbek"), ("неміс", "Немецкое", "German"),
    ("татар", "Татарское", "Tatar"), ("ұйғыр", "Уйгурское", "Uighur"), ("кәріс", "Корейское", "Korean"),
    ("әзербайжан", "Азербайджанское", "Azerbaijani"), ("түрік", "Турецкое", "Turkish"),
    ("дүнген", "Дунганское", "Dungan"), ("поляк", "Польское", "Polish"), ("беларус", "Белорусское", "Belarusian"),
    ("башқұрт", "Башкирское", "Bashkir"), ("грек", "Греческое", "Greek"), ("армян", "Армянское", "Armenian"),
    ("күрд", "Курдское", "Kurdish"),
    ("шешен", "Чеченское", "Chechen"), ("молдаван", "Молдавское", "Moldovan"), ("чуваш", "Чувашское", "Chuvash"),
)  # fmt: skip
_YOUTH_NAMES = (("Жас қанат", "Zhas qanat"), ("Болашақ ізі", "Bolashaq izi"), ("Жастар лебі", "Zhastar lebi"))


@dataclass(frozen=True)
class Centre:
    """An organisation of the network: the request that opens it, and where its days begin."""

    id: str
    kind: str
    region: Region
    town: Town
    opened_on: date
    weight: float
    payload: Payload


class Places:
    """All centres, houses before those that live in them."""

    def __init__(self, seed: int) -> None:
        self._dice = Dice(seed, "places")
        self._ids = Ids(seed, "centre")
        self._house_of: dict[Town, Centre] = {}
        self.centres = [*self._houses(), *self._volunteer_centres(), *self._others()]
        self.of_region = {region: [c for c in self.centres if c.region is region] for region in REGIONS}
        self.by_id = {centre.id: centre for centre in self.centres}

    def of_kinds(self, *kinds: str) -> list[Centre]:
        return [centre for centre in self.centres if centre.kind in kinds]

    def table(self, kind_weights: dict[str, float], *, only: Set[str] | None = None) -> Weighted[Centre]:
        """Centres (of `only` these ids) as likely as their region, kind and own size make them."""
        chosen = [c for c in self.centres if c.kind in kind_weights and (only is None or c.id in only)]
        share: dict[str, float] = {}
        for centre in chosen:
            share[centre.region.code] = share.get(centre.region.code, 0) + centre.weight * kind_weights[centre.kind]
        return Weighted((c, c.region.weight * c.weight * kind_weights[c.kind] / share[c.region.code]) for c in chosen)

    def standing_in(self, centre: Centre, day: date) -> Centre:
        """The centre itself, or before it had opened the oldest of its region."""
        if centre.opened_on <= day:
            return centre
        return min(self.of_region[centre.region], key=lambda c: (c.opened_on, c.id))

    def _houses(self) -> Iterator[Centre]:
        for region in REGIONS:
            for order, town in enumerate(region.towns[: region.houses]):
                republican = region.code == REPUBLICAN_SEAT
                opened_on = date(2008 if order == 0 else 2015, 1, 15) + timedelta(days=self._dice.below(1500))
                if order == 2 and region.code in {"KZ-31", "KZ-61"}:
                    opened_on = date(2021, 4, 5) + timedelta(days=self._dice.below(120))
                of_republic = ("Республикалық ", "Республиканский ", "Republican ") if republican else ("", "", "")
                name = {
                    "kk": f"{of_republic[0]}Достық үйі, {town.kk}",
                    "ru": f"{of_republic[1]}{'дом' if republican else 'Дом'} дружбы, {town.ru}",
                    "en": f"{of_republic[2]}Friendship House, {town.en}",
                }
                centre = self._centre("friendship_house", region, town, opened_on, 1.0 if order == 0 else 0.5, name)
                self._house_of[town] = centre
                yield centre

    def _volunteer_centres(self) -> Iterator[Centre]:
        names = self._dice.shuffled(_CENTRE_NAMES)
        serial = 0
        for region in REGIONS:
            for order in range(region.centres):
                town = region.towns[order % len(region.towns)]
                kk, en = names[serial % len(names)]
                serial += 1
                opened_on = date(2019, 2, 1) + timedelta(days=self._dice.below(600))
                if order >= 1 and region.code in {"KZ-15", "KZ-55", "KZ-61"}:
                    opened_on = date(2021, 2, 10) + timedelta(days=self._dice.below(150))
                name = {
                    "kk": f"«{kk}» волонтерлік орталығы, {town.kk}",
                    "ru": f"Волонтёрский центр «{kk}», {town.ru}",
                    "en": f"{en} volunteer centre, {town.en}",
                }
                house = self._house_of[town]
                yield self._centre(
                    "volunteer_centre", region, town, max(opened_on, house.opened_on), 1.0 / (1 + 0.35 * order), name,
                    parent_id=house.id,
                )  # fmt: skip

    def _others(self) -> Iterator[Centre]:
        for region in REGIONS:
            town = region.towns[0]
            name = {
                "kk": f"Аналар кеңесі, {town.kk}",
                "ru": f"Совет матерей, {town.ru}",
                "en": f"Mothers' Council, {town.en}",
            }
            yield self._centre("mothers_council", region, town, self._some_day(2014, 2000), 1.0, name)
        for order, (kk, ru, en) in enumerate(self._dice.shuffled(_PEOPLES)):
            region = REGIONS[order % len(REGIONS)]
            town = self._dice.pick(region.towns)
            name = {
                "kk": f"{kk.capitalize()} этномәдени бірлестігі, {town.kk}",
                "ru": f"{ru} этнокультурное объединение, {town.ru}",
                "en": f"{en} ethnocultural association, {town.en}",
            }
            yield self._centre("ethnocultural_association", region, town, self._some_day(2009, 3500), 1.0, name)
        for order, region in enumerate(self._dice.some(REGIONS, 10)):
            kk, en = _YOUTH_NAMES[order % len(_YOUTH_NAMES)]
            town = region.towns[0]
            name = {
                "kk": f"«{kk}» жастар ұйымы, {town.kk}",
                "ru": f"Молодёжная организация «{kk}», {town.ru}",
                "en": f"{en} youth organisation, {town.en}",
            }
            yield self._centre("youth_organisation", region, town, self._some_day(2018, 1000), 1.0, name)

    def _some_day(self, year: int, within_days: int) -> date:
        return date(year, 1, 15) + timedelta(days=self._dice.below(within_days))

    def _centre(
        self, kind: str, region: Region, town: Town, opened_on: date, weight: float, name: dict[str, str],
        parent_id: str | None = None,
    ) -> Centre:  # fmt: skip
        centre_id = self._ids.on(opened_on)
        payload: Payload = {
            "id": centre_id, "kind": kind, "name": name, "region": region.code, "opened_on": opened_on.isoformat(),
        }  # fmt: skip
        if parent_id is not None:
            payload["parent_id"] = parent_id
        return Centre(centre_id, kind, region, town, opened_on, weight, payload)
