"""What may be done, which role may do it, and where: the one dictionary."""

from enum import StrEnum


class Role(StrEnum):
    """What a principal is trusted with; `MAY` says what that means."""

    ADMINISTRATOR = "administrator"
    COORDINATOR = "coordinator"
    TREASURER = "treasurer"
    AUDITOR = "auditor"
    VOLUNTEER = "volunteer"
    SYSTEM = "system"
    """An API key, or a service itself: it may what it was granted, word by word."""
    ANYONE = "anyone"


class Permission(StrEnum):
    """Something that a route lets a caller do."""

    READ_REFERENCE = "reference:read"
    READ_CENTRES = "centres:read"
    MANAGE_CENTRES = "centres:manage"
    READ_ASSIGNMENTS = "assignments:read"
    READ_VOLUNTEERS = "volunteers:read"
    WRITE_VOLUNTEERS = "volunteers:write"
    READ_HOURS = "hours:read"
    READ_EVENTS = "events:read"
    WRITE_EVENTS = "events:write"
    SIGN_UP = "sign-ups:write"
    READ_SIGN_UPS = "sign-ups:read"
    RECORD_ATTENDANCE = "attendances:write"
    READ_CAMPAIGNS = "campaigns:read"
    MANAGE_CAMPAIGNS = "campaigns:manage"
    READ_MONEY = "money:read"
    RECORD_DONATIONS = "donations:write"
    REFUND = "refunds:write"
    DISBURSE = "disbursements:write"
    READ_FAMILIES = "families:read"
    WRITE_FAMILIES = "families:write"
    RECORD_DELIVERIES = "deliveries:write"
    READ_PERSONAL_DATA = "personal-data:read"
    """Sealed fields in clear, for a stated purpose that is written down."""
    EXPORT_PERSON = "personal-data:export"
    ERASE_PERSON = "personal-data:erase"
    READ_JOURNAL = "journal:read"
    READ_FIGURES = "figures:read"
    READ_MESSAGES = "messages:read"
    SIGN_IN = "sign-in"
    OWN_ACCOUNT = "account:own"
    """One's own sessions, keys and language: whoever has signed in."""
    MANAGE_ACCESS = "access:manage"
    OPERATE = "system:operate"


_P = Permission
_OPEN = {
    _P.READ_REFERENCE, _P.READ_CENTRES, _P.READ_EVENTS, _P.READ_CAMPAIGNS, _P.READ_FIGURES, _P.SIGN_IN,
}  # fmt: skip
_SIGNED_IN = _OPEN | {_P.OWN_ACCOUNT}
_COORDINATION = {
    _P.READ_ASSIGNMENTS, _P.READ_VOLUNTEERS, _P.WRITE_VOLUNTEERS, _P.READ_HOURS, _P.WRITE_EVENTS, _P.SIGN_UP,
    _P.READ_SIGN_UPS, _P.RECORD_ATTENDANCE, _P.READ_FAMILIES, _P.WRITE_FAMILIES, _P.RECORD_DELIVERIES,
    _P.RECORD_DONATIONS, _P.READ_PERSONAL_DATA, _P.EXPORT_PERSON, _P.ERASE_PERSON,
}  # fmt: skip

MAY: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(_P),
    Role.COORDINATOR: frozenset(_SIGNED_IN | _COORDINATION),
    Role.TREASURER: frozenset(_SIGNED_IN | {_P.READ_MONEY, _P.RECORD_DONATIONS, _P.REFUND, _P.DISBURSE}),
    Role.AUDITOR: frozenset(_SIGNED_IN | {_P.READ_MONEY, _P.READ_HOURS, _P.READ_MESSAGES, _P.READ_JOURNAL}),
    Role.VOLUNTEER: frozenset(
        _SIGNED_IN | {_P.READ_VOLUNTEERS, _P.SIGN_UP, _P.READ_SIGN_UPS, _P.READ_HOURS, _P.EXPORT_PERSON}
    ),
    # What a key was granted stands in its grant.
    Role.SYSTEM: frozenset(_OPEN),
    Role.ANYONE: frozenset(_OPEN),
}
"""A volunteer's permissions reach their own records only."""

NOT_FOR_SOME_DIRECTIONS = frozenset({_P.RECORD_DONATIONS, _P.EXPORT_PERSON, _P.ERASE_PERSON})
"""What a coordinator of some directions may not do, though one of the whole centre may."""

EVERYWHERE = frozenset({_P.READ_REFERENCE, _P.READ_CENTRES, _P.READ_FIGURES, _P.READ_MESSAGES, _P.SIGN_IN})
"""What is about the whole network, whoever asks: public figures and lists, and what carries no personal data.

All others reach the centres and directions of the grant that gives them. What an event or a campaign shows to
everybody is a matter of the row (it is published, it is open), so `events:read` and `campaigns:read` are not here.
"""

NOT_FOR_KEYS = frozenset({_P.SIGN_IN, _P.OWN_ACCOUNT, _P.MANAGE_ACCESS})
"""What no API key is ever granted: who may do what is decided by people."""
