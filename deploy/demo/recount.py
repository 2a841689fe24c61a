"""What the dashboard must show for a network: counted anew from the requests, with plain loops and sets.

Knows the meaning of each figure, and nothing of how the services or the read model come to theirs.
"""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from deploy.demo.network import Network
from deploy.demo.network.days import ALMATY
from deploy.demo.network.giving import minor_of
from deploy.demo.network.places import Payload

COUNTRY = "kz"
YEAR = ("2021-01-01", "2021-12-31")
MONTHS = tuple((f"2021-{month:02d}-01", f"2021-{month:02d}-{monthrange(2021, month)[1]}") for month in range(1, 13))

STOCKS = (
    "volunteers_registered", "volunteers_declared", "volunteer_centres", "friendship_houses", "organisations",
    "coordinators",
)  # fmt: skip
FLOWS = (
    "events_held", "sign_ups", "attendances", "hours_minutes", "helpers", "guests", "money_received_minor",
    "money_refunded_minor", "money_net_minor", "money_disbursed_minor", "goods_value_minor", "donations", "deliveries",
)  # fmt: skip
DISTINCT = ("families_helped", "people_helped")

Figures = dict[str, int]
Period = tuple[str, str]


class _Entry(NamedTuple):
    """A change of one figure on one day."""

    on: str
    figure: str
    amount: int


class _Help(NamedTuple):
    """A delivery that stands: which family and which of its members it helped."""

    on: str
    family: str
    people: tuple[str, ...]


