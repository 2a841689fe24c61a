"""Reference data shipped with the service, in three languages: directions of work, and the words of people's sheets."""

import csv
import re
import unicodedata
from pathlib import Path

from pydantic import BaseModel

NAME_PARTS = ("last_name", "first_name", "middle_name")
_FOLDER = Path(__file__).with_name("reference")


class Direction(BaseModel):
    """A direction of a centre's work."""

    code: str
    kk: str
    ru: str
    en: str


class Column(BaseModel):
    """A column of a sheet of volunteers: the field that it fills, and what it is called."""

    field: str
    kk: str
    ru: str
    en: str
    also: str | None

    @property
    def in_template(self) -> bool:
        """Not the parts of a name: who has them apart may keep them so, but nobody is asked to."""
        return self.field not in NAME_PARTS

    def name(self, language: str) -> str:
        return str(getattr(self, language))


class CellWord(BaseModel):
    """How people write a value of a field."""

    field: str
    value: str
    kk: str
    ru: str
    en: str
    also: str | None


def plain(text: str) -> str:
    """A heading or word without what people write differently: case, ё, points, brackets and what is in them."""
    bare = re.sub(r"\(.*?\)", " ", unicodedata.normalize("NFC", text).lower().replace("ё", "е"))
    return " ".join(re.sub(r"[^\w]|_", " ", bare).split())


def _spellings(named: Column | CellWord | Direction) -> set[str]:
    also = (getattr(named, "also", None) or "").split("|")
    return {spelling for text in (named.kk, named.ru, named.en, *also) if (spelling := plain(text))}


def _rows(name: str) -> list[dict[str, str | None]]:
    with (_FOLDER / name).open(encoding="utf-8") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


DIRECTIONS = {direction.code: direction for direction in (Direction.model_validate(r) for r in _rows("directions.csv"))}

COLUMNS = [Column.model_validate(row) for row in _rows("columns.csv")]
"""In the order of the template."""
FIELD_OF_HEADING = {spelling: column.field for column in COLUMNS for spelling in _spellings(column)}
_CELL_WORDS = [CellWord.model_validate(row) for row in _rows("cell_words.csv")]
VALUE_OF_WORD = {
    (word.field, spelling): word.value for word in _CELL_WORDS for spelling in (*_spellings(word), plain(word.value))
} | {
    ("directions", spelling): direction.code
    for direction in DIRECTIONS.values()
    for spelling in (*_spellings(direction), plain(direction.code))
}
