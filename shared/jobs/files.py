"""The refused rows of a job as a sheet: the file's own columns and one more that says what is wrong with each."""

import asyncio
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from fastapi import Response

from shared.database import Transaction
from shared.errors import RuleBroken
from shared.jobs.job import pages
from shared.languages import Language
from shared.problems import Problem
from shared.sealed import Seal
from shared.sheets.limits import CSV_TYPE, XLSX_TYPE
from shared.sheets.writing import XLSX_ROWS_MAX, Cells, csv_file, xlsx_file

Format = Literal["xlsx", "csv"]


class TooManyRowsForWorkbook(RuleBroken):
    """There are more rows than a workbook is made of here; take them as CSV."""


async def refused_rows(
    tx: Transaction,
    seal: Seal,
    job_id: UUID,
    *,
    heading: list[str],
    error_heading: str,
    language: Language,
    say: Callable[[Problem], str],
) -> list[Cells]:
    """A heading and the rows that were refused, each as wide as the heading and with its error behind it."""
    width = len(heading)
    rows: list[Cells] = [[*heading, error_heading]]
    async for page in pages(tx, seal, job_id):
        for (_, cells), answer in zip(page.rows, page.answers or [], strict=True):
            problem = answer.told(language).problem
            if problem is not None:
                rows.append([*(cells + [""] * width)[:width], say(problem)])
    return rows


async def as_file(rows: list[Cells], *, format_: Format, name: str) -> Response:
    """A sheet to be kept, not shown.

    Raises:
        TooManyRowsForWorkbook
    """
    if format_ == "csv":
        content, media_type = csv_file(rows), f"{CSV_TYPE}; charset=utf-8"
    elif len(rows) > XLSX_ROWS_MAX:
        raise TooManyRowsForWorkbook
    else:
        # A workbook of many rows takes a second or two, which others need not wait for.
        content, media_type = await asyncio.to_thread(xlsx_file, rows, sheet=name), XLSX_TYPE
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{format_}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=media_type, headers=headers)


def is_a_sheet(description: str) -> dict[str, object]:
    """For a route's `responses`: that it answers with a file."""
    return {
        "description": description,
        "content": {
            XLSX_TYPE: {"schema": {"type": "string", "format": "binary"}},
            CSV_TYPE: {"schema": {"type": "string"}},
        },
    }
