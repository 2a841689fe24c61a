"""Counts every figure anew from the services' own tables: SQL of its own, which shares nothing with the fold.

A statement gives one row per civil day, region, centre and campaign, with the figures that it counts. What is distinct
cannot be added up, so it is counted once for each scope and stretch of time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeAlias

import asyncpg

DAILY: Mapping[str, tuple[str, ...]] = {
    "volunteers": (
        """
        SELECT opened_on AS day, region, id AS centre_id, NULL::uuid AS campaign_id,
            (kind = 'volunteer_centre')::int AS volunteer_centres,
            (kind = 'friendship_house')::int AS friendship_houses,
            (kind NOT IN ('volunteer_centre', 'friendship_house'))::int AS organisations
        FROM centre
        UNION ALL
        SELECT closed_on + 1, region, id, NULL, -(kind = 'volunteer_centre')::int, -(kind = 'friendship_house')::int,
            -(kind NOT IN ('volunteer_centre', 'friendship_house'))::int
        FROM centre WHERE closed_on IS NOT NULL
        """,
        """
        SELECT from_on AS day, region, centre_id, NULL::uuid AS campaign_id, count(*) AS coordinators
        FROM assignment GROUP BY 1, 2, 3
        UNION ALL
        SELECT until_on + 1, region, centre_id, NULL, -count(*)
        FROM assignment WHERE until_on IS NOT NULL GROUP BY 1, 2, 3
        """,
        """
        SELECT "on" AS day, volunteer.region, volunteer.centre_id, NULL::uuid AS campaign_id,
            sum((statuschange.status IN ('approved', 'active'))::int
                - (coalesce(statuschange.was, '') IN ('approved', 'active'))::int) AS volunteers_registered
        FROM statuschange JOIN volunteer ON volunteer.id = volunteer_id GROUP BY 1, 2, 3
        """,
        """
        SELECT declared_on AS day, region, centre_id, NULL::uuid AS campaign_id,
            number - coalesce(lag(number) OVER (PARTITION BY centre_id ORDER BY declared_on, recorded_at), 0)
                AS volunteers_declared
        FROM declaration
        """,
        """
        SELECT earned_on AS day, region, centre_id, NULL::uuid AS campaign_id, sum(minutes) AS hours_minutes
        FROM hoursentry WHERE announced_at IS NOT NULL GROUP BY 1, 2, 3
        """,
    ),
    "events": (
        """
        SELECT (starts_at AT TIME ZONE 'Asia/Almaty')::date AS day, region, centre_id, campaign_id,
            count(*) FILTER (WHERE status = 'held') AS events_held,
            count(*) FILTER (WHERE status = 'published') AS events_planned
        FROM event GROUP BY 1, 2, 3, 4
        """,
        """
        SELECT (starts_at AT TIME ZONE 'Asia/Almaty')::date AS day, region, centre_id, NULL::uuid AS campaign_id,
            count(*) AS sign_ups, count(*) FILTER (WHERE attendance = 'present') AS attendances
        FROM signup WHERE withdrawn_at IS NULL GROUP BY 1, 2, 3
        """,
        """
        SELECT DISTINCT ON (event.id) (starts_at AT TIME ZONE 'Asia/Almaty')::date AS day,
            event.region, event.centre_id, NULL::uuid AS campaign_id, helpers, guests
        FROM headcount JOIN event ON event.id = event_id ORDER BY event.id, headcount.number DESC
        """,
    ),
    "charity": (
        """
        SELECT occurred_on AS day, region, centre_id, campaign_id,
            count(*) FILTER (WHERE kind = 'money') AS donations,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'money'), 0) AS money_received_minor,
            coalesce(sum(amount_minor) FILTER (WHERE kind = 'goods'), 0) AS goods_value_minor
        FROM donation GROUP BY 1, 2, 3, 4
        """,
        """
        SELECT occurred_on AS day, region, centre_id, campaign_id, sum(amount_minor) AS money_refunded_minor
        FROM refund GROUP BY 1, 2, 3, 4
        """,
        """
        SELECT paid_on AS day, region, centre_id, campaign_id, sum(amount_minor) AS money_disbursed_minor
        FROM disbursement WHERE status = 'paid' GROUP BY 1, 2, 3, 4
        """,
        """
        SELECT occurred_on AS day, region, centre_id, campaign_id, count(*) AS deliveries
        FROM delivery WHERE voided_on IS NULL GROUP BY 1, 2, 3, 4
        """,
    ),
}

_DISTINCT = """
SELECT made.region, made.centre_id, made.campaign_id, {stretch} AS starts_on, count(DISTINCT {who}) AS number
FROM delivery AS made {join} WHERE voided_on IS NULL
GROUP BY GROUPING SETS ((4), (4, made.region), (4, made.centre_id), (4, made.campaign_id),
    (4, made.region, made.campaign_id))
