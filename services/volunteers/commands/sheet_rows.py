"""A row of a coordinator's sheet becomes a registration: headings, words and days are read as people write them."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from services.volunteers import domain
from services.volunteers.reference import FIELD_OF_HEADING, NAME_PARTS, VALUE_OF_WORD, plain
from services.volunteers.schemas import RegisterVolunteer
from shared.ids import keyed_id
from shared.sealed import Seal
from shared.sheets.limits import Row
from shared.sheets.writing import without_apostrophe

HEADING_WITHIN_ROWS = 10
"""Above it there may be a title, a logo's row, a date."""
_DAY_FIRST = re.compile(r"([0-9]{1,2})[./-]([0-9]{1,2})[./-]([0-9]{4})(?: ?[гж]\.?)?")
_YEAR_FIRST = re.compile(r"([0-9]{4})[./-]([0-9]{1,2})[./-]([0-9]{1,2})(?:[T ][0-9:.]+)?")
_IIN_DIGITS = range(9, 12)
"""How many are left of an IIN whose beginning zeros a spreadsheet program took for nothing."""

Columns = Sequence[str | None]
"""The field that each column fills; None for one that is not recognised."""


def recognised(rows: Sequence[Row]) -> tuple[int, Columns]:
    """Which of the first rows is the heading, and what its columns fill.

    Raises:
        HeadingsNotRecognised: none names a person and something else about them.
    """
    for index, (_, cells) in enumerate(rows[:HEADING_WITHIN_ROWS]):
        columns: list[str | None] = []
        for cell in cells:
            field = FIELD_OF_HEADING.get(plain(cell or ""))
            # Of two columns with one meaning the first is taken.
            columns.append(field if field not in columns else None)
        found = set(columns) - {None}
        if found & {"full_name", *NAME_PARTS} and found - {"full_name", *NAME_PARTS}:
            return index, columns
    raise domain.HeadingsNotRecognised


def registration_of(
    cells: Sequence[str | None], columns: Columns, defaults: Mapping[str, Any], centres: Mapping[str, UUID | None]
) -> RegisterVolunteer:
    """The form that a row fills in. `defaults`: what goes for all rows, as JSON has it.

    `centres`: ids by the plain name, None where several have it.

    Raises:
        FormulaInCell, LettersLost, CentreUnknown, DirectionUnknown
        ValidationError: the form is not as it must be.
    """
    said: dict[str, Any] = {field: _READ.get(field, str)(text) for field, text in _said(cells, columns).items()}
    if "centre_id" in said:
        said["centre_id"] = _centre(said["centre_id"], centres)
    parts = [said.pop(part) for part in NAME_PARTS if part in said]
    full_name = said.setdefault("full_name", " ".join(parts))
    if "?" in full_name:
        raise domain.LettersLost(pointer="/full_name")
    values = {**defaults, **said}
    consent = {name.removeprefix("consent_"): values.pop(name) for name in list(values) if name.startswith("consent_")}
    return RegisterVolunteer.model_validate({**values, "consent": consent})


def identified(form: RegisterVolunteer, seal: Seal) -> RegisterVolunteer:
    """With an id made of whom it registers, so that the same person in the same or another file is the same row."""
    whom = form.iin or form.phone or form.email or f"{plain(form.full_name)}|{form.born_on}|{form.centre_id}"
    return form.model_copy(update={"id": keyed_id(seal.index(whom, place="volunteer.import"))})


def day(text: str) -> str:
    """A day as the form wants it, of the ways in which people write one; another text as it is."""
    if found := _DAY_FIRST.fullmatch(text):
        return f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}"
    if found := _YEAR_FIRST.fullmatch(text):
        return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    return text


def _said(cells: Sequence[str | None], columns: Columns) -> dict[str, str]:
    said: dict[str, str] = {}
    for field, cell in zip(columns, cells, strict=False):
        if field is None:
            continue
        if cell is None:
            raise domain.FormulaInCell(pointer=f"/{field}")
        if text := without_apostrophe(cell):
            said[field] = text
    return said


def _word(field: str, text: str) -> str:
    """The value that a word stands for; the word itself where the form will say what is wrong with it."""
    return _value(field, text) or text


@lru_cache(maxsize=4096)
def _value(field: str, text: str) -> str | None:
    # The same few words stand in every row.
    return VALUE_OF_WORD.get((field, plain(text)))


def _items(text: str) -> list[str]:
    return [item.strip() for item in re.split(r"[,;\n]", text) if item.strip()]


def _directions(text: str) -> list[str]:
    found = [_value("directions", item) for item in _items(text)]
    if None in found:
        raise domain.DirectionUnknown(pointer="/directions")
    return [direction for direction in found if direction]


def _iin(text: str) -> str:
    return text.zfill(12) if text.isdecimal() and len(text) in _IIN_DIGITS else text


def _centre(text: str, centres: Mapping[str, UUID | None]) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        pass
    found = centres.get(plain(text))
    if found is None:
        raise domain.CentreUnknown(pointer="/centre_id")
    return str(found)


_READ: dict[str, Callable[[str], Any]] = {
    "born_on": day,
    "applied_on": day,
    "consent_given_on": day,
    "iin": _iin,
    "directions": _directions,
    "skills": _items,
    "languages_spoken": lambda text: [_word("language", item) for item in _items(text)],
    "language": partial(_word, "language"),
    "consent_how": partial(_word, "consent_how"),
    "consent_by": partial(_word, "consent_by"),
}
