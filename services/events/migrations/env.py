"""Alembic's entry into the history of the events service."""

from services.events.tables import Base
from shared import migrations

migrations.run(Base.metadata)
