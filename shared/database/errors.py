"""What PostgreSQL and the way to it answer with, and what each means to a caller."""

import asyncpg
from sqlalchemy import MetaData

from shared.errors import Refusal, Unavailable
from shared.refused_as import REFUSED_AS

CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # asyncpg raises this one, not a connection error, when the server dies in mid-answer.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # No connection, memory or place on the disk is left; the disk does not answer.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    OSError,
    TimeoutError,
)
"""What means "the database does not answer just now" when asyncpg raises it: worth another try, nobody's mistake."""

REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
"""What means that a row may not be as it is: a constraint says so, or the policies of who reaches it."""

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""What means "two transactions stood in each other's way": the loser is simply run again."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer at the moment; try again."""


def is_ours(error: BaseException) -> bool:
    """Whether one of `CONNECTION_LOST` came out of asyncpg: OSError and TimeoutError may come from anywhere."""
    if not isinstance(error, OSError):
        return True
    place = error.__traceback__
    while place is not None:
        if str(place.tb_frame.f_globals.get("__name__")).startswith("asyncpg."):
            return True
        place = place.tb_next
    return False


def refusals_of(metadata: MetaData) -> dict[str, type[Refusal]]:
    named: dict[str, type[Refusal]] = {}
    for table in metadata.tables.values():
        for rule in [*table.constraints, *table.indexes]:
            refusal = rule.info.get(REFUSED_AS)
            if refusal is not None:
                # An unnamed primary key is called so by PostgreSQL.
                named[str(rule.name or f"{table.name}_pkey")] = refusal
    return named
