"""Personal data at rest: each field encrypted for its own row, found again only by a keyed hash.

AES-256-GCM bound to table, column and row, so a ciphertext that is moved to another row no longer opens. The look-up
hash is keyed: the space of IINs and phones is small enough to try all of it against a plain one.

A table declares what it seals (`sealed()`); the row that a value is bound to is the primary key, joined by `|`.
"""

import hashlib
import hmac
import secrets
import time
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, LargeBinary, MetaData, Table
from sqlmodel import Field, SQLModel

from shared.access.keys import SEALING
from shared.rows import table_of

SEALED: Mapping[str, Any] = {"sealed": True}
"""For a column's `info`: its values are sealed for their row."""
_NONCE = 12
_LOOKED_AT_EVERY_S = 1.0


def sealed(*, optional: bool = True) -> Any:
    """A table's field whose values are sealed; `Seal.fields` closes them, `Seal.text` opens them."""
    column: Column[bytes] = Column(LargeBinary, nullable=optional, info=dict(SEALED))
    return Field(default=None, sa_column=column) if optional else Field(sa_column=column)


def sealed_columns(metadata: MetaData) -> dict[Table, list[str]]:
    """What the tables seal."""
    found = {table: [c.name for c in table.columns if c.info.get("sealed")] for table in metadata.sorted_tables}
    return {table: names for table, names in found.items() if names}


class Seal:
    """The key ring of an installation. It follows its file, so that keys can be changed while services run."""

    def __init__(self, keys_dir: Path) -> None:
        self._file = keys_dir / SEALING
        self._read()

    def close(self, text: str | bytes, *, place: str, row: UUID | str) -> bytes:
        """Encrypt for one place (`volunteer.iin`) and row."""
        if time.monotonic() >= self._look_again_at:
            self._follow()
        plain = text.encode() if isinstance(text, str) else text
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._keys[self.current].encrypt(nonce, plain, f"{place}|{row}".encode())
        return self.prefix + nonce + sealed

    def open(self, sealed: bytes, *, place: str, row: UUID | str) -> bytes:
        """Decrypt.

        Raises:
            InvalidTag: it was sealed for another place or row, or altered.
            KeyError: its key is not in the ring.
        """
        kid = kid_of(sealed)
        if kid not in self._keys:
            # Another process has sealed it with a key that is newer than our look at the file.
            self._read()
        end = 1 + sealed[0]
        return self._keys[kid].decrypt(sealed[end : end + _NONCE], sealed[end + _NONCE :], f"{place}|{row}".encode())

    def open_text(self, sealed: bytes, *, place: str, row: UUID | str) -> str:
        return self.open(sealed, place=place, row=row).decode()

    def fields(self, table: type[SQLModel], row: UUID, **values: str | bytes | None) -> dict[str, Any]:
        """The sealed columns of a row that is about to be made or changed."""
        name = table_of(table).name
        return {
            column: None if value is None else self.close(value, place=f"{name}.{column}", row=row)
            for column, value in values.items()
        }

    def text(self, row: Any, column: str) -> str | None:
        """What is sealed in a column of a row; None where there is nothing."""
        value: bytes | None = getattr(row, column)
        if value is None:
            return None
        return self.open(value, place=f"{row.__table__.name}.{column}", row=row.id).decode()

    def index(self, value: str, *, place: str) -> bytes:
        """A hash by which equal values of one place are found, worthless without the key."""
        return hmac.digest(self._index, f"{place}|{value}".encode(), hashlib.sha256)[:16]

    @property
    def prefix(self) -> bytes:
        """What every value begins with that is sealed with the current key."""
        kid = self.current.encode()
        return bytes([len(kid)]) + kid

    @property
    def kids(self) -> list[str]:
        """The keys of the ring, the oldest first."""
        return list(self._keys)

    def _follow(self) -> None:
        if self._file.stat().st_mtime_ns != self._read_as_of:
            self._read()
        self._look_again_at = time.monotonic() + _LOOKED_AT_EVERY_S

    def _read(self) -> None:
        self._read_as_of = self._file.stat().st_mtime_ns
        ring = orjson.loads(self._file.read_bytes())
        self.current: str = ring["current"]
        self._keys = {kid: AESGCM(b64decode(key)) for kid, key in ring["keys"].items()}
        self._index = b64decode(ring["index"])
        self._look_again_at = time.monotonic() + _LOOKED_AT_EVERY_S


def kid_of(sealed: bytes) -> str:
    """With which key of the ring it was sealed."""
    return sealed[1 : 1 + sealed[0]].decode()
