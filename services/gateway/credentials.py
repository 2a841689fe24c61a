"""What people and machines show to say who they are: how it is made, how it is recognised, and what is kept of it.

An API key reads `asar_<environment>_<key id>_<secret><check sum>`: scanners for secrets know it by its beginning, and
one that was mistyped or cut short is refused without a look into the database.
"""

import base64
import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

COOKIE = "__Host-sid"
"""The prefix has browsers refuse it where it is not `Secure`, names a domain or another path."""
_FLAGS = "; Path=/; Secure; HttpOnly; SameSite=Lax"
_SECRET_BYTES = 32
_SECRET_LENGTH = 43
_ENVIRONMENTS = {"development": "dev", "production": "live"}
_KEY = re.compile(r"(?P<body>asar_(?P<environment>dev|live)_(?P<key_id>[a-z2-7]{12})_(?P<secret>[A-Za-z0-9_-]{43}))"
                  r"(?P<checksum>[0-9a-f]{8})")  # fmt: skip
_SECRET = re.compile(rf"[A-Za-z0-9_-]{{{_SECRET_LENGTH}}}")

Environment = Literal["development", "production"]


@dataclass(frozen=True)
class NewKey:
    """An API key just made: shown once, then only what is kept of it is left."""

    key_id: str
    text: str
    kept: bytes


@dataclass(frozen=True)
class ShownKey:
    """An API key that somebody shows, well formed as it is."""

    key_id: str
    kept: bytes


def new_secret() -> str:
    """256 random bits as 43 letters: a session, or a link."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def kept(secret: str) -> bytes:
    """What is stored of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(text: str) -> bool:
    return _SECRET.fullmatch(text) is not None


def new_key(environment: Environment) -> NewKey:
    key_id = base64.b32encode(secrets.token_bytes(8)).decode().lower()[:12]
    secret = new_secret()
    body = f"asar_{_ENVIRONMENTS[environment]}_{key_id}_{secret}"
    return NewKey(key_id, body + _checksum(body), kept(secret))


def shown_key(text: str, environment: Environment) -> ShownKey | None:
    """The parts of a key; None where it is not one of this environment's or its check sum is wrong."""
    written = _KEY.fullmatch(text)
    if (
        written is None
        or written["environment"] != _ENVIRONMENTS[environment]
        or written["checksum"] != _checksum(written["body"])
    ):
        return None
    return ShownKey(written["key_id"], kept(written["secret"]))


def cookie(session: str, *, seconds: int) -> str:
    """The `Set-Cookie` of a session."""
    return f"{COOKIE}={session}; Max-Age={seconds}{_FLAGS}"


NO_COOKIE = cookie("", seconds=0)
"""The `Set-Cookie` that has a browser forget its session."""


def session_in(header: bytes) -> str | None:
    """The session that a `Cookie` header shows; None where it shows none, empty where it cannot be read."""
    if COOKIE.encode() not in header:
        return None
    try:
        found = SimpleCookie(header.decode("ascii")).get(COOKIE)
    except (CookieError, UnicodeDecodeError):
        return ""
    return "" if found is None else found.value


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
