"""What is asked and answered about accounts, grants, sessions, keys and links."""

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from services.gateway.domain.access import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from shared.access.permissions import Permission, Role
from shared.forms import Code, Form, Instant, Text, View
from shared.words import wrong_in

wrong = wrong_in(__name__)

CENTRES_MAX = 500
DIRECTIONS_MAX = 50
NETWORKS_MAX = 20


def _login(text: str) -> str:
    if any(letter.isspace() for letter in text):
        raise wrong("spaces_inside")
    return text.casefold()


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise wrong("not_a_network") from None


Login = Annotated[Text, Field(max_length=100), AfterValidator(_login)]
"""An email address, or whatever name is used once in this system. Capital letters make no difference."""
Password = Annotated[str, StringConstraints(min_length=1, max_length=PASSWORD_LENGTH_MAX)]
"""Taken as it is: spaces and all letters count."""
NewPassword = Annotated[str, StringConstraints(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]
Language = Literal["kk", "ru", "en"]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Network = Annotated[Text, AfterValidator(_network)]
Centres = Annotated[list[UUID], Field(max_length=CENTRES_MAX)]
Directions = Annotated[list[Code], Field(max_length=DIRECTIONS_MAX)]


class SignIn(Form):
    """Who signs in."""

    login: Login
    password: Password


class Enrol(Form):
    """Somebody accepts an invitation."""

    token: Secret = Field(description="The last part of the link.")
    login: Login
    name: Text
    language: Language = "kk"
    password: NewPassword


class ChangeMe(Form):
    """How one is called and spoken to."""

    name: Text
    language: Language


class ChangePassword(Form):
    """A new password for one's own account. All other sessions end."""

    old_password: Password
    password: NewPassword


class GiveGrant(Form):
    """A role, and where it holds."""

    role: Role
    centres: Centres | None = Field(description="Null is the whole republic; it must be said.")
    directions: Directions | None = Field(default=None, description="Null is all of them.")


class Invite(GiveGrant):
    """Somebody is to make an account, with this grant."""

    for_whom: Text = Field(description="A note of who it is, for those who look through the invitations.")
    volunteer_id: UUID | None = Field(default=None, description="With the role `volunteer`: which one they are.")


class MakeKey(Form):
    """A key for a machine: a role's permissions, or some word by word, and where they hold."""

    name: Text
    role: Role | None = Field(default=None, description="Gives what the role may, without what is for people only.")
    permissions: Annotated[list[Permission], Field(max_length=len(Permission))] = Field(
        default_factory=list[Permission]
    )
    centres: Centres | None = Field(description="Null is the whole republic; it must be said.")
    directions: Directions | None = Field(default=None, description="Null is all of them.")
    networks: Annotated[list[Network], Field(max_length=NETWORKS_MAX)] | None = Field(
        default=None, description="Where it may be used from, as CIDR; null is anywhere."
    )
    ends_at: Instant | None = Field(default=None, description="A year away at the most; 90 days when absent.")


class RotateKey(Form):
    """A successor for a key; both work for a while."""

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=30 * 24)] = Field(
        default=7 * 24, description="How long the old key goes on working."
    )


class GrantView(View):
    """A role, and where it holds."""

    id: UUID
    role: str
    centres: list[UUID] | None
    directions: list[str] | None
    given_by: str
    given_at: datetime


class MeView(View):
    """Who one is here."""

    id: str
    kind: str
    name: str | None = None
    login: str | None = None
    language: str | None = None
    status: str | None = None
    volunteer_id: UUID | None = None
    permissions: list[Permission]
    grants: list[GrantView] = Field(default_factory=list[GrantView])


class SessionView(View):
    """A browser in which one has signed in."""

    id: UUID
    agent: str
    made_at: datetime
    seen_at: datetime
    ends_at: datetime
    current: bool = False


class AccountView(View):
    """Somebody who may sign in."""

    id: UUID
    status: str
    name: str
    login: str | None
    language: str
    issuer: str | None
    volunteer_id: UUID | None
    made_at: datetime
    grants: list[GrantView]


class InvitationView(View):
    """A link that was given out."""

    id: UUID
    for_whom: str
    account_id: UUID | None
    role: str | None
    centres: list[UUID] | None
    directions: list[str] | None
    volunteer_id: UUID | None
    made_by: str
    made_at: datetime
    ends_at: datetime
    ended_at: datetime | None


class NewInvitationView(InvitationView):
    """A link just made. It is shown this once."""

    link: str
    token: str


class KeyView(View):
    """A key, without its secret."""

    id: UUID
    key_id: str
    name: str
    permissions: list[str]
    centres: list[UUID] | None
    directions: list[str] | None
    networks: list[str] | None
    account_id: UUID | None
    made_by: str
    made_at: datetime
    ends_at: datetime
    used_at: datetime | None
    ended_at: datetime | None


class NewKeyView(KeyView):
    """A key just made. It is shown this once."""

    key: str
