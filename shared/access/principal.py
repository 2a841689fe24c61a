"""Who acts: a person, a machine or the system itself, what they may do and how far they reach."""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.access.permissions import EVERYWHERE, MAY, NOT_FOR_SOME_DIRECTIONS, Permission, Role

Part = tuple[UUID | None, str | None]
"""A centre and one of its directions; None is all of them."""


# None that could be taken for two, or for all of them, in the settings of `Reach`.
Direction = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class Grant(BaseModel):
    """A role in some centres and directions; for an API key, also the permissions that were granted word by word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    centres: frozenset[UUID] | None = frozenset()
    """None is the whole republic."""
    directions: frozenset[Direction] | None = None
    """None is all of them."""
    permissions: frozenset[Permission] = frozenset()

    def gives(self, permission: Permission) -> bool:
        if self.directions is not None and permission in NOT_FOR_SOME_DIRECTIONS:
            return False
        return permission in self.permissions or permission in MAY[self.role]

    def opens(self, permission: Permission) -> bool:
        """Whether a permission that it gives holds in all of its parts.

        A volunteer's holds for their own records, and what a key may because anybody may, for what is public.
        """
        if self.role is Role.SYSTEM:
            return permission in self.permissions
        return self.role not in (Role.VOLUNTEER, Role.ANYONE)

    @property
    def parts(self) -> frozenset[Part]:
        centres: Iterable[UUID | None] = [None] if self.centres is None else self.centres
        directions: Iterable[str | None] = [None] if self.directions is None else self.directions
        return frozenset((centre, direction) for centre in centres for direction in directions)


class Reach(BaseModel):
    """How far one permission of a principal goes: what row-level security compares a row with."""

    model_config = ConfigDict(frozen=True)

    parts: frozenset[Part] = frozenset()
    volunteer_id: UUID | None = None
    """The one volunteer whose own records are within reach as well."""

    @cached_property
    def settings(self) -> dict[str, str]:
        """The PostgreSQL settings that say so; `shared.reach` has the functions that read them."""
        centres = {"*" if centre is None else str(centre) for centre, _ in self.parts}
        parts = {f"{centre or '*'}/{direction or '*'}" for centre, direction in self.parts}
        return {
            "asar.centres": ",".join(sorted(centres)),
            "asar.parts": ",".join(sorted(parts)),
            "asar.volunteer": str(self.volunteer_id or ""),
        }


EVERYTHING = Reach(parts=frozenset({(None, None)}))
NOTHING = Reach()


class Principal(BaseModel):
    """The one who acts, as the gateway has established it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """`person:<id>`, `key:<id>`, `system:<name>` or `anyone`."""
    kind: Literal["person", "machine", "system", "anyone"]
    grants: tuple[Grant, ...] = ()
    volunteer_id: UUID | None = None
    """Who of the volunteers this person is, if they are one."""

    @property
    def roles(self) -> frozenset[Role]:
        return frozenset(grant.role for grant in self.grants)

    def may(self, permission: Permission) -> bool:
        """Whether this is allowed at all; where is what `reach` tells."""
        return permission in self.permissions

    def reach(self, permission: Permission) -> Reach:
        """Where a permission holds: the union of the grants that give it, never of all grants there are."""
        known = self.reaches.get(permission)
        if known is None:
            known = self.reaches[permission] = self._reach(permission)
        return known

    @cached_property
    def permissions(self) -> frozenset[Permission]:
        return frozenset(
            permission for permission in Permission if any(grant.gives(permission) for grant in self.grants)
        )

    @cached_property
    def reaches(self) -> dict[Permission, Reach]:
        """What `reach` has answered so far: a caller's next request asks for the same."""
        return {}

    def _reach(self, permission: Permission) -> Reach:
        if permission in EVERYWHERE:
            return EVERYTHING
        giving = [grant for grant in self.grants if grant.gives(permission)]
        parts = frozenset(part for grant in giving if grant.opens(permission) for part in grant.parts)
        itself = self.volunteer_id if any(grant.role is Role.VOLUNTEER for grant in giving) else None
        return Reach(parts=parts, volunteer_id=itself)


ANYONE = Principal(id="anyone", kind="anyone", grants=(Grant(role=Role.ANYONE),))
"""Who has not said who they are."""


def person(
    identity: str,
    role: Role,
    *,
    centres: Iterable[UUID] | None = None,
    directions: Iterable[str] | None = None,
    volunteer_id: UUID | None = None,
) -> Principal:
    """A person with one role: in the whole republic and all directions unless some are named."""
    grant = Grant(
        role=role,
        centres=None if centres is None else frozenset(centres),
        directions=None if directions is None else frozenset(directions),
    )
    return Principal(id=identity, kind="person", grants=(grant,), volunteer_id=volunteer_id)


def system(name: str) -> Principal:
    """The service itself, acting on a message or on the passing of time."""
    everything = Grant(role=Role.SYSTEM, centres=None, permissions=frozenset(Permission))
    return Principal(id=f"system:{name}", kind="system", grants=(everything,))
