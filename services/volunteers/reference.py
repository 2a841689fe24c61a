"""Reference data shipped with the service, in three languages: the regions of Kazakhstan and directions of work."""

import csv
from datetime import date
from pathlib import Path

from pydantic import BaseModel

_FOLDER = Path(__file__).with_name("reference")


class Region(BaseModel):
    """A region or city of republican significance, by its ISO 3166-2 code."""

    code: str
    kk: str
    ru: str
    en: str
    kind: str
    time_zone: str
    valid_from: date | None
    """Three oblasts exist since 2022-06-08; the others for as long as the figures go."""
    formed_from: str | None


class Direction(BaseModel):
    """A direction of a centre's work."""

    code: str
    kk: str
    ru: str
    en: str


def _rows(name: str) -> list[dict[str, str | None]]:
    with (_FOLDER / name).open(encoding="utf-8") as file:
        return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]


REGIONS = {region.code: region for region in (Region.model_validate(row) for row in _rows("regions.csv"))}
DIRECTIONS = {direction.code: direction for direction in (Direction.model_validate(r) for r in _rows("directions.csv"))}
