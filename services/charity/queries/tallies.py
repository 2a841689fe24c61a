"""Tallies: what came in and went out and whom it helped, for any period, region, centre and campaign.

Distinct families and people are not additive: a family helped three times, or in two regions, is one. All figures of a
tally come from one statement, so they agree with each other.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, Text, Uuid, and_, bindparam, func, literal_column, select
from sqlmodel import col

from services.charity.tables import Delivery, Helped, Leg
from shared.database import Transaction


@dataclass(frozen=True, slots=True)
class Scope:
    """What is tallied: all that is given must hold; nothing is the whole country, always. Days are included."""

    start: date | None = None
    end: date | None = None
    region: str | None = None
    centre_id: UUID | None = None
    campaign_id: UUID | None = None

    @property
    def is_whole_country(self) -> bool:
        return self.region is None and self.centre_id is None and self.campaign_id is None

    def given(self) -> dict[str, Any]:
        names = ("start", "end", "region", "centre_id", "campaign_id")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Figures:
    """Amounts in tiyn."""

    received_minor: int
    refunded_minor: int
    disbursed_minor: int
    on_hand_minor: int
    """Of the whole time until the end of the period."""
    goods_minor: int
    donations: int
    deliveries: int
    families: int
    people: int


async def tally(tx: Transaction, scope: Scope) -> Figures:
    given = scope.given()
    record = await tx.fetch_one(_statement(frozenset(given)), **given)
    return Figures(*(int(value) for value in record or ()))


@lru_cache(maxsize=64)
def _statement(names: frozenset[str]) -> Any:
    """The statement for scopes of which these parts are given: PostgreSQL plans each kind with the index it needs."""
    money = _amounts(_filters(Leg, names)).subquery()
    # What is at hand at the end of a period has come in since the beginning.
    at_hand = select(func.coalesce(-func.sum(col(Leg.amount_minor)), 0)).where(
        _account("donors") | _account("aid"), *_filters(Leg, names - {"start"})
    )
    made = and_(col(Delivery.voided_on).is_(None), *_filters(Delivery, names))
    deliveries = select(func.count()).select_from(Delivery).where(made)
    families = select(col(Delivery.family_id)).where(made).distinct().subquery()
    people = (
        select(col(Helped.person_id))
        .join(
            Delivery,
            # The centre is the delivery's: said once more, it leads to the index in which these people stand together.
            and_(col(Delivery.id) == col(Helped.delivery_id), col(Delivery.centre_id) == col(Helped.centre_id)),
        )
        .where(made)
        .distinct()
        .subquery()
    )
    return select(
        money.c.received,
        money.c.refunded,
        money.c.disbursed,
        at_hand.scalar_subquery(),
        money.c.goods,
        money.c.donations,
        deliveries.scalar_subquery(),
        select(func.count()).select_from(families).scalar_subquery(),
        select(func.count()).select_from(people).scalar_subquery(),
    )


def _amounts(filters: list[ColumnElement[bool]]) -> Any:
    amount = col(Leg.amount_minor)
    given_in_kind = _account("donors_in_kind")
    gift, return_ = and_(_account("donors"), amount < 0), and_(_account("donors"), amount > 0)
    return select(
        func.coalesce(-func.sum(amount).filter(gift), 0).label("received"),
        func.coalesce(func.sum(amount).filter(return_), 0).label("refunded"),
        func.coalesce(func.sum(amount).filter(_account("aid")), 0).label("disbursed"),
        func.coalesce(-func.sum(amount).filter(given_in_kind), 0).label("goods"),
        func.count().filter(gift | given_in_kind).label("donations"),
    ).where(~_account("cash"), *filters)


def _account(name: str) -> ColumnElement[bool]:
    # Written out: behind a parameter PostgreSQL could not tell that the partial indexes hold it.
    return col(Leg.account) == literal_column(f"'{name}'")


def _filters(table: type[Leg] | type[Delivery], names: frozenset[str]) -> list[ColumnElement[bool]]:
    day = col(table.occurred_on)
    all_filters: dict[str, ColumnElement[bool]] = {
        "start": day >= bindparam("start", type_=Date),
        "end": day <= bindparam("end", type_=Date),
        "region": col(table.region) == bindparam("region", type_=Text),
        "centre_id": col(table.centre_id) == bindparam("centre_id", type_=Uuid),
        "campaign_id": col(table.campaign_id) == bindparam("campaign_id", type_=Uuid),
    }
    return [condition for name, condition in all_filters.items() if name in names]
