"""Reads one file in a process of its own: `python -m shared.sheets.reading`, the file in, pages of rows out as JSON.

Whatever a file does to its reader, a library in another language among it, happens to this process, whose memory and
time the kernel limits. What goes out is one line per page, `[[number, [cell, …]], …]`, then `{"done": true}`; or
`{"refused": code}`.
"""

import resource
import sys
from collections.abc import Iterator

import orjson

from shared.errors import Refusal
from shared.sheets import text, workbook
from shared.sheets.limits import CELL_LETTERS_MAX, OLE, ZIP, OldOrProtectedWorkbook, Row, SheetEmpty

MEMORY_BYTES_MAX = 1024 * 1024 * 1024
"""Of address space; what a sheet of the largest size takes is a fifth of it."""
CPU_S_MAX = 30
PAGE_ROWS_MAX = 500
PAGE_LETTERS_MAX = 500_000


def pages(content: bytes) -> Iterator[list[Row]]:
    """All rows in which something is written.

    Raises:
        SheetUnreadable, OldOrProtectedWorkbook, MacrosInside, SheetTooLarge, SheetEmpty
    """
    # By what it is, not by what it is called.
    if content.startswith(OLE):
        raise OldOrProtectedWorkbook
    read = workbook.rows if content.startswith(ZIP) else text.rows
    page: list[Row] = []
    letters = 0
    empty = True
    for number, cells in read(content):
        row = [None if cell is None else cell.strip()[:CELL_LETTERS_MAX] for cell in cells]
        if not any(cell is None or cell for cell in row):
            continue
        empty = False
        page.append((number, row))
        letters += sum(len(cell or "") for cell in row)
        if len(page) == PAGE_ROWS_MAX or letters > PAGE_LETTERS_MAX:
            yield page
            page, letters = [], 0
    if page:
        yield page
    if empty:
        raise SheetEmpty


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    # A core file would hold what the sheet holds.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        for page in pages(sys.stdin.buffer.read()):
            sys.stdout.buffer.write(orjson.dumps(page) + b"\n")
        answer = {"done": True}
    except Refusal as refusal:
        answer = {"refused": refusal.code()}
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")


if __name__ == "__main__":
    main()
