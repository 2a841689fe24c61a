"""Personal data at rest: each field encrypted for its own row, found again only by a keyed hash.

AES-256-GCM bound to table, column and row, so a ciphertext that is moved to another row no longer opens. The look-up
hash is keyed: the space of IINs and phones is small enough to try all of it against a plain one.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode
from pathlib import Path
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.access.keys import SEALING

_NONCE = 12


class Seal:
    """The key ring of an installation."""

    def __init__(self, keys_dir: Path) -> None:
        ring = orjson.loads((keys_dir / SEALING).read_bytes())
        self._current: str = ring["current"]
        self._keys = {kid: AESGCM(b64decode(key)) for kid, key in ring["keys"].items()}
        self._index = b64decode(ring["index"])

    def close(self, text: str | bytes, *, place: str, row: UUID | str) -> bytes:
        """Encrypt for one place (`volunteer.iin`) and row."""
        plain = text.encode() if isinstance(text, str) else text
        nonce = secrets.token_bytes(_NONCE)
        kid = self._current.encode()
        sealed = self._keys[self._current].encrypt(nonce, plain, f"{place}|{row}".encode())
        return bytes([len(kid)]) + kid + nonce + sealed

    def open(self, sealed: bytes, *, place: str, row: UUID | str) -> bytes:
        """Decrypt.

        Raises:
            InvalidTag: it was sealed for another place or row, or altered.
        """
        end = 1 + sealed[0]
        key = self._keys[sealed[1:end].decode()]
        return key.decrypt(sealed[end : end + _NONCE], sealed[end + _NONCE :], f"{place}|{row}".encode())

    def open_text(self, sealed: bytes, *, place: str, row: UUID | str) -> str:
        return self.open(sealed, place=place, row=row).decode()

    def index(self, value: str, *, place: str) -> bytes:
        """A hash by which equal values of one place are found, worthless without the key."""
        return hmac.digest(self._index, f"{place}|{value}".encode(), hashlib.sha256)[:16]
