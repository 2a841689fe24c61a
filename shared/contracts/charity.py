"""Published by the charity service: campaigns, what was given and returned, what was paid out, and whom it helped."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.envelope import DomainEvent


class CampaignFact(DomainEvent):
    """Something about a campaign. Its titles are public."""

    about: ClassVar[str] = "campaign_id"

    campaign_id: UUID
    was: str | None = None
    status: str
    """`draft`, `open`, `closed` or `reported`; only an open one takes gifts."""
    title: dict[str, str]
    """In `kk`, `ru`, `en`."""
    goal_minor: int | None = None
    starts_on: date
    ends_on: date | None = None
    centre_ids: list[UUID] = Field(default_factory=list[UUID])
    """Who runs it; empty: the whole network."""


class CampaignDrafted(CampaignFact):
    """A campaign has been written down."""

    type: ClassVar[str] = "charity.campaign.drafted.v1"


class CampaignOpened(CampaignFact):
    """A campaign takes gifts from now on."""

    type: ClassVar[str] = "charity.campaign.opened.v1"


class CampaignChanged(CampaignFact):
    """A campaign's titles, goal, days or centres are other ones now."""

    type: ClassVar[str] = "charity.campaign.changed.v1"


class CampaignClosed(CampaignFact):
    """A campaign takes no more gifts."""

    type: ClassVar[str] = "charity.campaign.closed.v1"


class CampaignReported(CampaignFact):
    """A campaign has given account of what came in and went out."""

    type: ClassVar[str] = "charity.campaign.reported.v1"


class DonationFact(DomainEvent):
    """Something about a gift. Never a word on who gave it."""

    about: ClassVar[str] = "donation_id"

    donation_id: UUID
    campaign_id: UUID
    amount_minor: int
    currency: str = "KZT"
    on: date
    """The civil day for which it counts."""


class DonationReceived(DonationFact):
    """Someone has given money or goods."""

    type: ClassVar[str] = "charity.donation.received.v1"

    kind: str
    """`money`, or `goods` with their value as `amount_minor`."""
    method: str
    """`bank`, `card`, `cash`, `payroll` or `goods`."""
    anonymous: bool


class DonationRefunded(DonationFact):
    """Some or all of a gift of money has gone back. `on` is the day of the refund."""

    type: ClassVar[str] = "charity.donation.refunded.v1"

    refund_id: UUID


class DisbursementFact(DomainEvent):
    """Something about money that a campaign's fund pays out."""

    about: ClassVar[str] = "disbursement_id"

    disbursement_id: UUID
    campaign_id: UUID
    was: str | None = None
    status: str
    """`requested`, `approved`, `paid` or `voided`; only what is paid has left the fund."""
    amount_minor: int
    currency: str = "KZT"
    on: date
    """The civil day of this step."""


class DisbursementRequested(DisbursementFact):
    """Money of a fund is held for a purpose."""

    type: ClassVar[str] = "charity.disbursement.requested.v1"


class DisbursementApproved(DisbursementFact):
    """Another person than the requester has agreed."""

    type: ClassVar[str] = "charity.disbursement.approved.v1"


class DisbursementPaid(DisbursementFact):
    """The money has left the fund."""

    type: ClassVar[str] = "charity.disbursement.paid.v1"


class DisbursementVoided(DisbursementFact):
    """The money will not be needed: the fund has it back."""

    type: ClassVar[str] = "charity.disbursement.voided.v1"


class FamilyFact(DomainEvent):
    """Something about a family in need, without a word on who they are."""

    about: ClassVar[str] = "family_id"

    family_id: UUID
    was: str | None = None
    status: str
    """`draft`, `verified` or `archived`; only a verified one can be helped."""
    members: int
    """How many belong to it now."""
    on: date


class FamilyRegistered(FamilyFact):
    """A family has been written down."""

    type: ClassVar[str] = "charity.family.registered.v1"


class FamilyVerified(FamilyFact):
    """Somebody has made sure that a family is in need."""

    type: ClassVar[str] = "charity.family.verified.v1"


class FamilyChanged(FamilyFact):
    """Somebody has joined a family or left it."""

    type: ClassVar[str] = "charity.family.changed.v1"


class FamilyArchived(FamilyFact):
    """A family is not looked after any more."""

    type: ClassVar[str] = "charity.family.archived.v1"


class DeliveryFact(DomainEvent):
    """Something about help that reached a family."""

    about: ClassVar[str] = "delivery_id"

    delivery_id: UUID
    campaign_id: UUID | None = None
    family_id: UUID
    person_ids: list[UUID]
    """Which members it helped. A person counts once, however often helped."""
    kind: str
    """`money`, `goods` or `service`."""
    value_minor: int
    event_id: UUID | None = None
    on: date
    """The civil day of the delivery, also where it is taken back."""


class DeliveryMade(DeliveryFact):
    """Help has reached a family."""

    type: ClassVar[str] = "charity.delivery.made.v1"


class DeliveryVoided(DeliveryFact):
    """A delivery was entered by mistake: it never counted."""

    type: ClassVar[str] = "charity.delivery.voided.v1"
