"""Valid requests and messages by default; a test states only what matters to it."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from shared.contracts.envelope import DomainEvent, envelop
from shared.contracts.events import AttendanceRecorded, SignUpConfirmed
from shared.ids import new_id
from shared.messaging.pull import Delivery

STARTS_AT, ENDS_AT = datetime(2021, 6, 9, 4, tzinfo=UTC), datetime(2021, 6, 9, 8, tzinfo=UTC)
FUTURE = {
    "starts_at": datetime(2190, 6, 9, 4, tzinfo=UTC),
    "ends_at": datetime(2190, 6, 9, 8, tzinfo=UTC),
    "on": date(2190, 6, 9),
}
"""For `attendance`: a shift that has not ended yet."""


def centre(**overrides: Any) -> dict[str, Any]:
    return {
        "kind": "volunteer_centre",
        "name": {"kk": "Орталық", "ru": "Центр", "en": "Centre"},
        "region": "KZ-75",
        "opened_on": "2020-01-01",
    } | overrides


def change(**overrides: Any) -> dict[str, Any]:
    """What a centre is changed into."""
    return {"kind": "friendship_house", "name": {"kk": "Достық үйі"}} | overrides


def assignment(centre_id: str, **overrides: Any) -> dict[str, Any]:
    return {
        "person_name": "Айгүл Қасымова",
        "centre_id": centre_id,
        "direction": "ecology",
        "role": "coordinator",
        "from_on": "2021-02-01",
    } | overrides


def declaration(centre_id: str, **overrides: Any) -> dict[str, Any]:
    return {"centre_id": centre_id, "number": 40, "declared_on": "2021-03-01", "source": "Есеп"} | overrides


def attendance(signup_id: UUID, *, version: int = 2, **overrides: Any) -> Delivery:
    """That a volunteer came to a shift of four hours, as the consumer gets it; the sign-up itself is version 1."""
    values: dict[str, Any] = {
        **_of(signup_id),
        "direction": "ecology",
        "attendance": "present",
        "starts_at": STARTS_AT,
        "ends_at": ENDS_AT,
        "minutes": 240,
    }
    return delivery(AttendanceRecorded(**values | overrides), version=version)


def sign_up(signup_id: UUID) -> Delivery:
    return delivery(SignUpConfirmed(**_of(signup_id)), version=1)


def delivery(fact: DomainEvent, *, version: int) -> Delivery:
    """A fact as a consumer gets it from the stream."""
    row = envelop(fact, at=datetime(2021, 6, 9, 9, tzinfo=UTC), version=version)
    return Delivery(row["type"], row["aggregate"], version, str(row["message_id"]), row["body"], reply="")


def _of(signup_id: UUID) -> dict[str, Any]:
    return {
        "signup_id": signup_id,
        "shift_id": new_id(),
        "event_id": new_id(),
        "volunteer_id": new_id(),
        "centre_id": new_id(),
        "region": "KZ-75",
        "on": date(2021, 6, 9),
    }
