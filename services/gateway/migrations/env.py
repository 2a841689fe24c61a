"""Alembic's entry into the history of the gateway service."""

from services.gateway.tables import Base
from shared import migrations

migrations.run(Base.metadata)
