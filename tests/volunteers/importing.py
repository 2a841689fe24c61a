"""Sheets of volunteers, and a coordinator who sends them."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import xlsxwriter  # pyright: ignore[reportMissingTypeStubs]
from python_calamine import CalamineWorkbook

from shared.sheets.limits import CSV_TYPE, XLSX_TYPE
from tests.systems import ServiceUnderTest

IMPORTS = "/v1/volunteers/imports"
HEADING = ["Аты-жөні", "Туған күні", "Телефон", "Бағыттар"]
REGISTERED = "volunteers.volunteer.registered.v1"


def row(number: int, **others: str) -> list[str]:
    said = {
        "name": f"Ерікті {number}",
        "born_on": "17.05.1990",
        "phone": f"8 (702) {number:07d}",
        "directions": "экология; Работа с молодёжью",
    } | others
    return list(said.values())


def csv_of(rows: Sequence[Sequence[str]], heading: Sequence[str] = HEADING) -> bytes:
    return "\r\n".join(";".join(f'"{cell}"' for cell in cells) for cells in [heading, *rows]).encode()


def xlsx_of(
    rows: Sequence[Sequence[Any]],
    heading: Sequence[str] = HEADING,
    *,
    formulas: Mapping[tuple[int, int], str] | None = None,
) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "default_date_format": "dd.mm.yyyy"}
    ) as book:
        sheet: Any = book.add_worksheet()  # pyright: ignore[reportUnknownMemberType]
        for number, cells in enumerate([heading, *rows]):
            sheet.write_row(number, 0, cells)
        for (number, column), formula in (formulas or {}).items():
            sheet.write_formula(number, column, formula)
    return out.getvalue()


def cells_of(content: bytes) -> list[list[Any]]:
    if content.startswith(b"PK"):
        return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


class Importing:
    """A coordinator who sends sheets, and the worker that does what they ask for."""

    def __init__(self, service: ServiceUnderTest, centre: str) -> None:
        self.service = service
        self.defaults = {
            "centre_id": centre, "language": "kk", "applied_on": "2021-03-01",
            "consent_version": "2021-1", "consent_given_on": "2021-02-28", "consent_how": "paper",
        }  # fmt: skip

    async def send(self, content: bytes, *, headers: dict[str, str] | None = None, **asked: str) -> Any:
        media_type = XLSX_TYPE if content.startswith(b"PK") else CSV_TYPE
        return await self.service.client.post(
            IMPORTS,
            content=content,
            params={name: value for name, value in (self.defaults | asked).items() if value},
            headers={"Content-Type": media_type} | (headers or {}),
        )

    async def begin(self, content: bytes, **asked: Any) -> str:
        answer = await self.send(content, **asked)
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    async def work(self) -> None:
        """Until there is nothing to do."""
        worker = self.service.process.worker
        assert worker is not None
        while await worker.turn(self.service.process.database):
            pass

    async def done(self, content: bytes, **asked: Any) -> dict[str, Any]:
        """An import, begun and done."""
        address = await self.begin(content, **asked)
        await self.work()
        return (await self.service.client.get(address)).json()

    async def rows(self, done: dict[str, Any], **asked: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        address: str | None = done["result_url"]
        while address is not None:
            page = (await self.service.client.get(address, params=None if "?" in address else asked)).json()
            found += page["items"]
            address = page.get("next")
        return found

    async def count(self, table: str = "volunteer") -> int:
        return len(await self.service.database.pool.fetch(f"SELECT FROM {table}"))  # a test's own word

    async def refused(self, done: dict[str, Any], language: str, format_: str = "xlsx") -> list[list[Any]]:
        """The downloaded file's cells."""
        answer = await self.service.client.get(
            done["errors_url"], params={"format": format_}, headers={"Accept-Language": language}
        )
        assert answer.status_code == 200, answer.text
        return cells_of(answer.content)
