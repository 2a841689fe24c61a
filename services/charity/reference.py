"""Reference data shipped with the service, in three languages: why a family or person is socially vulnerable."""

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


def _categories() -> dict[str, Category]:
    with (_FOLDER / "categories.csv").open(encoding="utf-8") as file:
        return {row["code"]: Category.model_validate(row) for row in csv.DictReader(file)}


CATEGORIES = _categories()
