"""Imports of volunteers: a sheet is sent, becomes a job, is watched, and its refused rows come back as a sheet."""

from typing import Annotated, Any
from uuid import UUID

from asyncpg import Record
from fastapi import Depends, Query, Request, Response, status

from services.volunteers import commands
from services.volunteers.domain import HeadingsNotRecognised
from services.volunteers.reference import COLUMNS
from services.volunteers.schemas import ConsentHow, ImportDefaults, ImportView
from shared import languages
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.clock import Now
from shared.errors import UnsupportedMediaType
from shared.forms import Code, PastDay, Text
from shared.jobs import files, job
from shared.jobs.files import Format, TooManyRowsForWorkbook
from shared.jobs.job import JobNotFound
from shared.jobs.outcomes import RowOutcome, What
from shared.languages import Language
from shared.paging import AskedPage, Page
from shared.problems import Problem, refusals
from shared.requests import Busy, Sealing, Tx, takes_files
from shared.requests import router as _router
from shared.sealed import Seal
from shared.sheets.limits import (
    CSV_TYPE,
    XLSX_TYPE,
    MacrosInside,
    OldOrProtectedWorkbook,
    SheetEmpty,
    SheetTooLarge,
    SheetUnreadable,
)

router = _router("/v1/volunteers/imports", tags=["volunteers"])
templates = _router("/v1/volunteers/import-templates", tags=["volunteers"])
_PERMITTED = [permits(Permission.WRITE_VOLUNTEERS)]
_AGAIN = {"Retry-After": "1"}
_LISTED = 50
_ERROR: dict[Language, str] = {"kk": "Қате", "ru": "Ошибка", "en": "Error"}
_EXAMPLE = (
    "Аты-жөні;Туған күні;Телефон;Бағыттар;Келісім күні\n"
    "Дәурен Мысалов;09.09.1999;+7 700 000 00 00;экология, жастармен жұмыс;01.03.2021\n"
)
_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file as it is. Its first sheet is read; one of the first ten rows names the columns.",
        "content": {
            CSV_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE},
            XLSX_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class SheetExpected(UnsupportedMediaType):
    """Send a CSV file as text/csv, or an XLSX file with its own content-type."""


async def _defaults(
    centre_id: Annotated[UUID | None, Query(description="The centre of rows that name none.")] = None,
    language: Annotated[Language | None, Query(description="In which these people like to be addressed.")] = None,
    directions: Annotated[list[Code] | None, Query(description="Directions of rows that name none.")] = None,
    applied_on: Annotated[PastDay | None, Query(description="The day of application; today when absent.")] = None,
    consent_version: Annotated[Text | None, Query(description="Which text they agreed to.")] = None,
    consent_given_on: Annotated[PastDay | None, Query(description="When they agreed to it.")] = None,
    consent_how: Annotated[ConsentHow | None, Query(description="How they agreed to it.")] = None,
) -> ImportDefaults:
    return ImportDefaults(
        centre_id=centre_id,
        language=language,
        directions=directions or [],
        applied_on=applied_on,
        consent_version=consent_version,
        consent_given_on=consent_given_on,
        consent_how=consent_how,
    )


