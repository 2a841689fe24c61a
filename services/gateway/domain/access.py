"""Who may come in and what may be given to whom, in plain functions: accounts, grants, keys, passwords."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from shared.access.permissions import MAY, NOT_FOR_KEYS, Permission, Role
from shared.access.principal import Grant, Principal
from shared.errors import Conflict, Forbidden, NotFound, RuleBroken, TooMany, Unauthenticated

SESSION_IDLE = timedelta(minutes=30)
SESSION_MAX = timedelta(hours=12)
KEY_LIFE_MAX = timedelta(days=366)
KEY_LIFE_USUAL = timedelta(days=90)
KEYS_OVERLAP_MAX = timedelta(days=30)
INVITATION_LIFE = timedelta(days=7)
ADMINISTRATOR_LINK_LIFE = timedelta(minutes=30)
SIGN_IN_WINDOW = timedelta(minutes=15)
SIGN_IN_LIMITS = (10, 100, 50)
"""Failures in that time: of one login from one address, of one login from anywhere, from one address of any login."""
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 15, 128
"""NIST SP 800-63B-4, section 3.1.1.2: fifteen where nothing else is asked for, and no rules of composition."""

PEOPLE = frozenset({Role.ADMINISTRATOR, Role.COORDINATOR, Role.TREASURER, Role.AUDITOR, Role.VOLUNTEER})
"""The roles that a person is given."""

_GUESSED_FIRST = (
    "password", "passw", "rd", "qwerty", "qwertyuiop", "asdfgh", "zxcvbn", "letmein", "welcome", "administrator",
    "admin", "iloveyou", "monkey", "dragon", "football", "abc", "correcthorsebatterystaple", "йцукен", "йцукенгшщзхъ",
    "пароль", "привет", "любовь", "құпиясөз", "құпия", "сәлем", "асар", "asar", "volunteer", "волонтер", "волонтёр",
    "ерікті", "казахстан", "қазақстан", "kazakhstan", "qazaqstan", "астана", "astana", "алматы", "almaty",
)  # fmt: skip
"""What is tried first, with digits and signs or several times over: longer lists hold little of 15 letters."""
_WORDS = re.compile(r"[^\W\d_]+")


class NotKnown(NotFound):
    """There is no such account, grant, session, key or invitation."""


class CredentialsRefused(Unauthenticated):
    """What was sent to say who you are is unknown, over or withdrawn; sign in again, or use another key."""


class SignInRefused(Unauthenticated):
    """There is no such login, or the password is another one."""


class TooManySignIns(TooMany):
    """Signing in has failed too often; wait for the seconds in Retry-After."""


class LoginTaken(Conflict):
    """Somebody signs in by this name already; choose another one."""


class VolunteerHasAccount(Conflict):
    """This volunteer has an account already."""


class LinkUsedOrOver(RuleBroken):
    """This link was used before or its time is over; ask for a new one."""


class PasswordTooCommon(RuleBroken):
    """This password is one of the first to be guessed; take several words that do not belong together."""


class OldPasswordWrong(RuleBroken):
    """The password so far is not this one."""


class NoPasswordHere(RuleBroken):
    """This account signs in elsewhere and has no password here."""


class LastAdministrator(Conflict):
    """Nobody could let anybody in any more: make another administrator first."""


class AccountRevoked(Conflict):
    """This account was revoked; it cannot be given anything."""


class RoleNotForPeople(RuleBroken):
    """This role is not one that a person can be given."""


class AdministratorIsForAll(RuleBroken):
    """An administrator is one of the whole republic and all directions."""


class CentresMissing(RuleBroken):
    """Name the centres; null is the whole republic, and none at all gives nothing."""


class VolunteerMissing(RuleBroken):
    """A volunteer's account is for one volunteer: say which, and name no centres or directions."""


class NotForKeys(RuleBroken):
    """No key is ever given this: who may do what is decided by people."""


class MoreThanYouMay(Forbidden):
    """A key can be given what its maker may, where its maker may it, and no more."""


class KeyLivesTooLong(RuleBroken):
    """A key ends after a year at the latest, and not before it begins."""


class KeyHasEnded(Conflict):
    """This key has ended; make a new one."""


def require_giveable(grant: Grant, *, volunteer: bool) -> None:
    """Whether a person can be given this.

    Raises:
        RoleNotForPeople, AdministratorIsForAll, CentresMissing
        VolunteerMissing: the role is a volunteer's without saying whose, or the other way round.
    """
    if grant.role not in PEOPLE:
        raise RoleNotForPeople(pointer="/role")
    if grant.role is Role.ADMINISTRATOR and (grant.centres is not None or grant.directions is not None):
        raise AdministratorIsForAll(pointer="/centres")
    if volunteer != (grant.role is Role.VOLUNTEER):
        raise VolunteerMissing(pointer="/volunteer_id")
    if grant.role is Role.VOLUNTEER:
        if grant.centres or grant.centres is None or grant.directions is not None:
            raise VolunteerMissing(pointer="/centres")
    else:
        require_somewhere(grant)


def require_somewhere(grant: Grant) -> None:
    """Raises: CentresMissing."""
    if grant.centres is not None and not grant.centres:
        raise CentresMissing(pointer="/centres")
    if grant.directions is not None and not grant.directions:
        raise CentresMissing(pointer="/directions")


def key_permissions(role: Role | None, permissions: Iterable[Permission]) -> frozenset[Permission]:
    """What a key is given word by word: what a role may, and what is named beside it.

    Raises:
        NotForKeys: one that is named is for people only. Of a role, that part is left out.
    """
    named = frozenset(permissions)
    if named & NOT_FOR_KEYS:
        raise NotForKeys(pointer="/permissions")
    return named if role is None else named | (MAY[role] - NOT_FOR_KEYS)


def covers(grants: Sequence[Grant], key: Grant) -> bool:
    """Whether every permission of a key holds, with these grants, in every part that the key reaches."""
    holder = Principal(id="holder", kind="person", grants=tuple(grants))

    def held(permission: Permission) -> bool:
        parts = holder.reach(permission).parts
        return holder.may(permission) and all(
            {(centre, direction), (centre, None), (None, direction), (None, None)} & parts
            for centre, direction in key.parts
        )

    return all(held(permission) for permission in key.permissions)


def require_key_life(ends_at: datetime, *, now: datetime) -> None:
    """Raises: KeyLivesTooLong."""
    if not now < ends_at <= now + KEY_LIFE_MAX:
        raise KeyLivesTooLong(pointer="/ends_at")


def require_uncommon(password: str, *, login: str) -> None:
    """Whether a password is not among the first to be guessed.

    Raises:
        PasswordTooCommon
    """
    plain = password.lower()
    words = [word for word in _WORDS.findall(plain) if len(word) > 1]
    guessed = {*_GUESSED_FIRST, *_WORDS.findall(login.lower())}
    known = bool(words) and all(_repeats(word, guessed) for word in words)
    runs = all(abs(ord(b) - ord(a)) <= 1 for a, b in pairwise(plain))
    if known or runs or not words or len(set(plain)) < 6:  # noqa: PLR2004 - letters that differ
        raise PasswordTooCommon(pointer="/password")


def _repeats(word: str, guessed: Iterable[str]) -> bool:
    """Whether a word is one of these, once or several times over."""
    return any(known and not word.replace(known, "") for known in guessed)
