"""Alembic's entry into the history of the charity service."""

from services.charity.tables import Base
from shared import migrations

migrations.run(Base.metadata)
