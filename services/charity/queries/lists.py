"""Pages of records, each in the order of its ids, which is that of their making; one row more than the page."""

from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, select
from sqlmodel import SQLModel, col

from services.charity.tables import Campaign, Delivery, Disbursement, Donation, Entry, Family, Leg, Refund
from shared.database import Transaction
from shared.paging import Paging
from shared.rows import restored, table_of

Row = TypeVar("Row", bound=SQLModel)


async def list_campaigns(tx: Transaction, page: Paging, *, status: str | None) -> list[Campaign]:
    return await _page(tx, page, Campaign, status=status)


async def list_donations(
    tx: Transaction, page: Paging, *, campaign_id: UUID | None, centre_id: UUID | None
) -> list[Donation]:
    return await _page(tx, page, Donation, campaign_id=campaign_id, centre_id=centre_id)


async def refunds_of_donation(tx: Transaction, donation_id: UUID) -> list[Refund]:
    query = select(table_of(Refund)).where(col(Refund.donation_id) == donation_id).order_by(col(Refund.id))
    return [restored(Refund, record) for record in await tx.fetch(query)]


async def list_disbursements(
    tx: Transaction, page: Paging, *, campaign_id: UUID | None, centre_id: UUID | None, status: str | None
) -> list[Disbursement]:
    return await _page(tx, page, Disbursement, campaign_id=campaign_id, centre_id=centre_id, status=status)


async def list_families(
    tx: Transaction, page: Paging, *, centre_id: UUID | None, status: str | None, number: int | None
) -> list[Family]:
    here = col(Family.erased_on).is_(None)
    return await _page(tx, page, Family, here, centre_id=centre_id, status=status, number=number)


async def list_deliveries(
    tx: Transaction, page: Paging, *, campaign_id: UUID | None, centre_id: UUID | None, family_id: UUID | None
) -> list[Delivery]:
    return await _page(tx, page, Delivery, campaign_id=campaign_id, centre_id=centre_id, family_id=family_id)


async def list_entries(
    tx: Transaction,
    page: Paging,
    *,
    campaign_id: UUID | None,
    centre_id: UUID | None,
    start: date | None,
    end: date | None,
) -> list[tuple[Entry, list[Leg]]]:
    """Bookings with their legs, between two civil days, both included."""
    query: Select[Any] = select(table_of(Entry)).order_by(col(Entry.id)).limit(page.fetch)
    if page.after is not None:
        query = query.where(col(Entry.id) > UUID(page.after[0]))
    if start is not None:
        query = query.where(col(Entry.occurred_on) >= start)
    if end is not None:
        query = query.where(col(Entry.occurred_on) <= end)
    if campaign_id is not None or centre_id is not None:
        legs: Select[Any] = select(col(Leg.entry_id)).where(col(Leg.account) != literal_column("'cash'"))
        if campaign_id is not None:
            legs = legs.where(col(Leg.campaign_id) == campaign_id)
        if centre_id is not None:
            legs = legs.where(col(Leg.centre_id) == centre_id)
        query = query.where(col(Entry.id).in_(legs))
    entries = [restored(Entry, record) for record in await tx.fetch(query)]
    found: dict[UUID, list[Leg]] = {entry.id: [] for entry in entries}
    legs_of = "SELECT * FROM leg WHERE entry_id = ANY($1::uuid[]) ORDER BY entry_id, position"
    for record in await tx.sql(legs_of, list(found)):
        found[record["entry_id"]].append(restored(Leg, record))
    return [(entry, found[entry.id]) for entry in entries]


async def _page(
    tx: Transaction, page: Paging, table: type[Row], *conditions: ColumnElement[bool], **filters: Any
) -> list[Row]:
    columns = table_of(table).columns
    query: Select[Any] = select(table_of(table)).where(*conditions).order_by(columns.id).limit(page.fetch)
    for name, value in filters.items():
        if value is not None:
            query = query.where(columns[name] == value)
    if page.after is not None:
        query = query.where(columns.id > UUID(page.after[0]))
    return [restored(table, record) for record in await tx.fetch(query)]
