"""Folds messages into the read model. One message, one small change; a page of them is one transaction."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.gateway import domain
from services.gateway.helped import HelpedSets
from services.gateway.tables import Campaign, Centre, FigureDay
from shared.contracts import charity, events, volunteers
from shared.contracts.envelope import DomainEvent, Message
from shared.database import Transaction


def count(tx: Transaction, fact: DomainEvent, on: date, *, campaign_id: UUID | None = None, **amounts: int) -> None:
    """Add amounts to a civil day's figures in every scope that the fact belongs to."""
    for scope in domain.scopes_of(fact.region, fact.centre_id, campaign_id):
        tx.increase(FigureDay, {"scope": scope, "day": on}, **amounts)


def tick(
    tx: Transaction,
    message: Message[Any],
    on: date,
    *,
    campaign_id: UUID | None = None,
    amount_minor: int | None = None,
    number: int | None = None,
) -> None:
    """Show that this just happened."""
    tx.insert_values(
        "tick",
        {
            "message_id": message.id,
            "type": message.type,
            "recorded_at": message.time,
            "on": on,
            "region": message.data.region,
            "centre_id": message.data.centre_id,
            "campaign_id": campaign_id,
            "amount_minor": amount_minor,
            "number": number,
        },
    )


# Generations fold one after the other, since their consumer has one name; so the order of positions is that of commits,
# and who follows the feed never sees a gap that fills later. What another generation has kept is kept already.
KEEP = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
    WITH ORDINALITY AS given(message_id, type, recorded_at, body, place)
), fed AS (
    INSERT INTO public.feed (message_id, type, recorded_at, body)
    SELECT message_id, type, recorded_at, body FROM given
    WHERE NOT EXISTS (SELECT FROM public.feed AS known WHERE known.message_id = given.message_id)
    ORDER BY place ON CONFLICT (message_id) DO NOTHING
)
INSERT INTO progress (id, revision, as_of) SELECT 1, count(*), max(recorded_at) FROM given
ON CONFLICT (id) DO UPDATE
SET revision = progress.revision + excluded.revision, as_of = greatest(progress.as_of, excluded.as_of)
"""


class Kept:
    """The messages of a page, for those who follow; with them the read model's revision moves on."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, datetime, str]] = []

    def add(self, message: Message[Any], body: str) -> None:
        self._rows.append((str(message.id), message.type, message.time, body))

    async def settle(self, tx: Transaction) -> None:
        await tx.sql(KEEP, *map(list, zip(*self._rows, strict=True)))


async def keep(tx: Transaction, message: Message[Any], body: str) -> None:
    """Keep every message, in the order of application."""
    tx.settle(Kept).add(message, body)


# --- volunteers -------------------------------------------------------------------------------------------------------


def _centre_figure(kind: str) -> str:
    return domain.CENTRE_FIGURES.get(kind, "organisations")


def _change(amounts: dict[str, int]) -> dict[str, Any]:
    """Amounts under names that are known only as it runs."""
    return amounts


def _remember_centre(tx: Transaction, fact: volunteers.CentreFact, *, closed_on: date | None = None) -> None:
    if fact.centre_id is None or fact.region is None:
        raise ValueError("a centre has an id and lies in a region")
    tx.put(
        Centre(
            id=fact.centre_id,
            kind=fact.kind,
            region=fact.region,
            name=fact.name,
            opened_on=fact.opened_on,
            closed_on=closed_on,
        )
    )


async def open_centre(tx: Transaction, message: Message[volunteers.CentreOpened]) -> None:
    fact = message.data
    _remember_centre(tx, fact)
    count(tx, fact, fact.opened_on, **_change({_centre_figure(fact.kind): 1}))
    tick(tx, message, fact.opened_on)


_CLOSED_ON = "SELECT closed_on FROM centre WHERE id = $1"


