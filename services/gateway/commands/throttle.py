"""How often signing in may fail: counted in the database, so that it holds for all processes and outlives them.

Each attempt is counted for its login, its address and the two together before the password is looked at: of a hundred
at once, no more get through than of a hundred in a row. Somebody else's failures keep nobody out who comes from their
own address, unless there are very many.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.gateway.domain.access import SIGN_IN_LIMITS, SIGN_IN_WINDOW, TooManySignIns
from shared.database import Database, Transaction
from shared.sealed import Seal

_PLACE = "sign-in"
_COUNT = """
INSERT INTO failedsignins AS f (about, failures, began_at) SELECT about, 1, $2 FROM unnest($1::bytea[]) AS given(about)
ORDER BY about
ON CONFLICT (about) DO UPDATE SET
    failures = CASE WHEN f.began_at > $3 THEN f.failures + 1 ELSE 1 END,
    began_at = CASE WHEN f.began_at > $3 THEN f.began_at ELSE $2 END
RETURNING about, failures, began_at
"""
_FORGIVE = "UPDATE failedsignins SET failures = failures - 1 WHERE about = ANY($1::bytea[])"
_FORGET = "DELETE FROM failedsignins WHERE began_at < $1"


@dataclass(frozen=True)
class Tried:
    """What an attempt was counted for: together, of the login, of the address."""

    both: bytes
    login: bytes
    address: bytes

    @property
    def all(self) -> list[bytes]:
        return [self.both, self.login, self.address]


async def count(database: Database, login: str, address: str, *, seal: Seal, now: datetime) -> Tried:
    """Count an attempt to sign in.

    Raises:
        TooManySignIns: it is one too many; it says when to come back.
    """
    tried = Tried(
        seal.index(f"{login}\n{address}", place=_PLACE),
        seal.index(f"login {login}", place=_PLACE),
        seal.index(f"address {address}", place=_PLACE),
    )
    rows = await database.pool.fetch(_COUNT, tried.all, now, now - SIGN_IN_WINDOW)
    limits = dict(zip(tried.all, SIGN_IN_LIMITS, strict=True))
    over = [row["began_at"] + SIGN_IN_WINDOW for row in rows if row["failures"] > limits[row["about"]]]
    if over:
        raise TooManySignIns(retry_after_s=max(1, math.ceil((max(over) - now) / timedelta(seconds=1))))
    return tried


async def forgive(database: Database, tried: Tried) -> None:
    """It was the right password after all: nothing of this person and address is held against them."""
    await database.pool.execute("DELETE FROM failedsignins WHERE about = $1", tried.both)
    await database.pool.execute(_FORGIVE, [tried.login, tried.address])


async def forget(tx: Transaction, *, now: datetime) -> int:
    """Remove what is over."""
    await tx.sql(_FORGET, now - SIGN_IN_WINDOW)
    return 0