HAVING grouping(made.campaign_id) = 1 OR made.campaign_id IS NOT NULL
"""
_STRETCHES = {
    "month": "date_trunc('month', occurred_on)::date",
    "year": "date_trunc('year', occurred_on)::date",
    "all": "DATE '1900-01-01'",
}
_WHO = {
    "families_helped": ("family_id", ""),
    "people_helped": ("person_id", "JOIN helped ON helped.delivery_id = made.id"),
}

LEDGER = {
    "an entry whose legs do not sum to zero": (
        "SELECT entry_id::text FROM leg GROUP BY entry_id, campaign_id HAVING sum(amount_minor) <> 0"
    ),
    "a fund below zero": (
        "SELECT campaign_id::text FROM leg WHERE account IN ('donors', 'aid')"
        " GROUP BY campaign_id HAVING sum(amount_minor) > 0"
    ),
    "a gift of money that the ledger knows otherwise": (
        "SELECT donation.id::text FROM donation JOIN leg ON leg.entry_id = donation.id AND leg.account = 'donors'"
        " WHERE kind = 'money' AND leg.amount_minor <> -donation.amount_minor"
        " UNION ALL SELECT id::text FROM donation WHERE NOT EXISTS (SELECT FROM entry WHERE entry.id = donation.id)"
    ),
    "a gift whose refunds are not what it says": (
        "SELECT donation.id::text FROM donation LEFT JOIN refund ON refund.donation_id = donation.id"
        " GROUP BY donation.id HAVING refunded_minor <> coalesce(sum(refund.amount_minor), 0)"
    ),
}

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

Figures = dict[str, dict[date, dict[str, int]]]
"""Scope → civil day → figure → amount."""
Distinct = dict[tuple[str, str, date], dict[str, int]]
"""Scope, stretch and its first day → figure → number."""


def scopes_of(region: str | None, centre_id: Any, campaign_id: Any) -> list[str]:
    """The scopes that a row counts in."""
    scopes = ["kz"]
    scopes += [region] if region else []
    scopes += [f"centre:{centre_id}"] if centre_id else []
    scopes += [f"campaign:{campaign_id}"] if campaign_id else []
    scopes += [f"{region}/campaign:{campaign_id}"] if campaign_id and region else []
    return scopes


async def daily(connections: Mapping[str, Connection]) -> Figures:
    """Every additive figure, by scope and day."""
    figures: Figures = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for service, statements in DAILY.items():
        for statement in statements:
            for row in await connections[service].fetch(statement):
                amounts = {name: int(value) for name, value in list(row.items())[4:] if value}
                for scope in scopes_of(row["region"], row["centre_id"], row["campaign_id"]):
                    for name, amount in amounts.items():
                        figures[scope][row["day"]][name] += amount
    return figures


async def distinct(charity: Connection) -> Distinct:
    """Distinct families and people, by scope and stretch of time."""
    numbers: Distinct = defaultdict(dict)
    for figure, (who, join) in _WHO.items():
        for stretch, expression in _STRETCHES.items():
            for row in await charity.fetch(_DISTINCT.format(stretch=expression, who=who, join=join)):
                # A grouping set names exactly the columns that make its scope.
                scope = scopes_of(row["region"], row["centre_id"], row["campaign_id"])[-1]
                numbers[scope, stretch, row["starts_on"]][figure] = row["number"]
    return numbers


async def ledger(charity: Connection) -> Iterable[str]:
    """What is wrong with the ledger, in words."""
    return [f"{what}: {row[0]}" for what, statement in LEDGER.items() for row in await charity.fetch(statement)]