class Recount:
    """The figures of a network for any scope and period."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._region_of: dict[str, str] = {c["id"]: c["region"] for c in self._centres()}
        self._entries: dict[str, list[_Entry]] = defaultdict(list)
        self._help: dict[str, list[_Help]] = defaultdict(list)
        self._count_organisations()
        self._count_volunteers()
        self._count_events()
        self._count_money()
        self._count_help()

    def figures(self, scope: str, period: Period = YEAR) -> Figures:
        """Stocks as at the end of the period, flows within it, distinct families and people over it."""
        first, last = period
        figures: Figures = dict.fromkeys([*STOCKS, *FLOWS], 0)
        for on, figure, amount in self._entries[scope]:
            if on <= last and (figure in STOCKS or first <= on):
                figures[figure] += amount
        figures["money_net_minor"] = figures["money_received_minor"] - figures["money_refunded_minor"]
        figures["money_on_hand_minor"] = figures["money_net_minor"] - figures["money_disbursed_minor"]
        helped = [entry for entry in self._help[scope] if first <= entry.on <= last]
        figures["families_helped"] = len({entry.family for entry in helped})
        figures["people_helped"] = len({person for entry in helped for person in entry.people})
        return figures

    def scopes(self) -> list[str]:
        """The country, its regions, centres and campaigns."""
        centres = [f"centre:{centre_id}" for centre_id in self._region_of]
        campaigns = [f"campaign:{campaign['id']}" for campaign in self._network.giving.campaigns]
        return [COUNTRY, *sorted(set(self._region_of.values())), *centres, *campaigns]

    def expected(self) -> Iterator[tuple[str, Period, Figures]]:
        """Every scope for the year, and the country for each month."""
        for scope in self.scopes():
            yield scope, YEAR, self.figures(scope)
        for month in MONTHS:
            yield COUNTRY, month, self.figures(COUNTRY, month)

    def _centres(self) -> list[Payload]:
        return [centre.payload for centre in self._network.places.centres]

    def _add(self, on: str, figure: str, amount: int, centre_id: str, campaign_id: str | None = None) -> None:
        for scope in self._scopes_of(centre_id, campaign_id):
            self._entries[scope].append(_Entry(on, figure, amount))

    def _scopes_of(self, centre_id: str, campaign_id: str | None) -> Iterator[str]:
        yield COUNTRY
        yield self._region_of[centre_id]
        yield f"centre:{centre_id}"
        if campaign_id is not None:
            yield f"campaign:{campaign_id}"

    def _count_organisations(self) -> None:
        figure_of = {"volunteer_centre": "volunteer_centres", "friendship_house": "friendship_houses"}
        for centre in self._centres():
            self._add(centre["opened_on"], figure_of.get(centre["kind"], "organisations"), 1, centre["id"])
        people = self._network.people
        until = {ending["assignment_id"]: ending["until_on"] for ending in people.endings}
        for assignment in people.assignments:
            self._add(assignment["from_on"], "coordinators", 1, assignment["centre_id"])
            if assignment["id"] in until:
                # The last day is still one of duty.
                gone_on = date.fromisoformat(until[assignment["id"]]) + timedelta(days=1)
                self._add(gone_on.isoformat(), "coordinators", -1, assignment["centre_id"])
        latest: dict[str, int] = {}
        for declaration in people.declarations:
            centre_id = declaration["centre_id"]
            difference = declaration["number"] - latest.get(centre_id, 0)
            latest[centre_id] = declaration["number"]
            self._add(declaration["declared_on"], "volunteers_declared", difference, centre_id)

    def _count_volunteers(self) -> None:
        people = self._network.people
        centre_of = {volunteer["id"]: volunteer["centre_id"] for volunteer in people.volunteers}
        decisions = [(+1, people.approvals), (+1, people.resumptions), (-1, people.pauses), (-1, people.departures)]
        for change, stage in decisions:
            for decision in stage:
                self._add(decision["decided_on"], "volunteers_registered", change, centre_of[decision["volunteer_id"]])

    def _count_events(self) -> None:
        happenings = self._network.happenings
        events = {event["id"]: event for event in happenings.events}
        shifts = {shift["id"]: shift for shift in happenings.shifts}
        event_of_sign_up = {s["id"]: events[shifts[s["shift_id"]]["event_id"]] for s in happenings.sign_ups}
        shift_of_sign_up = {s["id"]: shifts[s["shift_id"]] for s in happenings.sign_ups}

        for holding in happenings.holdings:
            event = events[holding["event_id"]]
            self._add(_day(event["starts_at"]), "events_held", 1, event["centre_id"], event.get("campaign_id"))
        for headcount in happenings.headcounts:
            event = events[headcount["event_id"]]
            for figure in ("helpers", "guests"):
                self._add(_day(event["starts_at"]), figure, headcount[figure], event["centre_id"])
        for sign_up in happenings.sign_ups:
            on = _day(shift_of_sign_up[sign_up["id"]]["starts_at"])
            self._add(on, "sign_ups", 1, event_of_sign_up[sign_up["id"]]["centre_id"])
        for attendance in happenings.attendances:
            if attendance["attendance"] == "present":
                shift = shift_of_sign_up[attendance["signup_id"]]
                centre_id = event_of_sign_up[attendance["signup_id"]]["centre_id"]
                self._add(_day(shift["starts_at"]), "attendances", 1, centre_id)
                self._add(_day(shift["starts_at"]), "hours_minutes", _minutes(shift), centre_id)

    def _count_money(self) -> None:
        giving = self._network.giving
        donations = {donation["id"]: donation for donation in giving.donations}
        for donation in giving.donations:
            where = (donation["centre_id"], donation["campaign_id"])
            if donation["kind"] == "money":
                self._add(donation["occurred_on"], "money_received_minor", minor_of(donation["amount"]), *where)
                self._add(donation["occurred_on"], "donations", 1, *where)
            else:
                self._add(donation["occurred_on"], "goods_value_minor", minor_of(donation["amount"]), *where)
        for refund in giving.refunds:
            donation = donations[refund["donation_id"]]
            where = (donation["centre_id"], donation["campaign_id"])
            self._add(refund["occurred_on"], "money_refunded_minor", minor_of(refund["amount"]), *where)
        disbursements = {disbursement["id"]: disbursement for disbursement in giving.disbursements}
        for payment in giving.disbursement_payments:
            paid = disbursements[payment["disbursement_id"]]
            where = (paid["centre_id"], paid["campaign_id"])
            self._add(payment["occurred_on"], "money_disbursed_minor", minor_of(paid["amount"]), *where)

    def _count_help(self) -> None:
        helping = self._network.helping
        members = {f["id"]: tuple(member["id"] for member in f["members"]) for f in helping.families}
        voided = {void["delivery_id"] for void in helping.voids}
        for delivery in helping.deliveries:
            if delivery["id"] in voided:
                continue
            where = (delivery["centre_id"], delivery.get("campaign_id"))
            self._add(delivery["occurred_on"], "deliveries", 1, *where)
            people = tuple(delivery.get("member_ids") or members[delivery["family_id"]])
            entry = _Help(delivery["occurred_on"], delivery["family_id"], people)
            for scope in self._scopes_of(*where):
                self._help[scope].append(entry)


def expected(network: Network | None = None) -> dict[tuple[str, Period], Figures]:
    """The figures that the dashboard must show, by scope and period."""
    return {(scope, period): figures for scope, period, figures in Recount(network or Network()).expected()}


def _day(instant: str) -> str:
    """The civil day in Almaty."""
    return datetime.fromisoformat(instant).astimezone(ALMATY).date().isoformat()


def _minutes(shift: Payload) -> int:
    return int(
        (datetime.fromisoformat(shift["ends_at"]) - datetime.fromisoformat(shift["starts_at"])).total_seconds() // 60
    )
