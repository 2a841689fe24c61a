"""Identifiers: UUIDv7, made by the application, ordered by time; or made of what they identify. Never secrets."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    # The `compat` module returns real `uuid.UUID`; the plain one returns a look-alike that fails isinstance.
    return uuid_utils.compat.uuid7()


def keyed_id(digest: bytes) -> UUID:
    """An id made of a keyed hash (UUIDv8): the same thing gets it again, and nobody else can tell what it is of."""
    octets = bytearray(digest[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    return UUID(bytes=bytes(octets))
