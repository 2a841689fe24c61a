"""What charity requires, in plain functions: no database, no HTTP, no clock.

The ledger's accounts. A positive amount is value that is there, a negative one is value that came from there, so the
legs of each entry sum to zero, within each campaign. A fund is all accounts of one campaign, a centre's books are all
accounts of one centre:

- `donors`: the clearing of donors; as much below zero as they gave and did not get back
- `cash`: money at hand, at bank or in a box
- `aid`: money paid out
- `donors_in_kind`, `goods`: the same for goods, at their value. Apart: goods cannot be paid out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar
from uuid import UUID

from shared.access.permissions import Role
from shared.access.principal import Principal
from shared.errors import Conflict, Forbidden, Gone, NotFound, RuleBroken

FEWEST_SHOWN = 5
"""Fewer people than this are not counted aloud outside of the country as a whole: one could tell who they are."""

CAMPAIGN_STEPS: dict[str, tuple[frozenset[str], str]] = {
    "open": (frozenset({"draft"}), "open"),
    "close": (frozenset({"open"}), "closed"),
    "report": (frozenset({"closed"}), "reported"),
}
DISBURSEMENT_STEPS: dict[str, tuple[frozenset[str], str]] = {
    "approve": (frozenset({"requested"}), "approved"),
    "pay": (frozenset({"approved"}), "paid"),
    "void": (frozenset({"requested", "approved"}), "voided"),
}
FAMILY_STEPS: dict[str, tuple[frozenset[str], str]] = {
    "verify": (frozenset({"draft"}), "verified"),
    "archive": (frozenset({"draft", "verified"}), "archived"),
}


class CentreUnknown(Conflict):
    """The centre is not known here; register it first, or wait a moment if it is new."""


class CentreIsClosed(Conflict):
    """The centre has ended its work."""


class StatusDoesNotAllow(Conflict):
    """The status does not allow this."""


class EndsBeforeItBegins(RuleBroken):
    """It cannot end before it began."""


class CampaignNotFound(NotFound):
    """There is no such campaign."""


class CampaignUnknown(RuleBroken):
    """The request names a campaign that does not exist."""


class CampaignNotOpen(Conflict):
    """The campaign takes no gifts: it has not been opened yet, or is closed."""


class CampaignNeverOpened(Conflict):
    """The campaign has not been opened yet."""


class CampaignHasReported(Conflict):
    """The campaign has given its account: nothing of it changes any more."""


class MoneyIsStillHeld(Conflict):
    """Some disbursements are neither paid nor voided yet."""


class DonationNotFound(NotFound):
    """There is no such donation."""


class DonationRecordedBefore(Conflict):
    """A gift with this reference has been recorded at this centre already."""


class GoodsAreNotRefunded(RuleBroken):
    """Only money can be refunded."""


class RefundExceedsGift(Conflict):
    """No more can be refunded than was given."""


class RefundBeforeGift(RuleBroken):
    """A refund cannot be older than the gift."""


class FundInsufficient(Conflict):
    """The campaign's fund does not hold this much that is not promised already."""


class DisbursementNotFound(NotFound):
    """There is no such disbursement."""


class ApprovedByRequester(Forbidden):
    """Whoever requested a disbursement cannot approve it."""


class PaidBeforeRequested(RuleBroken):
    """A payment cannot be older than its request."""


class CategoryUnknown(RuleBroken):
    """There is no such category for this; see /v1/categories."""


class FamilyNotFound(NotFound):
    """There is no such family."""


class FamilyIsErased(Gone):
    """This family's data was erased. What reached it still counts."""


class FamilyUnknown(RuleBroken):
    """The request names a family that does not exist."""


class FamilyNotVerified(Conflict):
    """Only a verified family can be helped."""


class DecidedBeforeRegistered(RuleBroken):
    """A decision cannot be older than the registration."""


class MemberKnown(Conflict):
    """Someone with this IIN belongs to a family already; ask the centres before registering them twice."""


class MemberNotFound(NotFound):
    """The family has no such member."""


class MembershipHasEnded(Conflict):
    """This person has left the family already."""


class NotOfTheFamily(RuleBroken):
    """Only people who belonged to the family on that day can be helped with it."""


class NobodyToHelp(RuleBroken):
    """Nobody belonged to the family on that day."""


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class DeliveryIsVoided(Conflict):
    """The delivery has been taken back already."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One account's part in an entry."""

    account: str
    amount_minor: int


