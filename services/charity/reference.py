"""Reference data shipped with the service, in three languages: socially vulnerable groups, and what figures mean."""

import csv
from pathlib import Path

from pydantic import BaseModel

_FOLDER = Path(__file__).with_name("reference")


class Category(BaseModel):
    """A socially vulnerable group (Housing Law of 1997, article 68). A family or person may belong to several."""

    code: str
    of: str
    """`family` where only a family as a whole can belong to it, else `any`."""
    kk: str
    ru: str
    en: str


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


CATEGORIES = {category.code: category for category in (Category.model_validate(row) for row in _rows("categories.csv"))}
DEFINITIONS = {row.pop("figure"): row for row in _rows("definitions.csv")}
"""What each figure of a tally counts, in `kk`, `ru`, `en`."""
