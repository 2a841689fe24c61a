"""The composition root of the events service: the only place where its parts are wired."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

from services.events.consumers import consumer
from services.events.routes import ROUTERS
from services.events.tables import Base
from shared.process import Process
from shared.settings import Settings


class Events:
    """The events service, put together from its settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.process = Process(
            "events",
            settings or Settings(),  # pyright: ignore[reportCallIssue]  # the environment fills them in
            Base.metadata,
            migrations=Path(__file__).with_name("migrations"),
            consumer=consumer,
        )

    def application(self) -> FastAPI:
        app = self.process.application("Asar events", "When and where people meet.")
        for router in ROUTERS:
            app.include_router(router)
        return app

    def run(self, arguments: Sequence[str]) -> None:
        self.process.main(self.application, arguments)
