"""An example of each message, with nobody real in it.

`python -m shared.contracts.examples FOLDER` writes those that are missing, one file per type, and touches none that
exist: a file that was written once must parse for ever.
"""

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent, envelop

_MODULES = (volunteers, events, charity)
_AT = datetime(2021, 5, 17, 9, 30, tzinfo=UTC)
_DAY = date(2021, 5, 17)
_VALUES: dict[str, Any] = {
    "amount_minor": 1_250_000,
    "anonymous": False,
    "attendance": "present",
    "before": 300,
    "born_in": "1990-05",
    "consent": True,
    "currency": "KZT",
    "direction": "ecology",
    "directions": ["ecology"],
    "ends_at": datetime(2021, 5, 17, 12, 0, tzinfo=UTC),
    "format": "charity_action",
    "goal_minor": 500_000_000,
    "guests": 40,
    "guests_before": 0,
    "hazard": "none",
    "helpers": 12,
    "helpers_before": 0,
    "members": 5,
    "method": "bank",
    "minimum_age": 16,
    "minutes": 150,
    "name": {"kk": "Жастар орталығы", "ru": "Молодёжный центр", "en": "Youth centre"},
    "needed": 10,
    "number": 350,
    "public": True,
    "reason": "Ауа райы қолайсыз.",
    "region": "KZ-75",
    "role": "coordinator",
    "starts_at": _AT,
    "title": {"kk": "Мектепке жол", "ru": "Дорога в школу", "en": "Road to school"},
    "value_minor": 450_000,
    "was_kind": "other",
}
_OF_NOUN: dict[str, dict[str, Any]] = {
    "campaign": {"centre_id": None, "region": None},
    "centre": {"kind": "volunteer_centre"},
    "donation": {"kind": "money"},
    "delivery": {"kind": "goods"},
    "shift": {"role": "guide"},
}
_CHANGES: dict[str, tuple[str | None, str]] = {
    "volunteer.registered": (None, "applied"),
    "volunteer.approved": ("applied", "approved"),
    "volunteer.rejected": ("applied", "rejected"),
    "volunteer.activated": ("approved", "active"),
    "volunteer.paused": ("active", "paused"),
    "volunteer.resumed": ("paused", "active"),
    "volunteer.left": ("active", "left"),
    "volunteer.erased": ("active", "erased"),
    "event.drafted": (None, "draft"),
    "event.published": ("draft", "published"),
    "event.changed": ("published", "published"),
    "event.held": ("published", "held"),
    "event.cancelled": ("published", "cancelled"),
    "campaign.drafted": (None, "draft"),
    "campaign.opened": ("draft", "open"),
    "campaign.changed": ("open", "open"),
    "campaign.closed": ("open", "closed"),
    "campaign.reported": ("closed", "reported"),
    "disbursement.requested": (None, "requested"),
    "disbursement.approved": ("requested", "approved"),
    "disbursement.paid": ("approved", "paid"),
    "disbursement.voided": ("approved", "voided"),
    "family.registered": (None, "draft"),
    "family.verified": ("draft", "verified"),
    "family.changed": ("verified", "verified"),
    "family.archived": ("verified", "archived"),
    "signup.attendance_recorded": ("absent", "confirmed"),
}
"""Status before and after."""


def contracts() -> list[type[DomainEvent]]:
    """Every message type, in the order of the files."""
    return [
        known
        for module in _MODULES
        for known in vars(module).values()
        if isinstance(known, type) and issubclass(known, DomainEvent) and "type" in vars(known)
    ]


def example_of(contract: type[DomainEvent]) -> dict[str, Any]:
    """The message as it travels, the same at each call."""
    _, noun, fact, _ = contract.type.split(".")
    was, status = _CHANGES.get(f"{noun}.{fact}", (None, fact))
    known = _VALUES | {"was": was, "status": status} | _OF_NOUN.get(noun, {})
    values = {name: known[name] if name in known else _made_up(name) for name in contract.model_fields}
    row = envelop(contract.model_validate(values), at=_AT, version=1 if was is None else 2)
    return {**orjson.loads(row["body"]), "id": str(_id(contract.type))}


def _made_up(name: str) -> object:
    if name.endswith("_id"):
        return _id(name)
    if name.endswith("_ids"):
        return [_id(f"{name} {n}") for n in (1, 2)]
    if name == "on" or name.endswith("_on"):
        return _DAY
    raise LookupError(f"no example of {name} yet: add one to _VALUES")


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"https://example.org/asar/{name}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for each in contracts():
        path = folder / f"{each.type}.json"
        if not path.exists():
            path.write_bytes(orjson.dumps(example_of(each), option=orjson.OPT_INDENT_2) + b"\n")
