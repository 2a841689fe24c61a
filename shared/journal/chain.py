"""Whether a journal is what it was: its chain of hashes, computed anew."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

_BEGINNING = bytes(32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE = 10_000


class Head(NamedTuple):
    """The last row of a journal."""

    number: int
    hash: str


class Checked(NamedTuple):
    """A journal that was computed anew."""

    head: Head
    faults: list[str]


async def check(connection: Any, *, seen: Head | None = None) -> Checked:
    """Compute every hash anew. `seen` is a head of earlier, which must still be in the chain as it was.

    Without one, rows that were cut off at the end are not missed, and a chain that somebody has computed anew from
    an altered row on is not found out: what is left is a whole chain.
    """
    number, previous, faults = 0, _BEGINNING, list[str]()
    async for row in _rows(connection):
        number += 1
        if row["number"] != number:
            faults.append(f"rows {number} to {row['number'] - 1} are missing")
            number = row["number"]
        elif row["previous"] != previous:
            faults.append(f"row {number} does not follow the one before")
        if row["hash"] != _hash(row):
            faults.append(f"row {number} was altered")
        if seen is not None and number == seen.number and row["hash"].hex() != seen.hash:
            faults.append(f"row {number} is another one than it was")
        previous = row["hash"]
    if seen is not None and number < seen.number:
        faults.append(f"rows {number + 1} to {seen.number} were cut off")
    return Checked(Head(number, previous.hex()), faults)


def _hash(row: asyncpg.Record) -> bytes:
    """As `link_journal` makes it."""
    microseconds = (row["at"] - _EPOCH) // timedelta(microseconds=1)
    fields = (row["number"], microseconds, row["by"], row["what"], row["record"], row["outcome"], row["purpose"] or "")
    return hashlib.sha256(row["previous"] + "\x1f".join(map(str, fields)).encode()).digest()


async def _rows(connection: Any) -> AsyncIterator[asyncpg.Record]:
    # In pieces: the journal of years need not fit into memory.
    last, piece = 0, "SELECT * FROM journal WHERE number > $1 ORDER BY number LIMIT $2"
    while rows := await connection.fetch(piece, last, _PIECE):
        for row in rows:
            yield row
        last = rows[-1]["number"]
