"""How a journal is read: each service's own under `/v1/journal/<service>`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import MetaData, select

from shared.access.doors import Caller, NotPermitted, permits
from shared.access.permissions import Permission
from shared.access.principal import EVERYTHING
from shared.forms import View
from shared.paging import AskedPage, InvalidCursor, Page
from shared.problems import refusals
from shared.requests import Tx
from shared.requests import router as _router


class JournalEntryView(View):
    """Who did what to which record, and why."""

    number: int
    at: datetime
    by: str
    what: str
    record: str
    purpose: str | None
    outcome: str


def router(service: str, metadata: MetaData) -> APIRouter:
    """The route that reads this service's journal."""
    routes = _router("/v1/journal", tags=["journal"])
    journal = metadata.tables["journal"].c

    @routes.get(
        f"/{service}",
        name=f"read_journal_of_{service}",
        responses=refusals(InvalidCursor, NotPermitted),
        dependencies=[permits(Permission.READ_JOURNAL)],
    )
    async def read_journal(
        tx: Tx,
        page: AskedPage,
        caller: Caller,
        record: Annotated[str | None, Query(max_length=200, description="Such as volunteer/<id>.")] = None,
        by: Annotated[str | None, Query(max_length=200, description="Such as person:<id>.")] = None,
    ) -> Page[JournalEntryView]:
        """What was done to people's data and rights, newest first. Its rows belong to no centre."""
        if not caller.reach(Permission.READ_JOURNAL).parts >= EVERYTHING.parts:
            raise NotPermitted
        rows = select(*(journal[name] for name in JournalEntryView.model_fields)).order_by(journal.number.desc())
        for column, wanted in ((journal.record, record), (journal.by, by)):
            if wanted is not None:
                rows = rows.where(column == wanted)
        if page.after is not None:
            rows = rows.where(journal.number < page.after[0])
        found = [JournalEntryView.model_validate(dict(row)) for row in await tx.fetch(rows.limit(page.fetch))]
        return page.page(found, lambda entry: [entry.number])

    return routes
