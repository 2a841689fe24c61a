"""What the charity service remembers. Nobody else reads these tables."""

from services.charity.tables.base import Base, StatusChange
from services.charity.tables.centres import KnownCentre
from services.charity.tables.giving import Campaign, Disbursement, Donation, Refund
from services.charity.tables.helping import Delivery, Family, Helped, Member, family_numbers
from services.charity.tables.ledger import Entry, Leg

__all__ = [
    "Base",
    "Campaign",
    "Delivery",
    "Disbursement",
    "Donation",
    "Entry",
    "Family",
    "Helped",
    "KnownCentre",
    "Leg",
    "Member",
    "Refund",
    "StatusChange",
    "family_numbers",
]
