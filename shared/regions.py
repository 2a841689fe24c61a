"""The regions of Kazakhstan: ISO 3166-2 codes, names in three languages, and since when they exist."""

import csv
from datetime import date
from pathlib import Path

from pydantic import BaseModel


class Region(BaseModel):
    """An oblast or a city of republican significance."""

    code: str
    kk: str
    ru: str
    en: str
    kind: str
    """`oblast` or `city`."""
    time_zone: str
    valid_from: date | None
    """Three oblasts exist since 2022-06-08; the others for as long as the figures go."""
    formed_from: str | None
    """The region that it was a part of before."""

    @property
    def name(self) -> dict[str, str]:
        return {"kk": self.kk, "ru": self.ru, "en": self.en}

    def exists(self, on: date) -> bool:
        return self.valid_from is None or self.valid_from <= on


def _read() -> dict[str, Region]:
    with Path(__file__).with_name("regions.csv").open(encoding="utf-8") as file:
        rows = ({key: value or None for key, value in row.items()} for row in csv.DictReader(file))
        return {region.code: region for region in map(Region.model_validate, rows)}


REGIONS = _read()
