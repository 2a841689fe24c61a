"""Sheets for people to open: no cell of them is ever a formula, whatever was typed into it (OWASP, CSV injection)."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from shared.sheets.limits import CELL_LETTERS_MAX

XLSX_ROWS_MAX = 20_000
"""A workbook is put together in memory: more rows go out as CSV."""
_BEGINS_A_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n|%＝＋－＠％｜]")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 .,]*")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_WIDTH_MAX, _WIDTH_MIN = 40, 12

Cells = Sequence[str | None]


def harmless(text: str) -> str:
    """As a cell of a CSV file: an apostrophe before what a program would calculate, but not before +7 701 … or -5."""
    if _BEGINS_A_FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def without_apostrophe(text: str) -> str:
    """What `harmless` was given: a file that we wrote comes back corrected."""
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text


def csv_file(rows: Iterable[Cells]) -> bytes:
    """Separated by semicolons, in UTF-8 with a mark: so Excel opens it by a double click, in Kazakh and Russian too."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";")
    writer.writerows([harmless(cell or "") for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def xlsx_file(rows: Iterable[Cells], *, sheet: str) -> bytes:
    """One sheet of texts; its first row is the heading, bold and always in sight."""
    # Few processes ever write a workbook.
    import xlsxwriter  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]

    out = io.BytesIO()
    as_they_are = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    # In memory: its temporary files would hold personal data in clear.
    with xlsxwriter.Workbook(out, {"in_memory": True, **as_they_are}) as opened:
        book: Any = opened
        # As texts, or a program would take the zeros off an IIN that is typed in.
        as_text, bold = book.add_format({"num_format": "@"}), book.add_format({"bold": True, "num_format": "@"})
        page = book.add_worksheet(sheet)
        page.freeze_panes(1, 0)
        for number, row in enumerate(rows):
            if number == 0:
                for column, cell in enumerate(row):
                    width = min(max(len(cell or "") + 2, _WIDTH_MIN), _WIDTH_MAX)
                    page.set_column(column, column, width, as_text)
            for column, cell in enumerate(row):
                text = _CONTROLS.sub("", cell or "")[:CELL_LETTERS_MAX]
                if text:
                    page.write_string(number, column, text, bold if number == 0 else as_text)
    return out.getvalue()
