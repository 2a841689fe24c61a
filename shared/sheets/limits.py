"""What a sheet is, how large it may be, and what is said of one that cannot be taken."""

from shared.errors import Malformed, RuleBroken

CSV_TYPE = "text/csv"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
BINARY = (ZIP, OLE)
"""How workbooks begin, the new and the old or encrypted ones."""
FILE_BYTES_MAX = 32 * 1024 * 1024
ROWS_MAX = 100_000
COLUMNS_MAX = 100
CELLS_MAX = 4_000_000
"""Of the rectangle from the first to the last: a reader has all of them in memory."""
CELL_LETTERS_MAX = 5_000
"""What is longer is cut: no field takes as much, so its row is refused anyway."""


Row = tuple[int, list[str | None]]
"""A row's number in its file, from 1, and its cells; None is a formula."""


class SheetUnreadable(Malformed):
    """The file is not a CSV or XLSX file that can be read; save it anew from your spreadsheet program."""


class OldOrProtectedWorkbook(RuleBroken):
    """The workbook is of the old kind (XLS) or has a password; save it as XLSX without one."""


class MacrosInside(RuleBroken):
    """The workbook holds macros; save it as a plain XLSX or as CSV."""


class SheetTooLarge(RuleBroken):
    """The sheet is larger than is taken at once: 100 000 rows, 100 columns, 4 million cells; send it in parts."""


class SheetEmpty(RuleBroken):
    """There is nothing in the first sheet of the file."""


REFUSALS = {
    kind.code(): kind for kind in (SheetUnreadable, OldOrProtectedWorkbook, MacrosInside, SheetTooLarge, SheetEmpty)
}
