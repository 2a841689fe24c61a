"""Codes and words that the requests use. Codes are those of the services' reference data; a test compares them."""

from typing import NamedTuple

from deploy.demo.network.dice import odds

DIRECTIONS = (
    "social_help", "ecology", "education", "health", "culture", "sport", "emergency", "youth", "elderly", "inclusion",
    "animals", "events",
)  # fmt: skip
SKILLS = (
    "Алғашқы көмек", "B санатты жүргізуші", "Ымдау тілі", "Фотосъёмка", "Мұғалім", "Аспаз", "Психолог", "Юрист",
    "Дизайн", "Бағдарламалау", "Перевод", "Ән айту",
)  # fmt: skip
CONSENT_FORMS = odds({"paper": 70, "online": 26, "oral_recorded": 4})
AFFILIATIONS = (
    "«Жаңғыру жолы»",
    "Студенттер кеңесі",
    "Студенческий клуб",
    "Жастар ресурстық орталығы",
    "Колледж белсенділері",
)
CATEGORIES = odds(
    {
        "large_family": 38,
        "single_parent_family": 17,
        "child_with_disability": 10,
        "disability": 9,
        "pensioner": 11,
        "chronic_illness": 5,
        "qandas": 5,
        "orphan": 2,
        "lost_home": 2,
        "veteran": 1,
    }
)


class Text(NamedTuple):
    """The same words in the three languages."""

    kk: str
    ru: str
    en: str

    def payload(self) -> dict[str, str]:
        return self._asdict()


class Format(NamedTuple):
    """A kind of happening: how often, when in the year, with whom, and what it is called."""

    code: str
    weight: float
    season: tuple[float, ...]
    direction: str | None
    shifts: float
    """How likely it is planned with shifts."""
    guests: tuple[int, int]
    titles: tuple[Text, ...]


_ALL_YEAR = (1.0,) * 12
_WARM = (0.1, 0.1, 0.7, 2.4, 1.6, 1.0, 0.8, 0.8, 1.5, 1.9, 0.4, 0.1)
_TERM = (0.9, 1.2, 1.1, 1.2, 1.0, 0.3, 0.1, 0.2, 1.2, 1.4, 1.3, 0.9)
_FEASTS = (0.6, 0.6, 2.6, 0.9, 1.7, 1.0, 0.6, 0.7, 0.9, 0.9, 0.8, 2.0)

FORMATS = (
    Format(
        "charity_action", 17, _ALL_YEAR, "social_help", 0.75, (20, 160),
        (
            Text("Азық-түлік себеттерін тарату", "Раздача продуктовых наборов", "Food parcels handed out"),
            Text("Жылы киім жинау", "Сбор тёплой одежды", "Collecting warm clothes"),
            Text("Қайырымдылық жәрмеңкесі", "Благотворительная ярмарка", "Charity fair"),
            Text("Мектеп жабдықтарын табыстау", "Вручение школьных принадлежностей", "School supplies presented"),
        ),
    ),
    Format(
        "family_visit", 19, _ALL_YEAR, "social_help", 0.8, (5, 40),
        (
            Text("Көпбалалы отбасыларға бару", "Посещение многодетных семей", "Visits to large families"),
            Text("Ардагерлерді үйінде құттықтау", "Поздравление ветеранов на дому", "Veterans congratulated at home"),
            Text("Жалғызбасты қарттарға көмек", "Помощь одиноким пожилым", "Help for older people living alone"),
        ),
    ),
    Format(
        "clean_up", 10, _WARM, "ecology", 0.8, (15, 120),
        (
            Text("«Таза аула» сенбілігі", "Субботник «Чистый двор»", "Clean courtyard day"),
            Text("Өзен жағасын тазалау", "Уборка берега реки", "River bank clean-up"),
            Text("Ағаш отырғызу", "Посадка деревьев", "Tree planting"),
        ),
    ),
    Format(
        "blood_donation", 3, _ALL_YEAR, "health", 0.6, (15, 70),
        (Text("Ерікті қан тапсыру күні", "День добровольной сдачи крови", "Blood donation day"),),
    ),
    Format(
        "concert", 7, _FEASTS, "culture", 0.45, (80, 600),
        (
            Text("«Достық әуендері» концерті", "Концерт «Мелодии дружбы»", "Melodies of Friendship concert"),
            Text("Мерекелік концерт", "Праздничный концерт", "Festive concert"),
            Text("Ұлттық киімдер шеруі", "Парад национальных костюмов", "Parade of national dress"),
        ),
    ),
    Format(
        "training", 10, _TERM, "education", 0.35, (10, 60),
        (
            Text("Волонтерлер мектебі", "Школа волонтёра", "Volunteers' school"),
            Text("Алғашқы көмек көрсету тренингі", "Тренинг по первой помощи", "First aid training"),
            Text("Медиация негіздері", "Основы медиации", "Basics of mediation"),
        ),
    ),
    Format(
        "language_club", 9, _TERM, "culture", 0.25, (8, 35),
        (
            Text("Мемлекеттік тіл клубы", "Клуб государственного языка", "Kazakh language club"),
            Text("Үш тілде сөйлейміз", "Говорим на трёх языках", "Speaking three languages"),
        ),
    ),
    Format(
        "sunday_school", 6, _TERM, "culture", 0.1, (8, 40),
        (Text("Жексенбілік мектеп сабағы", "Занятие воскресной школы", "Sunday school lesson"),),
    ),
    Format(
        "debate_club", 4, _TERM, "youth", 0.1, (10, 50),
        (Text("«Мәміле» пікірталас клубы", "Дискуссионный клуб «Мәміле»", "Mamile debating club"),),
    ),
    Format(
        "dialogue_platform", 5, _ALL_YEAR, None, 0.1, (15, 70),
        (Text("Диалог алаңы: көршілер сөйлеседі", "Диалоговая площадка соседей", "Neighbours in dialogue"),),
    ),
    Format(
        "sports", 4, _WARM, "sport", 0.35, (30, 200),
        (
            Text("Достық турнирі", "Турнир дружбы", "Friendship tournament"),
            Text("Ұлттық ойындар күні", "День национальных игр", "Day of national games"),
        ),
    ),
    Format(
        "exhibition", 4, _FEASTS, "culture", 0.4, (40, 300),
        (
            Text("Қолөнер көрмесі", "Выставка ремёсел", "Crafts exhibition"),
            Text("Ұлттық тағамдар жәрмеңкесі", "Ярмарка национальных блюд", "Fair of national dishes"),
        ),
    ),
    Format(
        "meeting", 7, _ALL_YEAR, None, 0.15, (10, 80),
        (
            Text("Үйлестірушілер жиыны", "Встреча координаторов", "Coordinators' meeting"),
            Text("Буындар кездесуі", "Встреча поколений", "Meeting of generations"),
        ),
    ),
    Format(
        "other", 2, _ALL_YEAR, "events", 0.3, (20, 150),
        (Text("Ашық есік күні", "День открытых дверей", "Open day"),),
    ),
)  # fmt: skip

VENUES = ("Достық үйі", "Мәдениет үйі", "№ {n} мектеп", "Орталық алаң", "Студенттер сарайы", "Кітапхана", "Саябақ")
SHIFT_ROLES = ("Тасымалдау", "Тіркеу", "Жүргізуші", "Сопровождение", "Раздача", "Сортировка", "Фотограф", "Көмекші")
CANCELLATIONS = (
    "Карантин шектеулеріне байланысты",
    "Ауа райының қолайсыздығынан",
    "Площадка оказалась недоступна",
    "Перенесено по просьбе акимата",
    "Волонтерлер жеткіліксіз",
)
