"""Identifiers: UUIDv7, made by the application, ordered by time. Never secrets."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    # The `compat` module returns real `uuid.UUID`; the plain one returns a look-alike that fails isinstance.
    return uuid_utils.compat.uuid7()
