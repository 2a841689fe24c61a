"""What people give and to which campaigns. The first four campaigns bear names of real ones, as figures of speech."""

# ruff: noqa: PLR2004 - prices are data

from dataclasses import dataclass
from datetime import date
from typing import Any

from deploy.demo.network.dice import Dice, odds
from deploy.demo.network.vocabulary import Text

COLLECTING = {
    "friendship_house": 0.48,
    "volunteer_centre": 0.4,
    "ethnocultural_association": 0.07,
    "mothers_council": 0.05,
}

SMALL_AMOUNTS = odds(
    {
        500: 5,
        1_000: 12,
        2_000: 15,
        3_000: 8,
        5_000: 22,
        10_000: 19,
        15_000: 5,
        20_000: 7,
        30_000: 3,
        50_000: 3,
        100_000: 1,
    }
)
LARGE_AMOUNTS = odds(
    {50_000: 9, 100_000: 20, 200_000: 16, 300_000: 13, 500_000: 18, 800_000: 6, 1_000_000: 10, 2_000_000: 5,
     3_000_000: 1.8, 5_000_000: 1, 10_000_000: 0.3}
)  # fmt: skip
METHODS_OF_PERSONS = odds({"card": 52, "bank": 18, "cash": 18, "payroll": 12})
METHODS_OF_ORGANISATIONS = odds({"bank": 94, "payroll": 6})
DISBURSEMENT_FATES = odds({"paid": 86, "approved": 5, "requested": 4, "voided": 5})
REFUND_REASONS = ("Қателесіп аударылған", "Перевод отправлен дважды", "Ошибка в сумме", "Донордың өтініші бойынша")
VOID_REASONS = ("Жеткізуші бас тартты", "Смета пересмотрена", "Тауар тегін берілді")

_FIRMS = (
    "Ақбидай", "Көкжиек", "Самал жел", "Тұмар тас", "Алтын дән", "Жетіген", "Ұстаз", "Бәйтерек көлеңкесі", "Восход",
    "Степной ветер", "Родник", "Новый мост", "Ковыль", "Ясная даль",
)  # fmt: skip
_TRADES = ("құрылыс", "агро", "сауда", "логистика", "наубайхана", "тігін", "дизайн", "электр", "су", "ағаш", "сүт")
_GOODS = (
    ("food_parcel", "piece", 9_500), ("winter_coat", "piece", 14_000), ("school_bag", "piece", 8_500),
    ("coal", "tonne", 16_000), ("flour", "kg", 260), ("blanket", "piece", 6_000), ("hygiene_kit", "piece", 3_200),
    ("tablet_computer", "piece", 62_000), ("shoes", "pair", 9_000), ("books", "piece", 1_800),
)  # fmt: skip


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign as its initiators wrote it down. Without weight it never opened."""

    title: Text
    purpose: str
    starts_on: date
    ends_on: date | None
    goal_tenge: int
    weight: float
    spent_on: tuple[str, ...]
    regions: frozenset[str] | None = None


_FOOD = ("Азық-түлік себеттері", "Продукты для семей", "Көмір мен отын", "Уголь на зиму")
_SCHOOL = ("Мектеп формасы мен сөмкелер", "Школьные наборы", "Оқулықтар мен планшеттер")
_HEALTH = ("Оңалту курсы", "Лекарства и анализы", "Арбалар мен протездер", "Проезд на лечение")

CAMPAIGNS = (
    CampaignPlan(
        Text("Қайырымдылық керуені", "Караван милосердия", "Caravan of Kindness"),
        "Елдің әр өңіріндегі мұқтаж отбасыларға көмек", date(2021, 1, 4), None, 250_000_000, 27, _FOOD,
    ),
    CampaignPlan(
        Text("Жүректен жүрекке", "От сердца к сердцу", "From Heart to Heart"),
        "Мүгедектігі бар балалардың емі мен оңалтуы", date(2020, 11, 16), None, 200_000_000, 21, _HEALTH,
    ),
    CampaignPlan(
        Text("Мектепке жол", "Дорога в школу", "The Way to School"),
        "Аз қамтылған отбасылардың балаларын мектепке дайындау", date(2021, 7, 15), date(2021, 9, 30), 180_000_000, 19,
        _SCHOOL,
    ),
    CampaignPlan(
        Text("Сарқыт", "Саркыт", "Sarqyt"),
        "Дастарқаннан артылған адал асты бөлісу, азық-түлік қоры", date(2021, 4, 1), None, 90_000_000, 9, _FOOD,
    ),
    CampaignPlan(
        Text("Наурыз шапағаты", "Милосердие Наурыза", "The Kindness of Nauryz"),
        "Мереке алдында отбасыларға көмек", date(2021, 3, 1), date(2021, 4, 10), 45_000_000, 6, _FOOD,
    ),
    CampaignPlan(
        Text("Ардагерге тағзым", "Поклон ветерану", "Honouring Veterans"),
        "Ардагерлер мен тыл еңбеккерлерінің үйін жөндеу", date(2021, 4, 12), date(2021, 5, 31), 30_000_000, 3,
        ("Үй жөндеу", "Ремонт квартир ветеранов"),
    ),
    CampaignPlan(
        Text("Тасқыннан кейін", "После паводка", "After the Flood"),
        "Су басқан ауылдардағы отбасыларға көмек", date(2021, 4, 5), date(2021, 6, 30), 40_000_000, 4,
        ("Құрылыс материалдары", "Временное жильё", "Төсек-орын"), frozenset({"KZ-19", "KZ-31", "KZ-61", "KZ-79"}),
    ),
    CampaignPlan(
        Text("Тең мүмкіндік", "Равные возможности", "Equal Chances"),
        "Мүгедектігі бар жастарға оқу құралдары", date(2021, 2, 15), None, 35_000_000, 3, _HEALTH,
    ),
    CampaignPlan(
        Text("Ақ сапар", "Белый путь", "The White Road"),
        "Ауыл тұрғындарын емдеуге апару", date(2021, 5, 10), date(2021, 11, 15), 30_000_000, 3, _HEALTH,
    ),
    CampaignPlan(
        Text("Жылы қыс", "Тёплая зима", "A Warm Winter"),
        "Қысқы киім мен отын", date(2021, 10, 11), None, 60_000_000, 7, ("Көмір", "Тёплая одежда", "Пеш жөндеу"),
    ),
    CampaignPlan(
        Text("Жаңа жыл тілегі", "Новогоднее желание", "A New Year's Wish"),
        "Балалардың тілегін орындау", date(2021, 12, 1), date(2021, 12, 30), 25_000_000, 4,
        ("Сыйлықтар", "Новогодние подарки"),
    ),
    CampaignPlan(
        Text("Ауыл кітапханасы", "Сельская библиотека", "Village Library"),
        "Шалғай ауылдарға кітап жинау", date(2021, 11, 1), None, 12_000_000, 0, (),
    ),
)  # fmt: skip


def organisation_name(dice: Dice) -> str:
    """A firm that does not exist: two coined words and the form of a company."""
    return f"«{dice.pick(_FIRMS)} {dice.pick(_TRADES)} {dice.between(2, 9)}» ЖШС"


def parcel(dice: Dice) -> tuple[dict[str, Any], int]:
    """One line of goods, and what it is worth in tenge."""
    kind, unit, price_tenge = dice.pick(_GOODS)
    quantity = dice.between(1, 12) * (10 if price_tenge < 1_000 else 5 if price_tenge < 10_000 else 1)
    return {"kind": kind, "quantity": quantity, "unit": unit}, quantity * price_tenge