async def change_centre(tx: Transaction, message: Message[volunteers.CentreChanged]) -> None:
    """Another kind restates the past: the centre has been that from its first day to its last."""
    fact = message.data
    # It may have been closed in this very page.
    await tx.flush()
    [[closed_on]] = await tx.sql(_CLOSED_ON, fact.centre_id)
    _remember_centre(tx, fact, closed_on=closed_on)
    was, now = _centre_figure(fact.was_kind), _centre_figure(fact.kind)
    if was != now:
        count(tx, fact, fact.opened_on, **_change({was: -1, now: 1}))
        if closed_on is not None:
            count(tx, fact, closed_on + timedelta(days=1), **_change({was: 1, now: -1}))


async def close_centre(tx: Transaction, message: Message[volunteers.CentreClosed]) -> None:
    """It still counts on its last day."""
    fact = message.data
    _remember_centre(tx, fact, closed_on=fact.closed_on)
    count(tx, fact, fact.closed_on + timedelta(days=1), **_change({_centre_figure(fact.kind): -1}))


async def make_assignment(tx: Transaction, message: Message[volunteers.AssignmentMade]) -> None:
    count(tx, message.data, message.data.from_on, coordinators=1)


async def end_assignment(tx: Transaction, message: Message[volunteers.AssignmentEnded]) -> None:
    count(tx, message.data, message.data.until_on + timedelta(days=1), coordinators=-1)


async def follow_volunteer(
    tx: Transaction, message: Message[volunteers.VolunteerFact] | Message[volunteers.VolunteerErased]
) -> None:
    """Officially registered are the approved and the active, from the day of the decision."""
    fact = message.data
    change = domain.is_registered(fact.status) - domain.is_registered(fact.was)
    if change:
        count(tx, fact, fact.on, volunteers_registered=change)
    if fact.was is None or change > 0:
        tick(tx, message, fact.on)


# What is closed once is closed for every generation, however often it is folded.
_CLOSE_ACCOUNT = """
WITH closed AS (
    UPDATE public.account SET status = 'revoked', name = NULL, login = NULL, login_index = NULL, password = NULL,
        issuer = NULL, subject = NULL, version = version + 1
    WHERE volunteer_id = $1 AND name IS NOT NULL RETURNING id
), sessions AS (
    UPDATE public.session SET agent = '', ended_at = coalesce(ended_at, $2) WHERE account_id IN (SELECT id FROM closed)
), grants AS (
    UPDATE public.accountgrant SET ended_by = 'system:gateway', ended_at = $2
    WHERE account_id IN (SELECT id FROM closed) AND ended_at IS NULL
), keys AS (
    UPDATE public.apikey SET ended_by = 'system:gateway', ended_at = $2
    WHERE account_id IN (SELECT id FROM closed) AND ended_at IS NULL
)
DELETE FROM public.invitation WHERE volunteer_id = $1 OR account_id IN (SELECT id FROM closed)
"""


async def erase_volunteer(tx: Transaction, message: Message[volunteers.VolunteerErased]) -> None:
    """Not registered from that day on; and who they were can no longer sign in."""
    await follow_volunteer(tx, message)
    await tx.sql(_CLOSE_ACCOUNT, message.data.volunteer_id, message.time)


async def declare(tx: Transaction, message: Message[volunteers.VolunteersDeclared]) -> None:
    fact = message.data
    count(tx, fact, fact.on, volunteers_declared=fact.number - fact.before)
    tick(tx, message, fact.on, number=fact.number)


async def record_hours(tx: Transaction, message: Message[volunteers.HoursRecorded]) -> None:
    count(tx, message.data, message.data.on, hours_minutes=message.data.minutes)


# --- events -----------------------------------------------------------------------------------------------------------


async def follow_event(tx: Transaction, message: Message[events.EventFact]) -> None:
    """Held counts; published is planned; a draft and a cancelled one are neither."""
    fact = message.data
    held = (fact.status == "held") - (fact.was == "held")
    planned = (fact.status == "published") - (fact.was == "published")
    if held or planned:
        count(tx, fact, fact.on, campaign_id=fact.campaign_id, events_held=held, events_planned=planned)
    if fact.status != "draft":
        tick(tx, message, fact.on, campaign_id=fact.campaign_id)


