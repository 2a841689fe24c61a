"""One effect for a request that is sent again: its answer is stored in the transaction that made it.

There is no look-up before: the stored answer's primary key is what a repeat collides with, so the first request pays
one row and no round trip, and a repeat that races it waits for it and then hears the same answer.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from fastapi import Request
from fastapi.responses import Response

from shared.access.principal import NOTHING
from shared.database import Database, Transaction
from shared.errors import Conflict, Malformed, RuleBroken
from shared.sealed import Seal

HEADER = "idempotency-key"
REPLAYED = {"Idempotency-Replayed": "true"}
KEEP_DAYS = 3
_PLACE = "idempotency.body"
_PRIMARY_KEY = "idempotency_pkey"
# The draft's structured string `"abc"` and the bare abc are the same key.
_KEY = re.compile(r'(?P<quote>"?)(?P<key>[!-~]{1,255})(?P=quote)')
_STORED = (
    "SELECT fingerprint, status, location, body FROM idempotency WHERE principal = $1 AND operation = $2 AND key = $3"
)

_ANSWERS = (
    "SELECT principal, operation, key, body FROM idempotency WHERE (principal, operation, key) > ($1, $2, $3)"
    " ORDER BY principal, operation, key LIMIT 1000"
)
_FORGET = "DELETE FROM idempotency WHERE principal = $1 AND operation = $2 AND key = $3"


class IdempotencyKeyMissing(Malformed):
    """This request needs an Idempotency-Key header, so that sending it again does nothing twice."""


class IdempotencyKeyUnusable(Malformed):
    """An Idempotency-Key is 1 to 255 visible ASCII characters."""


class IdempotencyKeyMismatch(RuleBroken):
    """This Idempotency-Key was used before with another request."""


class IdempotencyInProgress(Conflict):
    """A request with this Idempotency-Key is being handled at this moment; ask again in a second."""

    retry_after_s = 1


@dataclass(frozen=True)
class Attempt:
    """A request that carries a key."""

    principal: str
    operation: str
    key: str
    fingerprint: bytes

    @property
    def row(self) -> str:
        return f"{self.principal}|{self.operation}|{self.key}"

    def remember(self, tx: Transaction, seal: Seal, response: Response, *, at: datetime) -> None:
        """Store the answer with what it answers."""
        tx.insert_values(
            "idempotency",
            {
                "principal": self.principal,
                "operation": self.operation,
                "key": self.key,
                "fingerprint": self.fingerprint,
                "status": response.status_code,
                "location": response.headers.get("location"),
                "body": seal.close(bytes(response.body), place=_PLACE, row=self.row),
                "answered_at": at,
            },
        )

    def is_behind(self, error: Exception) -> bool:
        """Whether this was waiting for another request with the same key."""
        where = error.as_dict().get("context") if isinstance(error, asyncpg.LockNotAvailableError) else None
        return f'"{_PRIMARY_KEY}"' in str(where)

    async def answer(self, database: Database, seal: Seal) -> Response | None:
        """The answer that this key was given before, if any.

        Raises:
            IdempotencyKeyMismatch: that was to another request.
        """
        async with database.transaction(NOTHING) as tx:
            found = await tx.sql(_STORED, self.principal, self.operation, self.key)
        if not found:
            return None
        [stored] = found
        if stored["fingerprint"] != self.fingerprint:
            raise IdempotencyKeyMismatch
        headers = dict(REPLAYED)
        if stored["location"]:
            headers["Location"] = stored["location"]
        body = seal.open(stored["body"], place=_PLACE, row=self.row)
        return Response(body, stored["status"], headers=headers, media_type="application/json")


async def forget_answers(tx: Transaction, seal: Seal, *, naming: Collection[UUID]) -> int:
    """Remove the answers that speak of these records: they may hold what is being erased. Returns how many.

    What they hold is sealed, so all are opened, which are three days of them.
    """
    last, forgotten = ("", "", ""), 0
    while rows := await tx.sql(_ANSWERS, *last):
        for row in rows:
            last = (row["principal"], row["operation"], row["key"])
            body = seal.open(row["body"], place=_PLACE, row="|".join(last))
            if any(str(record).encode() in body for record in naming):
                await tx.sql(_FORGET, *last)
                forgotten += 1
    return forgotten


async def attempt_of(request: Request, *, principal: str, operation: str, required: bool) -> Attempt | None:
    """What makes this request recognisable when it comes again; None where it carries no key.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyUnusable
    """
    key = request.headers.get(HEADER)
    if key is None:
        if required:
            raise IdempotencyKeyMissing
        return None
    written = _KEY.fullmatch(key)
    if written is None:
        raise IdempotencyKeyUnusable
    query = urlencode(sorted(request.query_params.multi_items())) if request.query_params else ""
    digest = hashlib.sha256(f"{request.method} {request.scope['path']}?{query}\n".encode())
    digest.update(await request.body())
    return Attempt(principal, operation, written["key"], digest.digest())
