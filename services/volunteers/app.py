"""The composition root of the volunteers service: the only place where its parts are wired."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

from services.volunteers import commands
from services.volunteers.consumers import consumer
from services.volunteers.routes import ROUTERS, imports
from services.volunteers.tables import Base
from shared import clock
from shared.access.permissions import Permission
from shared.database import Transaction
from shared.jobs.job import Job, Page
from shared.jobs.worker import Kind, Worked
from shared.process import Process
from shared.settings import Settings
from shared.sheets.limits import FILE_BYTES_MAX

HOURS_CREDITED_EVERY_S = 5.0


class Volunteers:
    """The volunteers service, put together from its settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.process = Process(
            "volunteers",
            settings or Settings(),  # pyright: ignore[reportCallIssue]  # the environment fills them in
            Base.metadata,
            migrations=Path(__file__).with_name("migrations"),
            consumer=consumer,
            jobs={HOURS_CREDITED_EVERY_S: _credit_due_hours},
            kinds={commands.IMPORT: Kind(self._import_page, Permission.WRITE_VOLUNTEERS)},
            larger_bodies={imports.router.prefix: FILE_BYTES_MAX},
        )

    def application(self) -> FastAPI:
        app = self.process.application("Asar volunteers", "Who offers time.")
        for router in ROUTERS:
            app.include_router(router)
        return app

    async def _import_page(self, tx: Transaction, job: Job, page: Page) -> Worked:
        return await commands.import_page(tx, job, page, seal=self.process.seal)

    def run(self, arguments: Sequence[str]) -> None:
        self.process.main(self.application, arguments)


async def _credit_due_hours(tx: Transaction) -> int:
    return await commands.credit_due_hours(tx, now=clock.now())
