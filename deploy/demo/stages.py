"""The order in which a network is loaded: what goes to which address, and what must be there before."""

from collections.abc import Callable
from dataclasses import dataclass

from deploy.demo.network import Network
from deploy.demo.network.places import Payload

ROWS_MAX = 500


@dataclass(frozen=True)
class Stage:
    """Rows of one kind, sent in batches to one address once the stages they build on are through."""

    name: str
    noun: str
    """What follows `/v1/` in the address."""
    rows: Callable[[Network], list[Payload]]
    after: tuple[str, ...] = ()
    size: int = ROWS_MAX
    in_flight: int = 2
    by_another: bool = False
    """Not by who sent the stages before."""

    @property
    def path(self) -> str:
        return f"/v1/{self.noun}/batches"


_HOUSES = "centres in a house"


def _centres(network: Network, *, with_parent: bool) -> list[Payload]:
    return [c.payload for c in network.places.centres if ("parent_id" in c.payload) is with_parent]


STAGES = (
    Stage("centres", "centres", lambda n: _centres(n, with_parent=False)),
    Stage("centres in a house", "centres", lambda n: _centres(n, with_parent=True), after=("centres",)),
    # Two declarations of a centre must arrive in their order.
    Stage("declarations", "declarations", lambda n: n.people.declarations, after=(_HOUSES,), in_flight=1),
    Stage("assignments", "assignments", lambda n: n.people.assignments, after=(_HOUSES,)),
    Stage("ended assignments", "assignments/endings", lambda n: n.people.endings, after=("assignments",)),
    Stage("volunteers", "volunteers", lambda n: n.people.volunteers, after=(_HOUSES,)),
    Stage("approvals", "volunteers/approvals", lambda n: n.people.approvals, after=("volunteers",)),
    Stage("rejections", "volunteers/rejections", lambda n: n.people.rejections, after=("volunteers",)),
    Stage("activations", "volunteers/activations", lambda n: n.people.activations, after=("approvals",)),
    Stage("pauses", "volunteers/pauses", lambda n: n.people.pauses, after=("activations",)),
    Stage("resumptions", "volunteers/resumptions", lambda n: n.people.resumptions, after=("pauses",)),
    Stage("departures", "volunteers/departures", lambda n: n.people.departures, after=("activations",)),
    Stage("campaigns", "campaigns", lambda n: n.giving.campaigns, after=(_HOUSES,)),
    Stage("opened campaigns", "campaigns/openings", lambda n: n.giving.openings, after=("campaigns",)),
    Stage("donations", "donations", lambda n: n.giving.donations, after=("opened campaigns",)),
    Stage("refunds", "donations/refunds", lambda n: n.giving.refunds, after=("donations",)),
    Stage("disbursements", "disbursements", lambda n: n.giving.disbursements, after=("refunds",)),
    Stage(
        "approved",
        "disbursements/approvals",
        lambda n: n.giving.disbursement_approvals,
        after=("disbursements",),
        by_another=True,
    ),
    Stage("paid", "disbursements/payments", lambda n: n.giving.disbursement_payments, after=("approved",)),
    Stage("not paid", "disbursements/voids", lambda n: n.giving.disbursement_voids, after=("disbursements",)),
    Stage("families", "families", lambda n: n.helping.families, after=(_HOUSES,)),
    Stage("verified", "families/verifications", lambda n: n.helping.verifications, after=("families",)),
    Stage("deliveries", "deliveries", lambda n: n.helping.deliveries, after=("verified", "opened campaigns")),
    Stage("voided deliveries", "deliveries/voids", lambda n: n.helping.voids, after=("deliveries",)),
    Stage("closed campaigns", "campaigns/closures", lambda n: n.giving.closures, after=("paid", "voided deliveries")),
    Stage("events", "events", lambda n: n.happenings.events, after=("opened campaigns",)),
    Stage("shifts", "shifts", lambda n: n.happenings.shifts, after=("events",)),
    Stage("sign-ups", "sign-ups", lambda n: n.happenings.sign_ups, after=("shifts", "resumptions", "departures")),
    Stage("attendances", "sign-ups/attendances", lambda n: n.happenings.attendances, after=("sign-ups",)),
    Stage("held events", "events/holdings", lambda n: n.happenings.holdings, after=("attendances",)),
    Stage("cancelled events", "events/cancellations", lambda n: n.happenings.cancellations, after=("shifts",)),
    Stage("headcounts", "headcounts", lambda n: n.happenings.headcounts, after=("held events",)),
)
