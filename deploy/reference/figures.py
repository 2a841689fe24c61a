"""The page of the figures: what each number on the dashboard counts."""

from deploy.reference import markdown
from services.charity.reference import DEFINITIONS
from services.gateway.domain import FLOWS, SMALL_CELL, STOCKS
from services.gateway.queries import HELPED
from services.gateway.schemas import FiguresView

COUNTS = {
    "volunteers_registered": "Volunteers who are approved or active, from the day of that decision; those who pause, "
    "left or were rejected are not among them.",
    "volunteers_declared": "Helpers without registration as centres estimate them, each centre by its newest estimate. "
    "Never added to the registered.",
    "volunteer_centres": "Centres of the kind `volunteer_centre` that are open; a centre still counts on its last day.",
    "friendship_houses": "Centres of the kind `friendship_house`.",
    "organisations": "Centres of every other kind.",
    "coordinators": "Assignments that are under way: somebody who leads two directions counts twice.",
    "events_held": "Events that took place, on the civil day on which they began.",
    "events_coming": "Published events of today or later within the period.",
    "sign_ups": "Places taken in shifts less those given back, on the day of the shift.",
    "attendances": "Sign-ups whose volunteer was present, on the day of the shift.",
    "hours_minutes": "Minutes earned by volunteers who were present, once the shift has ended, on its day.",
    "helpers": "Helpers without registration, by the newest headcount of each event.",
    "guests": "Guests, by the newest headcount of each event.",
    "donations": "Gifts of money, in number. Gifts of goods are not among them here (in a tally they are).",
    "money_received_minor": "Money received, before refunds, on the day it was given.",
    "money_refunded_minor": "Money given back to donors, on the day of the refund.",
    "money_net_minor": "Received less refunded.",
    "money_disbursed_minor": "Money paid out of funds, on the day of the payment.",
    "money_on_hand_minor": "Received less refunded and disbursed, all within the period. Of a period without a "
    "beginning this is what is left at its end.",
    "goods_value_minor": "Value of gifts of goods; never added to money.",
    "deliveries": "Deliveries to families less those entered by mistake, which are taken back on their own day.",
    "families_helped": "Families with at least one delivery in the period; each counts once, however often helped.",
    "people_helped": "People whom a delivery in the period helped; each counts once, however often helped.",
}
_IN = {"hours_minutes": "minutes"}


def page() -> str:
    rows = [(f"`{name}`", _kind(name), _unit(name), COUNTS[name]) for name in FiguresView.model_fields]
    tallies = [(f"`{name}`", words["en"], words["ru"], words["kk"]) for name, words in DEFINITIONS.items()]
    return markdown.page(
        "Figures",
        "What `GET /v1/dashboard` and `/v1/live` count for a scope and a period of civil days in Almaty, both "
        "included. A *stock* stands at some level at the end of the period (today, where that is open); a *flow* is a "
        "sum over its days; a *distinct* figure counts everybody once; a *derived* one is reckoned from others.",
        markdown.table(("figure", "kind", "in", "counts"), rows),
        "Distinct figures cannot be added: a family that two regions helped is one family of the country.",
        f"In every scope smaller than the country a distinct figure of 1 to {SMALL_CELL - 1} is withheld: its value is "
        "null and its name stands in `hidden`. `asar verify` recounts stocks, flows, distinct figures and net money "
        "from the services' own tables.",
        "## Tallies",
        "`GET /v1/tallies` answers from charity's own tables, amounts in tenge, with these definitions in its answer.",
        markdown.table(("figure", "English", "Русский", "Қазақша"), tallies),
    )


def _kind(name: str) -> str:
    kinds = {"stock": STOCKS, "flow": FLOWS, "distinct": HELPED}
    return next((kind for kind, names in kinds.items() if name in names), "derived")


def _unit(name: str) -> str:
    return "tiyn" if name.endswith("_minor") else _IN.get(name, "number")
