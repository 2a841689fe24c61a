"""One request or one message is one transaction; only this package commits.

A command says what it means (`tx.insert(volunteer)`, `tx.announce(VolunteerRegistered(...))`); the gathered rows leave
as one cached statement at commit, together with the outbox and the idempotency record. Reads go out at once; a locking
read opens the transaction. How far the caller reaches travels with the first statement, and PostgreSQL holds all that
follow to it (`shared.reach`). Why not SQLAlchemy's session: decision 0004.
"""

from shared.database.errors import CONNECTION_LOST, TRY_AGAIN, DatabaseUnavailable, is_ours
from shared.database.pool import Database, role_of
from shared.database.transaction import NUMBERS_AT_ONCE, Transaction

__all__ = [
    "CONNECTION_LOST",
    "NUMBERS_AT_ONCE",
    "TRY_AGAIN",
    "Database",
    "DatabaseUnavailable",
    "Transaction",
    "is_ours",
    "role_of",
]
