"""Python prints numbers and days as the dashboard's script does: one table, which holds for both."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from services.gateway import formats
from shared.languages import LANGUAGES

TABLE: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "services/gateway/dashboard/tests/formats.json").read_text(encoding="utf-8")
)
OF_NUMBERS: dict[str, Callable[..., str]] = {
    "whole": formats.whole,
    "decimal": formats.decimal,
    "compact": formats.compact,
    "money": formats.money,
    "money_compact": formats.money_compact,
    "percent": formats.percent,
}
OF_DAYS: dict[str, Callable[..., str]] = {
    "day_short": formats.day_short,
    "day_long": formats.day_long,
    "day_month": formats.day_month,
    "month_long": formats.month_long,
    "month_short": formats.month_short,
}


def test_every_row_of_the_table_is_looked_at():
    assert TABLE.keys() == OF_NUMBERS.keys() | OF_DAYS.keys() | {"range"}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_are_printed_as_the_page_prints_them(name: str):
    for row in TABLE[name]:
        assert {language: OF_NUMBERS[name](language, row["value"]) for language in LANGUAGES} == {
            language: row[language] for language in LANGUAGES
        }


@pytest.mark.parametrize("name", OF_DAYS)
def test_days_are_printed_as_the_page_prints_them(name: str):
    for row in TABLE[name]:
        day = date.fromisoformat(row["value"])
        assert [OF_DAYS[name](language, day) for language in LANGUAGES] == [row[language] for language in LANGUAGES]


def test_a_range_names_the_year_once_when_both_days_share_it():
    for row in TABLE["range"]:
        start, end = date.fromisoformat(row["from"]), date.fromisoformat(row["to"])
        assert [formats.day_range(language, start, end) for language in LANGUAGES] == [
            row[language] for language in LANGUAGES
        ]


def test_an_instant_is_told_by_almatys_clock_which_was_another_before_march_2024():
    assert formats.instant("kk", datetime(2021, 6, 9, 18, 30, tzinfo=UTC)) == "2021\u00a0ж. 10\u00a0маусым, 00:30"
    assert formats.instant("en", datetime(2024, 6, 9, 18, 30, tzinfo=UTC)) == "9\u00a0June 2024, 23:30"


@pytest.mark.parametrize(("minutes", "hours"), [(0, 0), (29, 0), (30, 1), (89, 1), (90, 2), (-90, -2)])
def test_hours_are_whole(minutes: int, hours: int):
    assert formats.hours(minutes) == hours
