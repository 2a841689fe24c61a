"""What may be done, and which role may do it: the one dictionary."""

from enum import StrEnum

from shared.access.principal import Principal, Role


class Permission(StrEnum):
    """Something that a route lets a caller do."""

    READ_REFERENCE = "reference:read"
    READ_CENTRES = "centres:read"
    MANAGE_CENTRES = "centres:manage"
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
    READ_FIGURES = "figures:read"
    READ_MESSAGES = "messages:read"
    OPERATE = "system:operate"


_P = Permission
_OPEN = {_P.READ_REFERENCE, _P.READ_CENTRES, _P.READ_EVENTS, _P.READ_CAMPAIGNS, _P.READ_FIGURES}
_COORDINATION = {
    _P.READ_VOLUNTEERS, _P.WRITE_VOLUNTEERS, _P.READ_HOURS, _P.WRITE_EVENTS, _P.SIGN_UP, _P.READ_SIGN_UPS,
    _P.RECORD_ATTENDANCE, _P.READ_FAMILIES, _P.WRITE_FAMILIES, _P.RECORD_DELIVERIES, _P.RECORD_DONATIONS,
}  # fmt: skip

MAY: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(_P),
    Role.COORDINATOR: frozenset(_OPEN | _COORDINATION),
    Role.TREASURER: frozenset(_OPEN | {_P.READ_MONEY, _P.RECORD_DONATIONS, _P.REFUND, _P.DISBURSE}),
    Role.AUDITOR: frozenset(_OPEN | {_P.READ_MONEY, _P.READ_HOURS, _P.READ_MESSAGES}),
    Role.VOLUNTEER: frozenset(_OPEN | {_P.SIGN_UP}),
    Role.SYSTEM: frozenset(_P),
    Role.ANYONE: frozenset(_OPEN),
}


def may(principal: Principal, permission: Permission) -> bool:
    return any(permission in MAY[role] for role in principal.roles)
