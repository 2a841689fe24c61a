"""Facts as the services announce them; a test states only what matters to it."""

from collections import ChainMap, Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent, envelop
from shared.ids import new_id
from shared.messaging.pull import Delivery

ALMATY = "KZ-75"
DAY = date(2021, 5, 17)
NAMES = {"kk": "Орталық", "ru": "Центр", "en": "Centre"}
Fact = TypeVar("Fact", bound=DomainEvent)
BEGAN_AT = datetime(2021, 1, 1, tzinfo=UTC)


class Announcer:
    """Puts facts into envelopes: each aggregate's versions count up, each message is recorded a second later."""

    def __init__(self) -> None:
        self._versions: Counter[str] = Counter()
        self._at = BEGAN_AT

    def __call__(self, fact: DomainEvent) -> Delivery:
        self._versions[fact.aggregate] += 1
        self._at += timedelta(seconds=1)
        row = envelop(fact, at=self._at, version=self._versions[fact.aggregate])
        return Delivery(row["type"], row["aggregate"], row["version"], str(row["message_id"]), row["body"], reply="")


def _fact(contract: type[Fact], *layers: Mapping[str, Any]) -> Fact:
    """Of a field that is given several times the last one holds."""
    return contract(**dict(ChainMap(*(dict(layer) for layer in reversed(layers)))))


def _place() -> dict[str, Any]:
    return {"region": ALMATY, "centre_id": new_id()}


def centre_opened(**fields: Any) -> volunteers.CentreOpened:
    own = {"kind": "volunteer_centre", "name": NAMES, "opened_on": date(2020, 1, 1)}
    return _fact(volunteers.CentreOpened, _place(), own, fields)


def centre_changed(opened: volunteers.CentreOpened, **fields: Any) -> volunteers.CentreChanged:
    return _fact(volunteers.CentreChanged, opened.model_dump(), {"was_kind": opened.kind}, fields)


def centre_closed(opened: volunteers.CentreFact, *, on: date) -> volunteers.CentreClosed:
    return _fact(volunteers.CentreClosed, opened.model_dump(), {"closed_on": on})


def assignment_made(**fields: Any) -> volunteers.AssignmentMade:
    own = {"assignment_id": new_id(), "person_id": new_id(), "direction": "ecology", "role": "coordinator"}
    return _fact(volunteers.AssignmentMade, _place(), own, {"from_on": DAY}, fields)


def assignment_ended(made: volunteers.AssignmentMade, *, on: date) -> volunteers.AssignmentEnded:
    return _fact(volunteers.AssignmentEnded, made.model_dump(), {"until_on": on})


def volunteer(step: type[Fact], was: str | None, status: str, **fields: Any) -> Fact:
    own = {"volunteer_id": new_id(), "was": was, "status": status, "born_in": "1990-05", "consent": True, "on": DAY}
    return _fact(step, _place(), own, fields)


def erased(of: volunteers.VolunteerFact, *, on: date) -> volunteers.VolunteerErased:
    own = {"volunteer_id": of.volunteer_id, "was": of.status, "status": "erased", "on": on}
    return _fact(volunteers.VolunteerErased, {"region": of.region, "centre_id": of.centre_id}, own)


def declared(**fields: Any) -> volunteers.VolunteersDeclared:
    own = {"declaration_id": new_id(), "number": 300, "before": 0, "on": DAY}
    return _fact(volunteers.VolunteersDeclared, _place(), own, fields)


def hours(**fields: Any) -> volunteers.HoursRecorded:
    own = {"entry_id": new_id(), "volunteer_id": new_id(), "minutes": 120, "on": DAY}
    return _fact(volunteers.HoursRecorded, _place(), own, fields)


def event(step: type[Fact], was: str | None, status: str, **fields: Any) -> Fact:
    own = {
        "event_id": new_id(),
        "was": was,
        "status": status,
        "format": "charity_action",
        "title": NAMES,
        "public": True,
        "starts_at": datetime(2021, 5, 17, 9, tzinfo=UTC),
        "ends_at": datetime(2021, 5, 17, 12, tzinfo=UTC),
        "on": DAY,
    }
    return _fact(step, _place(), own, fields)


def sign_up(step: type[Fact], **fields: Any) -> Fact:
    own = {
        "signup_id": new_id(),
        "shift_id": new_id(),
        "event_id": new_id(),
        "volunteer_id": new_id(),
        "on": DAY,
    }
    return _fact(step, _place(), own, fields)


def attendance(**fields: Any) -> events.AttendanceRecorded:
    own: dict[str, Any] = {
        "attendance": "present",
        "starts_at": datetime(2021, 5, 17, 9, tzinfo=UTC),
        "ends_at": datetime(2021, 5, 17, 11, tzinfo=UTC),
        "minutes": 120,
    }
    return sign_up(events.AttendanceRecorded, **own | fields)


def headcount(**fields: Any) -> events.HeadcountTaken:
    own = {"headcount_id": new_id(), "event_id": new_id(), "helpers": 10, "guests": 100, "on": DAY}
    return _fact(events.HeadcountTaken, _place(), own, fields)


def campaign(step: type[Fact], was: str | None, status: str, **fields: Any) -> Fact:
    own = {
        "campaign_id": new_id(),
        "was": was,
        "status": status,
        "title": NAMES,
        "goal_minor": 5_000_000_00,
        "starts_on": date(2021, 3, 1),
    }
    return _fact(step, own, fields)


def donation(**fields: Any) -> charity.DonationReceived:
    own = {
        "donation_id": new_id(),
        "campaign_id": new_id(),
        "amount_minor": 12_500_00,
        "kind": "money",
        "method": "card",
        "anonymous": True,
        "on": DAY,
    }
    return _fact(charity.DonationReceived, _place(), own, fields)


def refund(given: charity.DonationReceived, **fields: Any) -> charity.DonationRefunded:
    return _fact(charity.DonationRefunded, given.model_dump(), {"refund_id": new_id()}, fields)


def disbursement(step: type[Fact], was: str | None, status: str, **fields: Any) -> Fact:
    own = {"disbursement_id": new_id(), "campaign_id": new_id(), "amount_minor": 4_000_00, "on": DAY}
    return _fact(step, _place(), own, {"was": was, "status": status}, fields)


def family(step: type[Fact], was: str | None, status: str, **fields: Any) -> Fact:
    own = {"family_id": new_id(), "was": was, "status": status, "members": 5, "on": DAY}
    return _fact(step, _place(), own, fields)


def delivered(**fields: Any) -> charity.DeliveryMade:
    own = {
        "delivery_id": new_id(),
        "family_id": new_id(),
        "person_ids": [new_id() for _ in range(5)],
        "kind": "goods",
        "value_minor": 15_000_00,
        "on": DAY,
    }
    return _fact(charity.DeliveryMade, _place(), own, fields)


def voided(made: charity.DeliveryMade) -> charity.DeliveryVoided:
    return _fact(charity.DeliveryVoided, made.model_dump())


def identity(number: int) -> UUID:
    """The same id for the same number, for tests that count in small numbers."""
    return UUID(int=number)
