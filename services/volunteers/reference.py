"""Reference data shipped with the service, in three languages: directions of work."""

import csv
from pathlib import Path

from pydantic import BaseModel

_FOLDER = Path(__file__).with_name("reference")


class Direction(BaseModel):
    """A direction of a centre's work."""

    code: str
    kk: str
    ru: str
    en: str


def _rows(name: str) -> list[dict[str, str | None]]:
    with (_FOLDER / name).open(encoding="utf-8") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


DIRECTIONS = {direction.code: direction for direction in (Direction.model_validate(r) for r in _rows("directions.csv"))}