def _view(record: Record, seal: Seal) -> ImportView:
    heading = job.heading(seal, record)
    columns = record["asked"]["columns"]
    return ImportView.model_validate(
        {
            **job.view(record, at=f"{router.prefix}/{record['id']}"),
            "columns": {field: text for field, text in zip(columns, heading, strict=False) if field},
            "ignored": [text for field, text in zip(columns, heading, strict=False) if text and not field],
        }
    )


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    responses=refusals(
        SheetUnreadable,
        OldOrProtectedWorkbook,
        MacrosInside,
        SheetTooLarge,
        SheetEmpty,
        HeadingsNotRecognised,
        SheetExpected,
        Busy,
    ),
    openapi_extra=_BODY,
    dependencies=_PERMITTED,
)
@takes_files
async def import_volunteers(
    request: Request,
    response: Response,
    tx: Tx,
    seal: Sealing,
    caller: Caller,
    now: Now,
    defaults: Annotated[ImportDefaults, Depends(_defaults)],
    *,
    validate_only: Annotated[bool, Query(description="Tell what would become of each row; change nothing.")] = False,
) -> ImportView:
    """Register the volunteers of a CSV or XLSX file: up to 100 000 rows and 32 MiB, as a job.

    Columns are recognised by their headings in Kazakh, Russian and English (see the template). A row that is refused
    stands in no other's way; the same file again adds nobody.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (CSV_TYPE, XLSX_TYPE):
        raise SheetExpected
    content = await request.body()
    import_id = await commands.begin_import(
        tx,
        content,
        defaults,
        media_type=media_type,
        validate_only=validate_only,
        by=caller,
        seal=seal,
        now=now,
    )
    await tx.flush()
    response.headers.update({"Location": f"{router.prefix}/{import_id}", **_AGAIN})
    return _view(await job.find(tx, import_id, kind=commands.IMPORT, by=caller), seal)


@router.get("", dependencies=_PERMITTED)
async def list_imports(tx: Tx, seal: Sealing, caller: Caller) -> Page[ImportView]:
    """Your newest imports that have not expired."""
    found = await job.list_own(tx, kind=commands.IMPORT, by=caller, limit=_LISTED)
    return Page(items=[_view(record, seal) for record in found])


@router.get("/{import_id}", responses=refusals(JobNotFound), dependencies=_PERMITTED)
async def read_import(import_id: UUID, response: Response, tx: Tx, seal: Sealing, caller: Caller) -> ImportView:
    """How far an import is. Ask again after Retry-After seconds while it goes on."""
    found = await job.find(tx, import_id, kind=commands.IMPORT, by=caller)
    if found["ended_at"] is None:
        response.headers.update(_AGAIN)
    return _view(found, seal)


@router.delete(
    "/{import_id}",
    response_model=ImportView,
    responses={**refusals(JobNotFound), 204: {"description": "It had ended, and is deleted with its file."}},
    dependencies=_PERMITTED,
)
async def cancel_import(import_id: UUID, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Any:
    """Stop an import after the page that is being done; what is done stays done. One that has ended is deleted."""
    cancelled = await job.cancel(tx, import_id, kind=commands.IMPORT, by=caller, now=now)
    return Response(status_code=status.HTTP_204_NO_CONTENT) if cancelled is None else _view(cancelled, seal)


@router.get("/{import_id}/rows", responses=refusals(JobNotFound), dependencies=_PERMITTED)
async def list_rows(
    import_id: UUID,
    tx: Tx,
    page: AskedPage,
    seal: Sealing,
    caller: Caller,
    outcome: Annotated[What | None, Query(description="Only rows of which this became.")] = None,
) -> Page[RowOutcome]:
    """What became of each row that is done, in the order of the file; in a dry run, what would."""
    await job.find(tx, import_id, kind=commands.IMPORT, by=caller)
    number, row = page.after or (0, 0)
    found: list[tuple[int, RowOutcome]] = []
    async for done in job.pages(tx, seal, import_id, after=int(number) - 1):
        told = [answer.told(languages.spoken()) for answer in done.answers or [] if outcome in (None, answer.outcome)]
        found += [(done.number, one) for one in told if one.row > int(row)]
        if len(found) >= page.fetch:
            break
    chosen = page.page(found[: page.fetch], lambda one: [one[0], one[1].row])
    return Page(items=[one for _, one in chosen.items], next=chosen.next)


@router.get(
    "/{import_id}/refused-rows",
    response_class=Response,
    responses={
        **refusals(JobNotFound, TooManyRowsForWorkbook),
        200: files.is_a_sheet("The columns of the file, and one more with what is wrong, in the caller's language."),
    },
    dependencies=_PERMITTED,
)
async def download_refused_rows(
    import_id: UUID,
    tx: Tx,
    seal: Sealing,
    caller: Caller,
    format_: Annotated[Format, Query(alias="format")] = "xlsx",
) -> Response:
    """The rows that were refused, as a file: correct them there and send it as another import."""
    record = await job.find(tx, import_id, kind=commands.IMPORT, by=caller, opens_rows=True)
    language = languages.spoken()
    rows = await files.refused_rows(
        tx,
        seal,
        import_id,
        heading=job.heading(seal, record),
        error_heading=_ERROR[language],
        language=language,
        say=lambda problem: _said(problem, language),
    )
    return await files.as_file(rows, format_=format_, name="refused-rows")


@templates.get(
    "",
    response_class=Response,
    responses={200: files.is_a_sheet("A sheet without rows, its columns named in the caller's language.")},
    dependencies=_PERMITTED,
)
async def download_template(format_: Annotated[Format, Query(alias="format")] = "xlsx") -> Response:
    """An empty sheet with all columns that an import recognises; those that are not needed may be left out."""
    heading = [column.name(languages.spoken()) for column in COLUMNS if column.in_template]
    return await files.as_file([heading], format_=format_, name="volunteers")


_COLUMN = {column.field: column for column in COLUMNS}


def _said(problem: Problem, language: Language) -> str:
    """What is wrong with a row, in terms of its columns."""
    if not problem.errors:
        return f"{problem.title} {problem.detail or ''}".strip()
    return "; ".join(
        f"{_column(error.pointer, language)}: {error.message.removesuffix('.')}" for error in problem.errors
    )


def _column(pointer: str, language: Language) -> str:
    first, *others = pointer.removeprefix("#/").split("/")
    field = f"consent_{others[0]}" if first == "consent" and others else first
    return _COLUMN[field].name(language) if field in _COLUMN else field
