"""Valid requests and messages by default; a test states only what matters to it."""

from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID

import orjson

from shared.contracts.envelope import DomainEvent, envelop
from shared.contracts.volunteers import CentreChanged, CentreClosed, CentreOpened
from shared.messaging.pull import Delivery
from shared.people import check_digit

_serial = count(1)


def iin() -> str:
    """A well-formed IIN that nobody holds: its birth day lies in the future."""
    while True:
        eleven = f"6001015{next(_serial):04d}"
        digit = check_digit(eleven)
        if digit is not None:
            return f"{eleven}{digit}"


def money(tenge: str) -> dict[str, str]:
    return {"amount": tenge, "currency": "KZT"}


def campaign(**overrides: Any) -> dict[str, Any]:
    return {"title": {"kk": "Жүректен жүрекке"}, "goal": money("1000000"), "starts_on": "2021-01-01"} | overrides


def donation(campaign_id: str, centre_id: str, **overrides: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "centre_id": centre_id,
        "kind": "money",
        "amount": money("1000.00"),
        "method": "card",
        "donor": {"kind": "person", "name": "Айгүл Қасымова"},
        "occurred_on": "2021-03-01",
    } | overrides


def goods(campaign_id: str, centre_id: str, **overrides: Any) -> dict[str, Any]:
    lines = [{"kind": "flour", "quantity": 50, "unit": "kg"}]
    return donation(campaign_id, centre_id, kind="goods", method="goods", goods=lines, **overrides)


def refund(**overrides: Any) -> dict[str, Any]:
    return {"amount": money("100.00"), "reason": "Қателесіп аударылған", "occurred_on": "2021-03-05"} | overrides


def disbursement(campaign_id: str, centre_id: str, **overrides: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "centre_id": centre_id,
        "amount": money("100.00"),
        "purpose": "Көмір",
        "occurred_on": "2021-03-10",
    } | overrides


def member(relation: str = "child", **overrides: Any) -> dict[str, Any]:
    return {"full_name": f"Отбасы мүшесі {next(_serial)}", "born_on": "2010-02-03", "relation": relation} | overrides


def family(centre_id: str, *, size: int = 3, **overrides: Any) -> dict[str, Any]:
    head = member("head", born_on="1980-05-17", iin=iin())
    return {
        "centre_id": centre_id,
        "address": "Алматы, Достық даңғылы, 1",
        "categories": ["large_family"],
        "referred_by": "Аналар кеңесі",
        "members": [head, *(member() for _ in range(size - 1))],
        "registered_on": "2021-01-15",
    } | overrides


def delivery(family_id: str, centre_id: str, **overrides: Any) -> dict[str, Any]:
    return {
        "family_id": family_id,
        "centre_id": centre_id,
        "kind": "goods",
        "value": money("15000.00"),
        "description": "Азық-түлік себеті",
        "occurred_on": "2021-04-01",
    } | overrides


def centre_opened(centre_id: UUID | str, **overrides: Any) -> CentreOpened:
    return CentreOpened(**_centre(centre_id, overrides))


def centre_changed(centre_id: UUID | str, **overrides: Any) -> CentreChanged:
    return CentreChanged(**_centre(centre_id, overrides), was_kind="volunteer_centre")


def centre_closed(centre_id: UUID | str, closed_on: date) -> CentreClosed:
    return CentreClosed(**_centre(centre_id, {}), closed_on=closed_on)


def _centre(centre_id: UUID | str, overrides: dict[str, Any]) -> dict[str, Any]:
    return {
        "centre_id": centre_id,
        "region": "KZ-75",
        "kind": "volunteer_centre",
        "name": {"kk": "Орталық", "ru": "Центр", "en": "Centre"},
        "opened_on": date(2020, 1, 1),
        **overrides,
    }


def delivered(fact: DomainEvent, *, version: int = 1) -> Delivery:
    """A fact as it comes out of the stream."""
    row = envelop(fact, at=datetime(2021, 1, 1, tzinfo=UTC), version=version)
    return Delivery(row["type"], row["aggregate"], version, str(row["message_id"]), row["body"], reply="")


def keyed() -> dict[str, str]:
    """The headers of a request that moves money."""
    return {"Idempotency-Key": f"key-{next(_serial)}"}


def of(message: dict[str, Any], *names: str) -> list[Any]:
    return [message["data"][name] for name in names]


def plain(answer: Any) -> Any:
    return orjson.loads(answer.content)
