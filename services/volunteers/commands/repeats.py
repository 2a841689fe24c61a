"""A request that comes again with the id its caller made: recognised, and answered as the first time."""

from typing import Any, TypeVar
from uuid import UUID

from sqlmodel import SQLModel

from shared.database import Transaction
from shared.errors import AlreadyExists

Row = TypeVar("Row", bound=SQLModel)


async def made_before(tx: Transaction, table: type[Row], identity: UUID | None, **said: Any) -> Row | None:
    """The row with this id, if the request that made it said the same.

    Raises:
        AlreadyExists: it said something else.
    """
    known = None if identity is None else await tx.get(table, identity)
    if known is not None and any(known.__dict__[name] != value for name, value in said.items()):
        raise AlreadyExists
    return known
