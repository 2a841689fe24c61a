"""The plain page: the same state without a script, for old phones, slow lines, and where nothing was built."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import jinja2
import orjson
from fastapi import Request
from fastapi.responses import HTMLResponse

from services.gateway import formats
from services.gateway.formats import UNKNOWN
from services.gateway.words import TEXTS, WORDS, Words
from shared.languages import LANGUAGES, Language
from shared.regions import REGIONS

FEW = "<5"

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)
_PLAIN = _TEMPLATES.get_template("plain.html")
_NOT_OF = {
    "campaign": {
        "volunteers_registered",
        "volunteers_declared",
        "coordinators",
        "volunteer_centres",
        "friendship_houses",
        "organisations",
        "hours_minutes",
    },
    "centre": {"volunteer_centres", "friendship_houses", "organisations"},
}
"""A campaign has no volunteers of its own, a centre no centres: what does not apply has no row."""


class Urls:
    """The addresses on the page; each keeps the period, and whether the page stands still."""

    stylesheet = "/pages/plain.css"

    def __init__(self, state: Mapping[str, Any], language: Language, *, still: bool) -> None:
        period: dict[str, str | None] = state["period"]
        self._days = {end: day for end, day in period.items() if day}
        self._scope: str = state["scope"]["code"]
        self._still = still
        self.here = f"/plain/{language}/"
        self.dashboard = f"/{language}/{self._query(still=False)}"
        self.account = f"/{language}/account"
        self.sign_in = f"/{language}/sign-in?" + urlencode({"next": self.here + self._query(still=still)})
        self.languages = {other: f"/plain/{other}/{self._query(still=still)}" for other in LANGUAGES}
        self.otherwise = self.here + self._query(still=not still)
        """The same page, standing still where this one reloads, and the other way round."""

    def scope(self, code: str) -> str:
        """The plain page of another place."""
        return self.here + self._query(code, still=self._still)

    def _query(self, scope: str | None = None, *, still: bool) -> str:
        words = {"scope": scope or self._scope, **self._days, **({"still": "1"} if still else {})}
        return "?" + urlencode(words, safe=":")


def page(state: bytes, language: str, request: Request) -> HTMLResponse:
    """The page of an encoded state."""
    # The route lets no other word through.
    known = cast("Language", language)
    still = "still" in request.query_params
    signed_in = request.state.known.account_id is not None
    html = render(orjson.loads(state), known, still=still, signed_in=signed_in)
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


def render(state: Mapping[str, Any], language: Language, *, still: bool = False, signed_in: bool = False) -> str:
    """The HTML of a state, the same document that `/v1/dashboard` answers with; `still` does not reload itself."""
    words = WORDS[language]

    def named(name: Mapping[str, str]) -> str:
        return next((name[known] for known in (language, "ru", "kk", "en") if name.get(known)), UNKNOWN)

    def figure_of(values: Mapping[str, Any], figure: str) -> str:
        return printed(language, figure, _value(values, figure))

    def exact_of(values: Mapping[str, Any], figure: str) -> int | str:
        found = _value(values, figure)
        return "" if found is None else found

    def tenge(minor: int | None) -> str:
        return UNKNOWN if minor is None else formats.money(language, minor)

    def at(text: str) -> str:
        return formats.instant(language, datetime.fromisoformat(text))

    scope = state["scope"]
    return _PLAIN.render(
        state=state,
        lang=language,
        words=words,
        urls=Urls(state, language, still=still),
        still=still,
        signed_in=signed_in,
        texts=TEXTS[language],
        language_names={known: WORDS[known].language_name for known in LANGUAGES},
        place=named(scope["name"]),
        period=period_words(language, words, state["period"]),
        shown=words.figures.keys() - _NOT_OF.get(scope["kind"], set()),
        columns=_columns(words),
        regions=[_part(row["code"], REGIONS[row["code"]].name, row) for row in state["regions"]],
        centres=[_part(f"centre:{row['id']}", row["name"], row) for row in state["centres"]],
        empty=not (state["series"]["days"] or state["hidden"] or any(state["figures"].values())),
        withheld=any(row["hidden"] for row in (state, *state["regions"], *state["centres"], *state["campaigns"])),
        named=named,
        figure_of=figure_of,
        exact_of=exact_of,
        tenge=tenge,
        at=at,
    )


def printed(language: Language, figure: str, value: int | str | None) -> str:
    """A figure's exact text in its own unit; "<5" where it is withheld, a dash where there is none."""
    if value is None or isinstance(value, str):
        return value or UNKNOWN
    if figure.endswith("_minor"):
        return formats.money(language, value)
    return formats.whole(language, formats.hours(value) if figure == "hours_minutes" else value)


def period_words(language: Language, words: Words, period: Mapping[str, str | None]) -> str:
    """The days in words."""
    start, end = (date.fromisoformat(day) if day else None for day in (period["from"], period["to"]))
    if start and end:
        return formats.day_range(language, start, end)
    if start:
        return words.since.format(formats.day_long(language, start))
    return words.until.format(formats.day_long(language, end)) if end else words.all_time


def _value(values: Mapping[str, Any], figure: str) -> int | str | None:
    """From a state or from a row: what is withheld is "<5"."""
    found: int | None = values.get("figures", values).get(figure)
    return FEW if found is None and figure in values.get("hidden", ()) else found


def _part(scope: str, name: Mapping[str, str], figures: Mapping[str, Any]) -> dict[str, Any]:
    return {"scope": scope, "name": name, "figures": figures}


def _columns(words: Words) -> list[dict[str, str]]:
    labels = {
        "volunteers_registered": words.volunteers,
        "events_held": words.events,
        "money_net_minor": words.raised,
        "families_helped": words.families,
        "people_helped": words.people,
        "deliveries": words.deliveries,
    }
    return [{"figure": figure, "label": label} for figure, label in labels.items()]
