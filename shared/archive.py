"""A person's data as one archive: JSON for programs, and what is a list of rows as CSV for people too."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi.responses import Response

from shared.sheets.writing import csv_file

Part = Mapping[str, Any]
"""What one service knows: names of files and what is in them, an object or a list of rows."""


def archive(parts: Mapping[str, Part], *, at: datetime) -> bytes:
    """A ZIP with a folder per service; there is no file of what nothing is known of."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as files:

        def add(name: str, content: bytes) -> None:
            entry = zipfile.ZipInfo(name, date_time=at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            files.writestr(entry, content)

        for service, part in parts.items():
            for name, content in part.items():
                if not content:
                    continue
                # asyncpg's UUIDs are a subclass, which orjson does not take.
                text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str)
                add(f"{service}/{name}.json", text)
                if isinstance(content, list):
                    add(f"{service}/{name}.csv", _csv(orjson.loads(text)))
    return out.getvalue()


def download(content: bytes, *, name: str) -> Response:
    """An answer that a browser saves and no cache keeps."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"', "Cache-Control": "no-store"}
    return Response(content, media_type="application/zip", headers=headers)


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return csv_file([columns, *([_cell(row.get(column)) for column in columns] for row in rows)])


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
