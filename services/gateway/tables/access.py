"""Who may come in: people with their grants, sessions and links, and the keys of machines.

No secret stands here in clear. What is found again by a secret is kept as its SHA-256: it is random, so nothing slower
is needed; passwords are not, and are kept as Argon2id.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import DateTime, Field

from services.gateway.domain import access as domain
from services.gateway.tables.base import OWN, Base
from shared.ids import new_id
from shared.refused_as import refused_as
from shared.sealed import sealed

_INSTANT: Any = DateTime(timezone=True)


def _hash(*, needed: bool = False) -> Any:
    return Column(LargeBinary, nullable=not needed)


def _list() -> Any:
    # SQL's NULL is "all of them", which JSON's null would not be.
    return Column(JSONB(none_as_null=True))


class Account(Base, table=True):
    """A person who may sign in, with a password here or at an OIDC issuer."""

    __table_args__ = (
        UniqueConstraint("login_index", name="account_login", info=refused_as(domain.LoginTaken)),
        UniqueConstraint("issuer", "subject", name="account_subject"),
        Index(
            "account_volunteer",
            "volunteer_id",
            unique=True,
            postgresql_where=text("status <> 'revoked'"),
            info=refused_as(domain.VolunteerHasAccount),
        ),
        CheckConstraint("status IN ('pending', 'active', 'revoked')", name="account_status"),
        {"info": OWN},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    status: str = "active"
    """`pending` has signed in elsewhere and has no rights yet; `revoked` never comes in again."""
    name: bytes | None = sealed()
    """None of who was erased."""
    language: str = "kk"
    login: bytes | None = sealed()
    login_index: bytes | None = Field(default=None, sa_column=_hash())
    password: str | None = None
    """Argon2id, with its parameters and salt."""
    issuer: str | None = None
    subject: str | None = None
    volunteer_id: UUID | None = None
    made_by: str
    made_at: datetime = Field(sa_type=_INSTANT)


class AccountGrant(Base, table=True):
    """A role that somebody was given, where, and until it was withdrawn."""

    __table_args__ = (
        Index("accountgrant_account", "account_id", postgresql_where=text("ended_at IS NULL")),
        {"info": OWN},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    account_id: UUID = Field(foreign_key="account.id")
    role: str
    centres: list[str] | None = Field(default=None, sa_column=_list())
    """None is the whole republic."""
    directions: list[str] | None = Field(default=None, sa_column=_list())
    """None is all of them."""
    given_by: str
    given_at: datetime = Field(sa_type=_INSTANT)
    ended_by: str | None = None
    ended_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Session(Base, table=True):
    """A browser in which somebody has signed in."""

    __table_args__ = (
        UniqueConstraint("secret", name="session_secret"),
        Index("session_account", "account_id", postgresql_where=text("ended_at IS NULL")),
        {"info": OWN},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    secret: bytes = Field(sa_column=_hash(needed=True))
    account_id: UUID = Field(foreign_key="account.id")
    agent: str
    """What the browser calls itself, shortened, so that its owner recognises it."""
    made_at: datetime = Field(sa_type=_INSTANT)
    seen_at: datetime = Field(sa_type=_INSTANT)
    """To the minute; half an hour later the session is over."""
    ends_at: datetime = Field(sa_type=_INSTANT)
    ended_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class ApiKey(Base, table=True):
    """What a machine shows: its permissions, word by word, and where they hold."""

    __table_args__ = (
        UniqueConstraint("key_id", name="apikey_key_id"),
        Index("apikey_account", "account_id", postgresql_where=text("ended_at IS NULL")),
        {"info": OWN},
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    key_id: str
    """The part of the key that may be shown: people and logs tell keys apart by it."""
    secret: bytes = Field(sa_column=_hash(needed=True))
    name: str
    permissions: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    centres: list[str] | None = Field(default=None, sa_column=_list())
    directions: list[str] | None = Field(default=None, sa_column=_list())
    networks: list[str] | None = Field(default=None, sa_column=_list())
    """The addresses it may be used from, as CIDR; None is anywhere."""
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    """Whose it is, and ends with; None for those made on the machine itself."""
    made_by: str
    made_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    used_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    """To the minute."""
    ended_by: str | None = None
    ended_at: datetime | None = Field(default=None, sa_type=_INSTANT)


class Invitation(Base, table=True):
    """A link by which one person makes an account, or a new password for one, once."""

    __table_args__ = (UniqueConstraint("secret", name="invitation_secret"), {"info": OWN})

    id: UUID = Field(default_factory=new_id, primary_key=True)
    version: int = 1
    secret: bytes = Field(sa_column=_hash(needed=True))
    for_whom: bytes = sealed(optional=False)
    """A note of who was invited, for those who look through the invitations."""
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    """Whose password it renews; None makes an account."""
    role: str | None = None
    centres: list[str] | None = Field(default=None, sa_column=_list())
    directions: list[str] | None = Field(default=None, sa_column=_list())
    volunteer_id: UUID | None = None
    made_by: str
    made_at: datetime = Field(sa_type=_INSTANT)
    ends_at: datetime = Field(sa_type=_INSTANT)
    ended_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    """When it was used or taken back."""


class FailedSignIns(Base, table=True):
    """How often signing in has failed lately: by a login, from an address, or both. Neither stands here in clear."""

    __table_args__ = ({"info": OWN},)

    about: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    failures: int
    began_at: datetime = Field(sa_type=_INSTANT)
