"""Every question the charity service answers; never writes."""

from services.charity.queries.families import (
    deliveries_of_family,
    deliveries_to,
    known_iins,
    members_of_families,
    people_of_deliveries,
    reasons_of,
    sizes_of_families,
)
from services.charity.queries.lists import (
    list_campaigns,
    list_deliveries,
    list_disbursements,
    list_donations,
    list_entries,
    list_families,
    refunds_of_donation,
)
from services.charity.queries.money import Totals, campaigns_of_donations, free_minor, holds_money, totals
from services.charity.queries.tallies import Figures, Scope, tally

__all__ = [
    "Figures",
    "Scope",
    "Totals",
    "campaigns_of_donations",
    "deliveries_of_family",
    "deliveries_to",
    "free_minor",
    "holds_money",
    "known_iins",
    "list_campaigns",
    "list_deliveries",
    "list_disbursements",
    "list_donations",
    "list_entries",
    "list_families",
    "members_of_families",
    "people_of_deliveries",
    "reasons_of",
    "refunds_of_donation",
    "sizes_of_families",
    "tally",
    "totals",
]
