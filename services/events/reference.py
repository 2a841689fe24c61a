"""Reference data shipped with the service, in three languages: the formats of events."""

import csv
from pathlib import Path

from pydantic import BaseModel

_FOLDER = Path(__file__).with_name("reference")


class Format(BaseModel):
    """What kind of happening an event is."""

    code: str
    kk: str
    ru: str
    en: str


def _formats() -> list[Format]:
    with (_FOLDER / "formats.csv").open(encoding="utf-8") as file:
        return [Format.model_validate(row) for row in csv.DictReader(file)]


FORMATS = {format_.code: format_ for format_ in _formats()}
