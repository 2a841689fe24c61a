"""Numbers, money and days as each language prints them: the very texts of the dashboard's `i18n/formats.ts`.

Written out by hand, as there: neither Python nor most browsers carry Kazakh locale data.
"""

import math
import re
from collections.abc import Sequence
from datetime import date, datetime

from shared.clock import CIVIL_ZONE
from shared.languages import Language

NBSP = "\N{NO-BREAK SPACE}"
UNKNOWN = "–"
EXACT_MAX = 99_999
_NEXT_POWER = 1000

_GROUP = {"kk": NBSP, "ru": NBSP, "en": ","}
_POINT = {"kk": ",", "ru": ",", "en": "."}
_POWERS = {
    "kk": ("мың", "млн", "млрд", "трлн"),
    "ru": ("тыс.", "млн", "млрд", "трлн"),
    "en": ("K", "M", "B", "T"),
}


def _names(text: str) -> list[str]:
    return text.split()


_MONTHS = {
    "kk": _names("қаңтар ақпан наурыз сәуір мамыр маусым шілде тамыз қыркүйек қазан қараша желтоқсан"),
    "ru": _names("январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь"),
    "en": _names("January February March April May June July August September October November December"),
}
_MONTHS_OF = _MONTHS | {
    "ru": _names("января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
}
"""Russian declines the month after a day; the other two leave it as it is."""
_SHORT = {
    "kk": _names("қаң. ақп. нау. сәу. мам. мау. шіл. там. қыр. қаз. қар. жел."),
    "ru": _names("янв. февр. мар. апр. мая июн. июл. авг. сент. окт. нояб. дек."),
    "en": _names("Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"),
}
_SHORT_ALONE = _SHORT | {"ru": _names("янв. февр. март апр. май июнь июль авг. сент. окт. нояб. дек.")}


def whole(language: Language, value: float) -> str:
    """16552 → "16 552"."""
    rounded = _rounded(abs(value))
    sign = "-" if value < 0 and rounded else ""
    return sign + re.sub(r"\B(?=(\d{3})+$)", _GROUP[language], str(rounded))


def decimal(language: Language, value: float) -> str:
    """5.25 → "5,3"; a zero after the point is left out."""
    tenths = _rounded(abs(value) * 10)
    sign = "-" if value < 0 and tenths else ""
    rest = f"{_POINT[language]}{tenths % 10}" if tenths % 10 else ""
    return sign + whole(language, tenths // 10) + rest


def compact(language: Language, value: float) -> str:
    """Exact up to 99 999; above that one decimal and the name of the power: "850,6 млн"."""
    if abs(value) <= EXACT_MAX:
        return whole(language, value)
    powers = _POWERS[language]
    power, scaled = 0, value / 1000
    # Judged as it will be printed: 999 950 is a million, not "1000 мың".
    while _rounded(abs(scaled) * 10) >= _NEXT_POWER * 10 and power < len(powers) - 1:
        power, scaled = power + 1, scaled / 1000
    return decimal(language, scaled) + ("" if language == "en" else NBSP) + powers[power]


def money(language: Language, minor: int) -> str:
    """Whole tenge from tiyn, half a tenge away from zero: "850 640 000 ₸"."""
    return _with_tenge(language, whole(language, _tenge(minor)))


def money_compact(language: Language, minor: int) -> str:
    """The same for a narrow place, exact up to 99 999 ₸: "850,6 млн ₸"."""
    return _with_tenge(language, compact(language, _tenge(minor)))


def percent(language: Language, ratio: float) -> str:
    """0.834 → "83,4%", in Russian "83,4 %"."""
    return decimal(language, ratio * 100) + (f"{NBSP}%" if language == "ru" else "%")


def hours(minutes: int) -> int:
    """Hours served are kept in minutes and shown in whole hours."""
    return (abs(minutes) + 30) // 60 * (-1 if minutes < 0 else 1)


def day_short(language: Language, on: date) -> str:
    """The day as "2021 ж. 9 мау.", "9 июн. 2021 г.", "9 Jun 2021"."""
    return _dated(language, on, _SHORT[language])


def day_long(language: Language, on: date) -> str:
    """The day as "2021 ж. 9 маусым", "9 июня 2021 г.", "9 June 2021"."""
    return _dated(language, on, _MONTHS_OF[language])


def day_month(language: Language, on: date) -> str:
    """The day without its year: "9 мау."."""
    return f"{on.day}{NBSP}{_SHORT[language][on.month - 1]}"


def month_long(language: Language, on: date) -> str:
    """The day's month: "2021 ж. маусым", "июнь 2021 г.", "June 2021"."""
    name = _MONTHS[language][on.month - 1]
    if language == "kk":
        return f"{on.year}{NBSP}ж. {name}"
    return f"{name} {on.year}{NBSP}г." if language == "ru" else f"{name} {on.year}"


def month_short(language: Language, on: date) -> str:
    """The day's month alone: "мау.", "июнь", "Jun"."""
    return _SHORT_ALONE[language][on.month - 1]


def day_range(language: Language, start: date, end: date) -> str:
    """From one day to another: "2021 ж. 7 мау. – 13 мау."; the year once when both share it."""
    if start == end:
        return day_short(language, start)
    if start.year != end.year:
        return f"{day_short(language, start)} – {day_short(language, end)}"
    if language == "kk":
        return f"{day_short(language, start)} – {day_month(language, end)}"
    return f"{day_month(language, start)} – {day_short(language, end)}"


def instant(language: Language, at: datetime) -> str:
    """The day and minute in Almaty: "2026 ж. 22 қараша, 10:42"."""
    local = at.astimezone(CIVIL_ZONE)
    return f"{day_long(language, local.date())}, {local:%H:%M}"


def _dated(language: Language, on: date, months: Sequence[str]) -> str:
    name = months[on.month - 1]
    if language == "kk":
        return f"{on.year}{NBSP}ж. {on.day}{NBSP}{name}"
    return f"{on.day}{NBSP}{name} {on.year}" + (f"{NBSP}г." if language == "ru" else "")


def _rounded(value: float) -> int:
    """Half up, as the page's script rounds; Python's own `round` takes the even neighbour."""
    return math.floor(value + 0.5)


def _tenge(minor: int) -> int:
    return (abs(minor) + 50) // 100 * (-1 if minor < 0 else 1)


def _with_tenge(language: Language, text: str) -> str:
    if language != "en":
        return f"{text}{NBSP}₸"
    return f"-₸{text[1:]}" if text.startswith("-") else f"₸{text}"
