"""Valid requests and messages by default; a test states only what matters to it."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from shared.contracts.charity import CampaignOpened
from shared.contracts.envelope import DomainEvent, envelop
from shared.contracts.volunteers import CentreClosed, CentreOpened, VolunteerApproved, VolunteerFact
from shared.ids import new_id
from shared.messaging.pull import Delivery

STARTS_AT, ENDS_AT = "2021-06-09T10:00:00+06:00", "2021-06-09T14:00:00+06:00"
FUTURE_STARTS_AT, FUTURE_ENDS_AT = "2190-06-09T10:00:00+05:00", "2190-06-09T14:00:00+05:00"


def event(centre_id: str, **overrides: Any) -> dict[str, Any]:
    """An event of the past, published, so that it can be held."""
    return {
        "centre_id": centre_id,
        "format": "clean_up",
        "direction": "ecology",
        "title": {"kk": "Сенбілік", "ru": "Субботник", "en": "Clean-up"},
        "starts_at": STARTS_AT,
        "ends_at": ENDS_AT,
        "status": "published",
    } | overrides


def plan(**overrides: Any) -> dict[str, Any]:
    """What an event is changed into."""
    request = event("", **overrides)
    return {name: value for name, value in request.items() if name not in ("centre_id", "status")}


def shift(event_id: str, **overrides: Any) -> dict[str, Any]:
    return {"event_id": event_id, "role": "Көмекші", "starts_at": STARTS_AT, "ends_at": ENDS_AT} | overrides


def centre_opened(centre_id: UUID | str, **overrides: Any) -> CentreOpened:
    return CentreOpened(**_centre(centre_id) | overrides)


def centre_closed(centre_id: UUID | str, closed_on: date) -> CentreClosed:
    return CentreClosed(**_centre(centre_id), closed_on=closed_on)


def volunteer_approved(volunteer_id: UUID | str, **overrides: Any) -> VolunteerApproved:
    return volunteer_fact(VolunteerApproved, volunteer_id, **{"was": "applied", "status": "approved"} | overrides)


def volunteer_fact(kind: type[VolunteerFact], volunteer_id: UUID | str, **overrides: Any) -> Any:
    values: dict[str, Any] = {
        "volunteer_id": volunteer_id,
        "centre_id": new_id(),
        "region": "KZ-75",
        "born_in": "1990-05",
        "consent": True,
        "on": date(2021, 2, 1),
    }
    return kind(**values | overrides)


def campaign_opened(campaign_id: UUID | str) -> CampaignOpened:
    return CampaignOpened(
        campaign_id=campaign_id,  # pyright: ignore[reportArgumentType]
        was="draft",
        status="open",
        title={"kk": "Мектепке жол", "ru": "Дорога в школу", "en": "Road to school"},
        starts_on=date(2021, 8, 1),
    )


def delivery(fact: DomainEvent, *, version: int = 1) -> Delivery:
    """A fact as a consumer gets it from the stream."""
    row = envelop(fact, at=datetime(2021, 2, 1, tzinfo=UTC), version=version)
    return Delivery(row["type"], row["aggregate"], version, str(row["message_id"]), row["body"], reply="")


def _centre(centre_id: UUID | str) -> dict[str, Any]:
    return {
        "centre_id": centre_id,
        "region": "KZ-75",
        "kind": "volunteer_centre",
        "name": {"kk": "Орталық", "ru": "Центр", "en": "Centre"},
        "opened_on": date(2020, 1, 1),
    }
