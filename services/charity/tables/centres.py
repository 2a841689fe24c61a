"""What is known of centres."""

from datetime import date
from uuid import UUID

from sqlmodel import Field

from services.charity.tables.base import Base
from shared.reach import open_to_all


class KnownCentre(Base, table=True):
    """What the messages of volunteers have told about a centre."""

    __table_args__ = ({"info": open_to_all("that there is a centre is public")},)

    id: UUID = Field(primary_key=True)
    region: str
    kind: str
    closed_on: date | None = None
