"""Every way to change what the charity service knows. One function, one intention."""

from services.charity.commands.campaigns import change_campaign, draft_campaign, take_step
from services.charity.commands.centres import know_centre, know_centre_is_closed
from services.charity.commands.deliveries import make_delivery, void_delivery
from services.charity.commands.disbursements import (
    approve_disbursement,
    pay_disbursement,
    request_disbursement,
    void_disbursement,
)
from services.charity.commands.donations import issue_receipts, record_donation
from services.charity.commands.erasure import erase_donor, erase_family, erase_member
from services.charity.commands.families import (
    add_member,
    archive_family,
    end_membership,
    register_family,
    verify_family,
)
from services.charity.commands.funds import lock_funds, lock_funds_of_donations
from services.charity.commands.personal import (
    disclose_delivery,
    disclose_donor,
    disclose_family,
    export_family,
    export_member,
    require_family,
)
from services.charity.commands.refunds import refund_donation

__all__ = [
    "add_member",
    "approve_disbursement",
    "archive_family",
    "change_campaign",
    "disclose_delivery",
    "disclose_donor",
    "disclose_family",
    "draft_campaign",
    "end_membership",
    "erase_donor",
    "erase_family",
    "erase_member",
    "export_family",
    "export_member",
    "issue_receipts",
    "know_centre",
    "know_centre_is_closed",
    "lock_funds",
    "lock_funds_of_donations",
    "make_delivery",
    "pay_disbursement",
    "record_donation",
    "refund_donation",
    "register_family",
    "request_disbursement",
    "require_family",
    "take_step",
    "verify_family",
    "void_delivery",
    "void_disbursement",
]
