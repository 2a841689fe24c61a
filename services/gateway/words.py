"""The words of the pages that are made here, in three languages. The dashboard's own are in `dashboard/src/i18n`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.languages import LANGUAGES, Language


@dataclass(frozen=True)
class Words:
    """One language's texts. Figures are named as everywhere else on the dashboard."""

    name: str
    what: str
    language_name: str
    language: str
    country: str
    dashboard: str
    reloads: str
    stand_still: str
    reload: str
    as_of: str
    all_time: str
    since: str
    until: str
    period: str
    first_day: str
    last_day: str
    show: str
    figure: str
    value: str
    figures: dict[str, str]
    few: str
    empty: str
    regions: str
    region: str
    centres: str
    centre: str
    campaigns: str
    campaign: str
    raised: str
    disbursed: str
    goal: str
    families: str
    people: str
    volunteers: str
    events: str
    deliveries: str
    once: str


WORDS: dict[Language, Words] = {
    "kk": Words(
        name="Асар",
        what="еріктілік пен қайырымдылық",
        language_name="Қазақша",
        language="Тіл",
        country="Қазақстан",
        dashboard="Жаңарып тұратын бет",
        reloads="Бұл бет жарты минут сайын жаңарады.",
        stand_still="Жаңартуды тоқтату",
        reload="Жарты минут сайын жаңарту",
        as_of="Соңғы жазба",
        all_time="Барлық уақыт",
        since="{} – бүгінге дейін",
        until="ең басынан – {}",
        period="Кезең",
        first_day="Басы",
        last_day="Соңы",
        show="Көрсету",
        figure="Көрсеткіш",
        value="Мәні",
        figures={
            "volunteers_registered": "Тіркелген еріктілер",
            "volunteers_declared": "Тіркелмеген еріктілер (бағалау, қосылмайды)",
            "coordinators": "Басшылар мен үйлестірушілер",
            "volunteer_centres": "Волонтерлік орталықтар",
            "friendship_houses": "Достық үйлері",
            "organisations": "Басқа ұйымдар",
            "events_held": "Өткізілген іс-шаралар",
            "events_coming": "Алдағы іс-шаралар",
            "hours_minutes": "Өтілген сағаттар",
            "money_net_minor": "Жиналған қаражат (қайтарымдар шегерілген)",
            "money_disbursed_minor": "Бөлінген қаражат",
            "money_on_hand_minor": "Қалдық",
            "goods_value_minor": "Заттай көмек құны (бөлек)",
            "deliveries": "Көмек жеткізілді",
            "families_helped": "Көмек алған отбасылар",
            "people_helped": "Көмек алған адамдар",
        },
        few="1-ден 4-ке дейін: жеке деректерді қорғау үшін нақты саны көрсетілмейді",
        empty="Осы аумақ пен кезең бойынша ештеңе жазылмаған.",
        regions="Өңірлер бойынша",
        region="Өңір",
        centres="Ұйымдар",
        centre="Ұйым",
        campaigns="Қайырымдылық акциялары",
        campaign="Акция",
        raised="Жиналды",
        disbursed="Бөлінді",
        goal="Мақсатты сома",
        families="Отбасы",
        people="Адам",
        volunteers="Ерікті",
        events="Іс-шара",
        deliveries="Жеткізілді",
        once="Бірнеше өңірден көмек алған отбасы ел бойынша бір рет саналады.",
    ),
    "ru": Words(
        name="Асар",
        what="волонтёрство и благотворительность",
        language_name="Русский",
        language="Язык",
        country="Казахстан",
        dashboard="Страница, которая обновляется сама",
        reloads="Эта страница обновляется каждые полминуты.",
        stand_still="Больше не обновлять",
        reload="Обновлять каждые полминуты",
        as_of="Последняя запись",
        all_time="Всё время",
        since="с {}",
        until="по {}",
        period="Период",
        first_day="Начало",
        last_day="Конец",
        show="Показать",
        figure="Показатель",
        value="Значение",
        figures={
            "volunteers_registered": "Зарегистрированные волонтёры",
            "volunteers_declared": "Незарегистрированные волонтёры (оценка, не прибавляется)",
            "coordinators": "Руководители и координаторы",
            "volunteer_centres": "Волонтёрские центры",
            "friendship_houses": "Дома дружбы",
            "organisations": "Другие организации",
            "events_held": "Проведённые мероприятия",
            "events_coming": "Предстоящие мероприятия",
            "hours_minutes": "Отработанные часы",
            "money_net_minor": "Собранные средства (за вычетом возвратов)",
            "money_disbursed_minor": "Выделенные средства",
            "money_on_hand_minor": "Остаток",
            "goods_value_minor": "Стоимость помощи в натуральной форме (отдельно)",
            "deliveries": "Доставки помощи",
            "families_helped": "Семьи, получившие помощь",
            "people_helped": "Люди, получившие помощь",
        },
        few="От 1 до 4: точное число скрыто, чтобы защитить личные данные",
        empty="По этой территории и этому периоду ничего не записано.",
        regions="По регионам",
        region="Регион",
        centres="Организации",
        centre="Организация",
        campaigns="Благотворительные акции",
        campaign="Акция",
        raised="Собрано",
        disbursed="Выделено",
        goal="Целевая сумма",
        families="Семьи",
        people="Люди",
        volunteers="Волонтёры",
        events="Мероприятия",
        deliveries="Доставки",
        once="Семья, получившая помощь в нескольких регионах, по стране считается один раз.",
    ),
    "en": Words(
        name="Asar",
        what="volunteering and charity",
        language_name="English",
        language="Language",
        country="Kazakhstan",
        dashboard="The page that updates by itself",
        reloads="This page reloads every half minute.",
        stand_still="Stop reloading",
        reload="Reload every half minute",
        as_of="Latest record",
        all_time="All time",
        since="since {}",
        until="until {}",
        period="Period",
        first_day="From",
        last_day="To",
        show="Show",
        figure="Figure",
        value="Value",
        figures={
            "volunteers_registered": "Registered volunteers",
            "volunteers_declared": "Unregistered volunteers (estimate, not added)",
            "coordinators": "Leaders and coordinators",
            "volunteer_centres": "Volunteer centres",
            "friendship_houses": "Friendship Houses",
            "organisations": "Other organisations",
            "events_held": "Events held",
            "events_coming": "Events coming",
            "hours_minutes": "Hours served",
            "money_net_minor": "Funds raised (net of refunds)",
            "money_disbursed_minor": "Funds disbursed",
            "money_on_hand_minor": "On hand",
            "goods_value_minor": "Value of in-kind gifts (apart)",
            "deliveries": "Aid deliveries",
            "families_helped": "Families helped",
            "people_helped": "People helped",
        },
        few="Between 1 and 4: the exact number is withheld to protect personal data",
        empty="Nothing is recorded for this place and period.",
        regions="By region",
        region="Region",
        centres="Organisations",
        centre="Organisation",
        campaigns="Charity campaigns",
        campaign="Campaign",
        raised="Raised",
        disbursed="Disbursed",
        goal="Goal",
        families="Families",
        people="People",
        volunteers="Volunteers",
        events="Events",
        deliveries="Deliveries",
        once="A family helped in several regions is counted once for the country.",
    ),
}


def _texts() -> dict[Language, Mapping[str, str]]:
    with Path(__file__).with_name("texts.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {language: {row["code"]: row[language] for row in rows} for language in LANGUAGES}


TEXTS = _texts()
"""Of the pages with forms: by code, each in all languages (`texts.csv`)."""