async def change_event(tx: Transaction, message: Message[events.EventChanged]) -> None:
    """A published event that moves to another day or campaign is planned there instead."""
    fact = message.data
    if fact.status == "published":
        count(tx, fact, fact.was_on, campaign_id=fact.was_campaign_id, events_planned=-1)
        count(tx, fact, fact.on, campaign_id=fact.campaign_id, events_planned=1)


async def confirm_sign_up(tx: Transaction, message: Message[events.SignUpConfirmed]) -> None:
    count(tx, message.data, message.data.on, sign_ups=1)
    tick(tx, message, message.data.on)


async def withdraw_sign_up(tx: Transaction, message: Message[events.SignUpWithdrawn]) -> None:
    count(tx, message.data, message.data.on, sign_ups=-1)


async def record_attendance(tx: Transaction, message: Message[events.AttendanceRecorded]) -> None:
    fact = message.data
    change = (fact.attendance == "present") - (fact.was == "present")
    if change:
        count(tx, fact, fact.on, attendances=change)


async def take_headcount(tx: Transaction, message: Message[events.HeadcountTaken]) -> None:
    fact = message.data
    count(tx, fact, fact.on, helpers=fact.helpers - fact.helpers_before, guests=fact.guests - fact.guests_before)


# --- charity ----------------------------------------------------------------------------------------------------------


async def follow_campaign(tx: Transaction, message: Message[charity.CampaignFact]) -> None:
    fact = message.data
    tx.put(
        Campaign(
            id=fact.campaign_id,
            title=fact.title,
            status=fact.status,
            goal_minor=fact.goal_minor,
            starts_on=fact.starts_on,
            ends_on=fact.ends_on,
        )
    )
    if fact.status == "open" and fact.was != "open":
        tick(tx, message, fact.starts_on, campaign_id=fact.campaign_id)


async def receive_donation(tx: Transaction, message: Message[charity.DonationReceived]) -> None:
    fact = message.data
    amounts = {"goods_value_minor": fact.amount_minor}
    if fact.kind == "money":
        amounts = {"money_received_minor": fact.amount_minor, "donations": 1}
    count(tx, fact, fact.on, campaign_id=fact.campaign_id, **amounts)
    tick(tx, message, fact.on, campaign_id=fact.campaign_id, amount_minor=fact.amount_minor)


async def refund_donation(tx: Transaction, message: Message[charity.DonationRefunded]) -> None:
    fact = message.data
    count(tx, fact, fact.on, campaign_id=fact.campaign_id, money_refunded_minor=fact.amount_minor)
    tick(tx, message, fact.on, campaign_id=fact.campaign_id, amount_minor=fact.amount_minor)


async def pay_disbursement(tx: Transaction, message: Message[charity.DisbursementPaid]) -> None:
    fact = message.data
    count(tx, fact, fact.on, campaign_id=fact.campaign_id, money_disbursed_minor=fact.amount_minor)
    tick(tx, message, fact.on, campaign_id=fact.campaign_id, amount_minor=fact.amount_minor)


async def make_delivery(tx: Transaction, message: Message[charity.DeliveryMade]) -> None:
    fact = message.data
    count(tx, fact, fact.on, campaign_id=fact.campaign_id, deliveries=1)
    tx.settle(HelpedSets).add(fact)
    # How many were helped is withheld where it is small, here as in the figures.
    people = domain.unless_small(len(fact.person_ids))
    tick(tx, message, fact.on, campaign_id=fact.campaign_id, number=people)


async def void_delivery(tx: Transaction, message: Message[charity.DeliveryVoided]) -> None:
    fact = message.data
    count(tx, fact, fact.on, campaign_id=fact.campaign_id, deliveries=-1)
    tx.settle(HelpedSets).remove(fact)
