"""CSV as spreadsheet programs of this country save it: UTF-8 with or without a mark, UTF-16, Windows code pages."""

import csv
import io
import re
from collections.abc import Iterator

from charset_normalizer import from_bytes

from shared.sheets.limits import COLUMNS_MAX, ROWS_MAX, Row, SheetTooLarge, SheetUnreadable

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_WINDOWS, _KAZAKH = "cp1251", "kz1048"
_KAZAKH_ONLY = frozenset("ҚқӘәҢңҺһ".encode(_KAZAKH))
"""Where Windows-1251 has letters of Serbian and Macedonian; Ұ, Ү, Ө, Ғ share theirs with Belarusian and Ukrainian."""
_SAMPLE_BYTES = 64 * 1024
_SEPARATORS = ";,\t"
_LETTERS_LOOKED_AT = 20_000
_QUOTED = re.compile(r'"[^"]*"')


def rows(content: bytes) -> Iterator[Row]:
    """The records.

    Raises:
        SheetUnreadable, SheetTooLarge
    """
    text = decoded(content)
    if "\0" in text:
        raise SheetUnreadable
    separator, text = _separator(text)
    try:
        for number, record in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator), 1):
            if number > ROWS_MAX + 1 or len(record) > COLUMNS_MAX:
                raise SheetTooLarge
            yield number, list(record)
    except csv.Error as error:
        raise SheetUnreadable from error


def decoded(content: bytes) -> str:
    """Raises: SheetUnreadable."""
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    try:
        return content.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        if marked is not None:
            raise SheetUnreadable from error
    best = from_bytes(content[:_SAMPLE_BYTES], cp_isolation=[_WINDOWS, _KAZAKH]).best()
    if best is None:
        raise SheetUnreadable
    # The two differ in some letters only, and no statistics of a list of names tells them apart.
    encoding = _KAZAKH if _KAZAKH_ONLY & set(content) else _WINDOWS
    return content.decode(encoding, errors="replace")


def _separator(text: str) -> tuple[str, str]:
    """What separates the cells, and the text without the line by which Excel is told."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        return first[4], rest
    beginning = [_QUOTED.sub("", line) for line in text[:_LETTERS_LOOKED_AT].splitlines()]
    return max(_SEPARATORS, key=lambda separator: max((line.count(separator) for line in beginning), default=0)), text
