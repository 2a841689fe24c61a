"""Funds: whoever takes from one locks it first, so that it never goes below zero. Gifts only add, and lock nothing."""

from collections.abc import Iterable
from uuid import UUID

from services.charity import queries
from services.charity.domain import Funds
from services.charity.tables import Campaign, Donation
from shared.database import Transaction


async def lock_funds(tx: Transaction, campaign_ids: Iterable[UUID]) -> Funds:
    """What the campaigns' funds can give, locked until the end of the transaction."""
    campaigns = await tx.load(Campaign, campaign_ids, lock=True)
    # A statement of its own after the lock: it must see what the holder before has committed.
    return Funds(await queries.free_minor(tx, campaigns))


async def lock_funds_of_donations(tx: Transaction, donation_ids: Iterable[UUID]) -> Funds:
    """The same for the campaigns of some donations, and the donations too.

    Campaigns before donations, like everybody, so that two never wait for each other.
    """
    donation_ids = list(donation_ids)
    funds = await lock_funds(tx, await queries.campaigns_of_donations(tx, donation_ids))
    await tx.load(Donation, donation_ids, lock=True)
    return funds
