"""The plain page says the same as the dashboard, without a script, in three languages."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from services.gateway import plain
from services.gateway.words import WORDS
from shared.languages import LANGUAGES, Language

FIGURES = {
    "volunteers_registered": 2013,
    "volunteers_declared": 10_000,
    "volunteer_centres": 30,
    "friendship_houses": 40,
    "organisations": 5,
    "coordinators": 150,
    "events_held": 3412,
    "events_coming": 0,
    "hours_minutes": 1_843_200,
    "money_net_minor": 85_064_000_000,
    "money_disbursed_minor": 61_200_000_000,
    "money_on_hand_minor": 23_864_000_000,
    "goods_value_minor": 0,
    "deliveries": 21_934,
    "families_helped": 16_552,
    "people_helped": 87_115,
}
COUNTRY = {"code": "kz", "name": {"kk": "Қазақстан", "ru": "Казахстан", "en": "Kazakhstan"}}


def state(**changes: Any) -> dict[str, Any]:
    """The country's state in 2021 with one region and one campaign."""
    return {
        "scope": {**COUNTRY, "kind": "country", "path": []},
        "period": {"from": "2021-01-01", "to": "2021-12-31"},
        "revision": 1,
        "as_of": "2026-11-22T05:42:07.123456Z",
        "today": "2026-11-22",
        "figures": FIGURES,
        "hidden": [],
        "regions": [{"code": "KZ-75", **FIGURES, "families_helped": None, "hidden": ["families_helped"]}],
        "centres": [],
        "campaigns": [
            {
                "id": "0197a000-0000-7000-8000-000000000001",
                "title": {"kk": "«Сарқыт»"},
                "status": "open",
                "goal_minor": None,
                "received_minor": 9_800_000_000,
                "disbursed_minor": 4_900_000_000,
                "families_helped": 2204,
                "deliveries": 2504,
                "hidden": [],
            }
        ],
        "series": {"days": ["2021-06-09"]},
        "ticker": [],
        **changes,
    }


class Text(HTMLParser):
    """The page as text; attributes by element for what the reader does not see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def links(self) -> list[str | None]:
        return [attributes.get("href") for tag, attributes in self.elements if tag == "a"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_prints_the_exact_figures(language: Language):
    page = Text(plain.render(state(), language))

    values = {a["data-figure"]: a["data-value"] for _, a in page.elements if "data-figure" in a}
    assert values == {name: str(value) for name, value in FIGURES.items()}
    assert page.elements[0] == ("html", {"lang": language})
    assert WORDS[language].figures["families_helped"] in page.text
    assert ("850,640,000" if language == "en" else "850 640 000") in page.text


def test_the_three_languages_name_the_same_figures():
    assert WORDS["kk"].figures.keys() == WORDS["ru"].figures.keys() == WORDS["en"].figures.keys() == FIGURES.keys()


def test_links_keep_the_place_and_the_period():
    links = Text(plain.render(state(), "kk")).links()

    assert "/plain/ru/?scope=kz&from=2021-01-01&to=2021-12-31" in links
    assert "/plain/kk/?scope=KZ-75&from=2021-01-01&to=2021-12-31" in links
    assert "/kk/?scope=kz&from=2021-01-01&to=2021-12-31" in links


def test_the_page_reloads_itself_until_it_is_told_to_stand_still():
    moving = plain.render(state(), "en")
    still = plain.render(state(), "en", still=True)

    assert '<meta http-equiv="refresh" content="30">' in moving
    assert "/plain/en/?scope=kz&from=2021-01-01&to=2021-12-31&still=1" in Text(moving).links()
    assert "refresh" not in still
    assert "/plain/en/?scope=KZ-75&from=2021-01-01&to=2021-12-31&still=1" in Text(still).links()
    assert "/en/?scope=kz&from=2021-01-01&to=2021-12-31" in Text(still).links()


def test_what_is_withheld_is_fewer_than_five_and_what_is_unknown_a_dash():
    page = Text(plain.render(state(), "ru"))

    assert "<5" in page.words
    assert "–" in page.words
    assert WORDS["ru"].few in page.text


def test_an_empty_place_says_so():
    nothing = dict.fromkeys(FIGURES, 0)
    page = Text(plain.render(state(figures=nothing, series={"days": []}, regions=[], campaigns=[], as_of=None), "en"))

    assert WORDS["en"].empty in page.text


def test_a_centre_has_a_way_back_and_no_centres_of_its_own():
    region = {"code": "KZ-75", "name": {"kk": "Алматы қаласы"}}
    scope = {"code": "centre:x", "kind": "centre", "name": {"kk": "Достық үйі", "ru": ""}, "path": [COUNTRY, region]}
    page = Text(plain.render(state(scope=scope, regions=[], campaigns=[]), "ru"))

    assert "/plain/ru/?scope=KZ-75&from=2021-01-01&to=2021-12-31" in page.links()
    assert "Достық үйі" in page.text
    assert WORDS["ru"].figures["volunteer_centres"] not in page.text


def test_a_name_cannot_bring_markup_along():
    scope = {**COUNTRY, "kind": "country", "path": [], "name": {"en": "<script>alert(1)</script>"}}

    assert "<script" not in plain.render(state(scope=scope), "en")


def test_the_page_needs_no_script_and_no_style_of_its_own():
    html = plain.render(state(), "kk")

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", html)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2021-01-01", "2021-12-31", "1\u00a0Jan – 31\u00a0Dec 2021"),
        ("2021-06-09", None, "since 9\u00a0June 2021"),
        (None, "2021-06-09", "until 9\u00a0June 2021"),
        (None, None, "All time"),
    ],
)
def test_the_period_is_told_in_words(start: str | None, end: str | None, words: str):
    assert plain.period_words("en", WORDS["en"], {"from": start, "to": end}) == words