Legs = tuple[Leg, ...]


def gift(kind: str, amount_minor: int) -> Legs:
    """The entry of a gift: value comes from donors and lies in the cash or among the goods."""
    source, place = ("donors", "cash") if kind == "money" else ("donors_in_kind", "goods")
    return Leg(source, -amount_minor), Leg(place, amount_minor)


def payment(amount_minor: int) -> Legs:
    """The entry of a disbursement that is paid: cash becomes aid."""
    return Leg("cash", -amount_minor), Leg("aid", amount_minor)


def reversal(original: Legs, amount_minor: int) -> Legs:
    """The entry that takes back a part, or all, of a two-legged one."""
    return tuple(Leg(leg.account, -amount_minor if leg.amount_minor > 0 else amount_minor) for leg in original)


class Funds:
    """What the funds of some campaigns can still give: cash less what is promised. Taken from step by step."""

    def __init__(self, free_minor: Mapping[UUID, int]) -> None:
        self._free_minor = dict(free_minor)

    def take(self, campaign_id: UUID, amount_minor: int) -> None:
        """Raises: FundInsufficient."""
        if amount_minor > self._free_minor.get(campaign_id, 0):
            raise FundInsufficient(pointer="/amount")
        self._free_minor[campaign_id] -= amount_minor


def next_status(steps: Mapping[str, tuple[frozenset[str], str]], step: str, *, now: str) -> str:
    """What a step makes of a status.

    Raises:
        StatusDoesNotAllow: not from this one.
    """
    allowed, after = steps[step]
    if now not in allowed:
        raise StatusDoesNotAllow(
            "It is {status}; this needs {needed}.", status=now, needed=" or ".join(sorted(allowed))
        )
    return after


def require_open(status: str | None) -> None:
    """Raises: CampaignUnknown, CampaignNotOpen."""
    if status is None:
        raise CampaignUnknown(pointer="/campaign_id")
    if status != "open":
        raise CampaignNotOpen(pointer="/campaign_id")


def require_spending(status: str | None) -> None:
    """What came in may go out while a campaign is open and after it has closed, until it reports.

    Raises:
        CampaignUnknown, CampaignNeverOpened, CampaignHasReported
    """
    if status is None:
        raise CampaignUnknown(pointer="/campaign_id")
    if status == "draft":
        raise CampaignNeverOpened(pointer="/campaign_id")
    if status == "reported":
        raise CampaignHasReported(pointer="/campaign_id")


def require_refundable(
    *, kind: str, given_on: date, amount_minor: int, refunded_minor: int, refund: int, on: date
) -> None:
    """Raises: GoodsAreNotRefunded, RefundBeforeGift, RefundExceedsGift."""
    if kind != "money":
        raise GoodsAreNotRefunded
    if on < given_on:
        raise RefundBeforeGift(pointer="/occurred_on")
    if refunded_minor + refund > amount_minor:
        raise RefundExceedsGift(pointer="/amount")


def require_another_person(requested_by: str, *, by: Principal) -> None:
    """Four eyes. An administrator may approve their own request: a network can begin with a single person.

    Raises:
        ApprovedByRequester
    """
    if by.id == requested_by and Role.ADMINISTRATOR not in by.roles:
        raise ApprovedByRequester


class Membership(Protocol):
    """A person's time in a family."""

    id: UUID
    from_on: date | None
    until_on: date | None


SomeMember = TypeVar("SomeMember", bound=Membership)


def present(members: Iterable[SomeMember], *, on: date) -> list[SomeMember]:
    """Who belonged to the family on a day. Without a first day: always did; the last day is included."""
    return [
        member
        for member in members
        if (member.from_on is None or member.from_on <= on) and (member.until_on is None or on <= member.until_on)
    ]


def helped(members: Iterable[SomeMember], chosen: Iterable[UUID] | None, *, on: date) -> list[SomeMember]:
    """The members whom a delivery helps: the chosen ones, or all who belong to the family on that day.

    Raises:
        NotOfTheFamily, NobodyToHelp
    """
    there = {member.id: member for member in present(members, on=on)}
    if chosen is None:
        if not there:
            raise NobodyToHelp(pointer="/family_id")
        return list(there.values())
    wanted = set(chosen)
    if not wanted <= there.keys():
        raise NotOfTheFamily(pointer="/member_ids")
    return [member for identity, member in there.items() if identity in wanted]


def too_few_to_show(number: int) -> bool:
    return 0 < number < FEWEST_SHOWN
