"""Passwords as Argon2id hashes. Each takes tens of milliseconds and 64 MiB on purpose: in threads, a few at once."""

import asyncio
import functools
import unicodedata
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 4

_HASHER = PasswordHasher()
"""Argon2id with RFC 9106's second recommended parameters, the library's defaults."""
_places = asyncio.Semaphore(AT_ONCE)

Answer = TypeVar("Answer")


async def hashed(password: str) -> str:
    """The hash to keep."""
    return await _in_a_thread(lambda: _HASHER.hash(_plain(password)))


async def is_right(password: str, kept: str | None) -> bool:
    """Whether this is the password; without one to compare it takes just as long to say no."""
    return await _in_a_thread(lambda: _verified(password, kept or _nobodys())) and kept is not None


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with parameters of another time."""
    return _HASHER.check_needs_rehash(kept)


def _plain(password: str) -> str:
    """The same letters, on whatever keyboard they were typed (NIST SP 800-63B-4, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _verified(password: str, kept: str) -> bool:
    try:
        return _HASHER.verify(kept, _plain(password))
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _nobodys() -> str:
    return _HASHER.hash("the password of nobody")


async def _in_a_thread(work: Callable[[], Answer]) -> Answer:
    async with _places:
        return await asyncio.to_thread(work)
