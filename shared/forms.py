"""The types that request forms are made of: strict where pydantic is lenient, and safe to store.

FastAPI validates parsed JSON in lax mode, which takes `true` and `"100"` for numbers, `1700000000` for an instant
and Arabic-Indic digits for digits. These types do not.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from shared import clock
from shared.words import wrong_in

wrong = wrong_in(__name__)
"""Makes an error of a field; its code has words in `fields.csv`."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Unicode's bidirectional controls can make a name read as another one.
_FORBIDDEN_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


class Form(BaseModel):
    """What a caller sends. Unknown fields are refused, so that a misspelt one is never silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """What a caller is shown."""

    model_config = ConfigDict(from_attributes=True)

    version_tells_all: ClassVar[bool] = True
    """Whether two views of one `version` are the same. If not, a caller who has one is still sent the other."""


def _clean(text: str) -> str:
    if _FORBIDDEN_CONTROLS.search(text):
        raise wrong("control_characters")
    return unicodedata.normalize("NFC", text)


def _written_as(pattern: re.Pattern[str], example: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, str | date) or (isinstance(value, str) and not pattern.fullmatch(value)):
            raise wrong("not_written_so", example=example)
        return value

    return BeforeValidator(check)


def _not_in_the_future(day: date) -> date:
    # A day of grace: the clocks of callers differ, and Almaty is ahead of UTC.
    if day > clock.civil_day(clock.now()) + timedelta(days=1):
        raise wrong("in_the_future")
    return day


def _in_utc(instant: datetime) -> datetime:
    # Checked before it is converted: the first and the last year have no neighbour to fall into.
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise wrong("year_out_of_range", first=_FIRST_YEAR, last=_LAST_YEAR)
    return instant.astimezone(UTC)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_clean)]
LongText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000), AfterValidator(_clean)
]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$"), Field(examples=["ecology"])]
RegionCode = Annotated[str, StringConstraints(pattern=r"^KZ-[0-9]{2}$"), Field(examples=["KZ-75"])]
WholeNumber = Annotated[int, Field(strict=True, ge=0, le=2_000_000_000)]
Flag = Annotated[bool, Field(strict=True)]
Instant = Annotated[AwareDatetime, _written_as(_INSTANT, "2026-11-22T10:42:00+05:00"), AfterValidator(_in_utc)]
"""RFC 3339 with its offset; naive times are refused. Kept and shown in UTC."""
Day = Annotated[
    date,
    _written_as(_DAY, "2026-11-22"),
    Field(ge=date(_FIRST_YEAR, 1, 1), le=date(_LAST_YEAR, 12, 31)),
    # JSON Schema has no greatest day.
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A civil day in Almaty."""
PastDay = Annotated[Day, AfterValidator(_not_in_the_future)]
"""A civil day that is not in the future: papers are entered late, never early."""


class Trilingual(Form):
    """A text in the three languages of the network. Kazakh is required; the others fall back to it."""

    kk: Text
    ru: Text | None = None
    en: Text | None = None

    def filled(self) -> dict[str, str]:
        return {"kk": self.kk, "ru": self.ru or self.kk, "en": self.en or self.ru or self.kk}


OptionalId = Annotated[
    UUID | None,
    Field(description="Made by the caller (UUIDv7), so that a repeat is recognised; made by the service when absent."),
]
