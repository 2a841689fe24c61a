"""Alembic's entry into the history of the volunteers service."""

from services.volunteers.tables import Base
from shared import migrations

migrations.run(Base.metadata)
