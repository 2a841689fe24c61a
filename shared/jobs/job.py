"""A job: begun, found by who made it, cancelled, forgotten; its rows sealed page by page."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel, Field

from shared.access.permissions import Role
from shared.access.principal import Principal
from shared.database import Transaction
from shared.errors import NotFound
from shared.ids import new_id
from shared.jobs.outcomes import Kept
from shared.sealed import Seal
from shared.sheets.limits import Row

KEEP_DAYS = 7
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobNotFound(NotFound):
    """There is no such job of yours; it may have expired."""


class Progress(BaseModel):
    """How far a job is: rows handled, rows there are, and those among the handled that were refused."""

    done: int
    total: int
    failed: int


class JobView(BaseModel):
    """A job as its maker sees it."""

    id: UUID
    status: Status
    validate_only: bool = Field(description="A dry run: it tells what would become of each row, and changes nothing.")
    progress: Progress
    outcomes: dict[str, int] = Field(description="How many rows were `added`, `already_there` or `refused` so far.")
    made_at: datetime
    ended_at: datetime | None
    expires_at: datetime = Field(description="When the job, its file and what became of it are deleted.")
    result_url: str = Field(description="What became of each row.")
    errors_url: str | None = Field(description="The refused rows as a file to correct; absent while there are none.")


@dataclass(frozen=True)
class Job:
    """What a command needs to know of the job that it begins or works for."""

    id: UUID
    kind: str
    validate_only: bool
    principal: Principal
    asked: Mapping[str, Any]
    """What goes for all rows, as the request said it. No personal data."""


@dataclass(frozen=True)
class Page:
    """Some rows of a job, and what became of them once they are done."""

    number: int
    rows: list[Row]
    answers: list[Kept] | None


async def begin(
    tx: Transaction,
    seal: Seal,
    job: Job,
    *,
    heading: list[str],
    pages: AsyncIterable[list[Row]],
    now: datetime,
) -> int:
    """Keep a job to be done; returns how many rows it has."""
    total = 0
    number = 0
    async for rows in pages:
        values = {
            "job_id": job.id,
            "number": number,
            "rows": _closed(seal, rows, "job_page.rows", f"{job.id}|{number}"),
        }
        tx.insert_values("job_page", values)
        total += len(rows)
        number += 1
    tx.insert_values(
        "job",
        {
            "id": job.id,
            "kind": job.kind,
            "status": "queued",
            "validate_only": job.validate_only,
            "made_by": job.principal.id,
            "principal": job.principal.model_dump(mode="json"),
            "asked": job.asked,
            "heading": _closed(seal, heading, "job.heading", str(job.id)),
            "total": total,
            "done": 0,
            "failed": 0,
            "outcomes": {},
            "attempts": 0,
            "due_at": now,
            "made_at": now,
            "expires_at": now + timedelta(days=KEEP_DAYS),
        },
    )
    return total


def new_job(kind: str, *, by: Principal, validate_only: bool, asked: Mapping[str, Any]) -> Job:
    return Job(id=new_id(), kind=kind, validate_only=validate_only, principal=by, asked=asked)


async def find(tx: Transaction, job_id: UUID, *, kind: str, by: Principal, opens_rows: bool = False) -> asyncpg.Record:
    """The job, for who made it and for administrators; `opens_rows`: for who made it alone, since they know its rows.

    Raises:
        JobNotFound
    """
    found = await tx.sql("SELECT * FROM job WHERE id = $1 AND kind = $2", job_id, kind)
    is_seen = found and (found[0]["made_by"] == by.id or (Role.ADMINISTRATOR in by.roles and not opens_rows))
    if not is_seen:
        raise JobNotFound
    return found[0]


async def list_own(tx: Transaction, *, kind: str, by: Principal, limit: int) -> list[asyncpg.Record]:
    """The newest jobs of this caller."""
    newest = "SELECT * FROM job WHERE made_by = $1 AND kind = $2 ORDER BY id DESC LIMIT $3"
    return await tx.sql(newest, by.id, kind, limit)


async def cancel(tx: Transaction, job_id: UUID, *, kind: str, by: Principal, now: datetime) -> asyncpg.Record | None:
    """Stop a job after the page that is being done, and answer how far it came. One that has ended is forgotten: None.

    Raises:
        JobNotFound
    """
    await find(tx, job_id, kind=kind, by=by)
    # Waits for the page, whose worker holds the row.
    cancelled = await tx.sql(_CANCEL, job_id, now, now + timedelta(days=KEEP_DAYS))
    if cancelled:
        await tx.sql("DELETE FROM job_page WHERE job_id = $1 AND answers IS NULL", job_id)
        return cancelled[0]
    await tx.sql("DELETE FROM job WHERE id = $1", job_id)
    return None


async def forget_expired(tx: Transaction) -> int:
    """Delete the jobs whose time is over, with their files."""
    await tx.sql("DELETE FROM job WHERE expires_at < now()")
    return 0


async def pages(tx: Transaction, seal: Seal, job_id: UUID, *, after: int = -1) -> AsyncIterator[Page]:
    """The pages that are done, one at a time, beginning after a number."""
    while done := await tx.sql(_NEXT_DONE, job_id, after):
        [record] = done
        after = record["number"]
        yield opened_page(seal, job_id, record)


def opened_page(seal: Seal, job_id: UUID, record: asyncpg.Record) -> Page:
    number, answers = record["number"], record["answers"]
    row = f"{job_id}|{number}"
    return Page(
        number=number,
        rows=[(n, cells) for n, cells in _opened(seal, record["rows"], "job_page.rows", row)],
        answers=None
        if answers is None
        else [Kept.model_validate(answer) for answer in _opened(seal, answers, "job_page.answers", row)],
    )


def closed_answers(seal: Seal, answers: list[Kept], job_id: UUID, number: int) -> bytes:
    told = [answer.model_dump(mode="json", exclude_none=True) for answer in answers]
    return _closed(seal, told, "job_page.answers", f"{job_id}|{number}")


def heading(seal: Seal, record: asyncpg.Record) -> list[str]:
    """The file's own heading."""
    return _opened(seal, record["heading"], "job.heading", str(record["id"]))


def view(record: asyncpg.Record, *, at: str) -> dict[str, Any]:
    """What `JobView` shows; `at` is the address of the job."""
    values = dict(record)
    return {
        **values,
        "progress": {name: values[name] for name in ("done", "total", "failed")},
        "result_url": f"{at}/rows",
        "errors_url": f"{at}/refused-rows" if values["failed"] else None,
    }


_CANCEL = (
    "UPDATE job SET status = 'cancelled', ended_at = $2, expires_at = $3 WHERE id = $1 AND ended_at IS NULL RETURNING *"
)
_NEXT_DONE = (
    "SELECT number, rows, answers FROM job_page WHERE job_id = $1 AND number > $2 AND answers IS NOT NULL"
    " ORDER BY number LIMIT 1"
)


def _closed(seal: Seal, content: Any, place: str, row: str) -> bytes:
    return seal.close(zlib.compress(orjson.dumps(content)), place=place, row=row)


def _opened(seal: Seal, sealed: bytes, place: str, row: str) -> Any:
    return orjson.loads(zlib.decompress(seal.open(sealed, place=place, row=row)))
