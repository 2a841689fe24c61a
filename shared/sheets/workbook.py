"""XLSX as a zip of XML: what it would unpack to is judged before it is unpacked, and formulas are found.

calamine shows the result of a formula, and 0 where none was stored with it, so the sheet's XML is looked through first.
"""

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

# A document with a DTD is refused at its first line, so no entity of its own is ever expanded.
from xml.parsers import expat

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from shared.sheets.limits import (
    CELLS_MAX,
    COLUMNS_MAX,
    ROWS_MAX,
    MacrosInside,
    Row,
    SheetEmpty,
    SheetTooLarge,
    SheetUnreadable,
)

UNPACKED_BYTES_MAX = 160 * 1024 * 1024
"""A sheet of 100 000 rows and a dozen columns unpacks to some 100 MB."""
MEMBERS_MAX = 500
_CHUNK_BYTES = 256 * 1024
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def rows(content: bytes) -> Iterator[Row]:
    """The first visible sheet's rows.

    Raises:
        SheetUnreadable, MacrosInside, SheetTooLarge, SheetEmpty
    """
    formulas, first_column = _looked_through(content)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as book:
            sheet = book.get_sheet_by_name(_first_visible(book.sheets_metadata))
            for index, cells in enumerate(sheet.iter_rows()):
                texts: list[str | None] = [as_text(cell) for cell in cells]
                for column in formulas.get(index, ()):
                    if 0 <= column - first_column < len(texts):
                        texts[column - first_column] = None
                yield index + 1, texts
    except (CalamineError, ValueError, OSError) as error:
        raise SheetUnreadable from error


def as_text(cell: Any) -> str:
    """A cell as people would write it: a phone or an IIN is not a fraction, a day has no midnight."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
        case _:
            return str(cell)


def _first_visible(sheets: list[Any]) -> str:
    for sheet in sheets:
        if sheet.visible == SheetVisibleEnum.Visible:
            return str(sheet.name)
    raise SheetEmpty


def _looked_through(content: bytes) -> tuple[dict[int, list[int]], int]:
    """Where formulas stand in the sheet that is read, by row, and its first column that is not empty."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX or sum(member.file_size for member in members) > UNPACKED_BYTES_MAX:
                raise SheetTooLarge
            names = {member.filename for member in members}
            if len(names) < len(members) or any(_leads_outside(name) for name in names):
                raise SheetUnreadable
            if any(name.lower().endswith("vbaproject.bin") for name in names):
                raise MacrosInside
            # Read to its end, a member that is larger than it says, or another one, fails its checksum.
            for member in members:
                with archive.open(member) as file:
                    while file.read(_CHUNK_BYTES):
                        pass
            content_types = archive.read("[Content_Types].xml")
            if b"macroEnabled" in content_types:
                raise MacrosInside
            scan = _Scan()
            with archive.open(_first_sheet(archive)) as file:
                scan.read(file)
    except (zipfile.BadZipFile, zlib.error, KeyError, RuntimeError, NotImplementedError, expat.ExpatError) as error:
        raise SheetUnreadable from error
    if scan.empty:
        raise SheetEmpty
    return scan.formulas, scan.first_column


def _leads_outside(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name)


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """The member that holds the first visible sheet."""
    targets = {
        attributes.get("Id"): attributes.get("Target", "")
        for name, attributes in _elements(archive.read("xl/_rels/workbook.xml.rels"))
        if name == "Relationship"
    }
    for name, attributes in _elements(archive.read("xl/workbook.xml")):
        if name == "sheet" and attributes.get("state", "visible") == "visible":
            own = next((value for key, value in attributes.items() if key.rpartition(":")[2] == "id"), None)
            return posixpath.normpath(posixpath.join("/xl", targets[own])).lstrip("/")
    raise SheetEmpty


def _elements(content: bytes) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser = _parser()
    parser.StartElementHandler = lambda name, attributes: found.append((_local(name), attributes))
    parser.Parse(content, True)
    return found


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: Any) -> None:
    raise SheetUnreadable


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Scan:
    """One look through a sheet's XML, in chunks."""

    def __init__(self) -> None:
        self.formulas: dict[int, list[int]] = {}
        self.first_column = COLUMNS_MAX
        self.empty = True
        self._row = self._column = self._last_column = -1

    def read(self, file: Any) -> None:
        parser = _parser()
        parser.StartElementHandler = self._begin
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "row":
                said = attributes.get("r", "")
                self._row = int(said) - 1 if said.isdecimal() else self._row + 1
                self._column = -1
            case "c":
                place = _CELL.fullmatch(attributes.get("r", ""))
                if place is None:
                    self._column += 1
                else:
                    self._row, self._column = int(place[2]) - 1, _column(place[1])
            # Only what is in a cell counts: many workbooks have empty ones with a format down to the last row.
            case "v" | "is":
                self._note()
            case "f":
                self._note()
                self.formulas.setdefault(self._row, []).append(self._column)
            case _:
                pass

    def _note(self) -> None:
        self.first_column = min(self.first_column, self._column)
        self._last_column = max(self._last_column, self._column)
        self.empty = False
        if (
            self._row > ROWS_MAX
            or self._column >= COLUMNS_MAX
            or self._row * (self._last_column - self.first_column + 1) > CELLS_MAX
        ):
            raise SheetTooLarge


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
