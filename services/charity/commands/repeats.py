"""A request that comes again with the id its caller made: recognised, and answered as the first time."""

from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlmodel import SQLModel

from shared.database import Transaction
from shared.errors import AlreadyExists
from shared.forms import Form
from shared.sealed import Seal


class Repeatable(Protocol):
    """A form that may carry its caller's id."""

    @property
    def id(self) -> UUID | None: ...


Row = TypeVar("Row", bound=SQLModel)


def made_from(form: Form, seal: Seal, *, of: UUID | None = None) -> bytes | None:
    """What tells a repeat from another request with the same id: a keyed hash, worthless without the key.

    `of` is what the address named; None is answered where the caller made no id.
    """
    if getattr(form, "id", None) is None:
        return None
    # A row of a batch names in itself what the address names otherwise.
    return seal.index(f"{of}{form.model_dump_json(exclude={'donation_id'})}", place="charity.form")


async def made_before(
    tx: Transaction, table: type[Row], form: Any, seal: Seal, *, of: UUID | None = None
) -> Row | None:
    """The row that the same request has made before.

    Raises:
        AlreadyExists: another request has made a row with this id.
    """
    if form.id is None:
        return None
    row = await tx.get(table, form.id)
    if row is not None and row.__dict__["made_from"] != made_from(form, seal, of=of):
        raise AlreadyExists
    return row
