"""Who acts: a person, a machine or the system itself."""

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    """What a principal is trusted with; `permissions.MAY` says what that means."""

    ADMINISTRATOR = "administrator"
    COORDINATOR = "coordinator"
    TREASURER = "treasurer"
    AUDITOR = "auditor"
    VOLUNTEER = "volunteer"
    SYSTEM = "system"
    ANYONE = "anyone"


class Principal(BaseModel):
    """The one who acts, as the gateway has established it."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Literal["person", "machine", "system", "anyone"]
    roles: frozenset[Role]
    centres: frozenset[UUID] | None = frozenset()
    """The centres within reach; None is the whole republic."""
    directions: frozenset[str] | None = None
    """The directions within reach; None is all of them."""

    def reaches(self, centre_id: UUID | None) -> bool:
        return self.centres is None or (centre_id is not None and centre_id in self.centres)


def system(name: str) -> Principal:
    """The service itself, acting on a message or on the passing of time."""
    return Principal(id=f"system:{name}", kind="system", roles=frozenset({Role.SYSTEM}), centres=None)
