"""The composition root of the charity service: the only place where its parts are wired."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

from services.charity import commands
from services.charity.consumers import consumer
from services.charity.routes import ROUTERS
from services.charity.tables import Base
from shared.process import Process
from shared.settings import Settings

RECEIPTS_ISSUED_EVERY_S = 0.5


class Charity:
    """The charity service, put together from its settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.process = Process(
            "charity",
            settings or Settings(),  # pyright: ignore[reportCallIssue]  # the environment fills them in
            Base.metadata,
            migrations=Path(__file__).with_name("migrations"),
            consumer=consumer,
            jobs={RECEIPTS_ISSUED_EVERY_S: commands.issue_receipts},
        )

    def application(self) -> FastAPI:
        app = self.process.application("Asar charity", "Money and goods given, and whom they helped.")
        for router in ROUTERS:
            app.include_router(router)
        return app

    def run(self, arguments: Sequence[str]) -> None:
        self.process.main(self.application, arguments)
