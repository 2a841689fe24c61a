"""What is known of centres."""

from datetime import date
from uuid import UUID

from sqlmodel import Field

from services.charity.tables.base import Base


class KnownCentre(Base, table=True):
    """What the messages of volunteers have told about a centre."""

    id: UUID = Field(primary_key=True)
    region: str
    kind: str
    closed_on: date | None = None
