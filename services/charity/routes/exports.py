"""What is known of a family or of one person of it, as an archive."""

from typing import Any
from uuid import UUID

from fastapi.responses import Response

from services.charity import commands, queries
from services.charity.domain import FamilyIsErased, FamilyNotFound, MemberNotFound
from services.charity.routes import views
from services.charity.tables import Delivery
from shared import journal
from shared.access.doors import Caller, permits
from shared.access.permissions import Permission
from shared.archive import archive, download
from shared.clock import Now
from shared.money import MoneyView
from shared.personal import Export, PurposeMissing
from shared.problems import refusals
from shared.requests import Sealing, Tx, never_remembered
from shared.requests import router as _router
from shared.sealed import Seal

router = _router("/v1/families", tags=["families"])
_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}, "description": "As JSON and CSV."}}


@router.post(
    "/{family_id}/exports",
    response_class=Response,
    responses=_ZIP | refusals(FamilyNotFound, FamilyIsErased, PurposeMissing),
    dependencies=[permits(Permission.EXPORT_PERSON)],
)
@never_remembered
async def export_family(family_id: UUID, form: Export, tx: Tx, seal: Sealing, caller: Caller, now: Now) -> Response:
    """All that is known of a family and its people, and who has read it, as a ZIP, for a purpose."""
    family, members = await commands.export_family(tx, family_id, form, by=caller, now=now)
    reasons = await queries.reasons_of(tx, [family_id, *(member.id for member in members)])
    records = [f"family/{family_id}", *(f"member/{member.id}" for member in members)]
    part = {
        "family": views.family(family, members, caller, seal).model_dump(mode="json")
        | views.disclosed_family(family, members, reasons, seal).model_dump(mode="json"),
        "deliveries": _deliveries(await queries.deliveries_to(tx, family_id), seal),
        "journal": await journal.entries_of(tx, records),
    }
    return download(archive({"charity": part}, at=now), name=f"family-{family_id}")


@router.post(
    "/{family_id}/members/{member_id}/exports",
    response_class=Response,
    responses=_ZIP | refusals(FamilyNotFound, FamilyIsErased, MemberNotFound, PurposeMissing),
    dependencies=[permits(Permission.EXPORT_PERSON)],
)
@never_remembered
async def export_member(
    family_id: UUID, member_id: UUID, form: Export, tx: Tx, seal: Sealing, caller: Caller, now: Now
) -> Response:
    """All that is known of one person of a family, and who has read it, as a ZIP, for a purpose."""
    member = await commands.export_member(tx, family_id, member_id, form, by=caller, now=now)
    part = {
        "person": views.member(member, caller, seal).model_dump(mode="json")
        | views.disclosed_member(member, seal).model_dump(mode="json"),
        "deliveries": _deliveries(await queries.deliveries_to(tx, family_id, person_id=member_id), seal),
        "journal": await journal.entries_of(tx, [f"family/{family_id}", f"member/{member_id}"]),
    }
    return download(archive({"charity": part}, at=now), name=f"member-{member_id}")


def _deliveries(deliveries: list[Delivery], seal: Seal) -> list[dict[str, Any]]:
    return [
        {
            "id": delivery.id,
            "occurred_on": delivery.occurred_on,
            "kind": delivery.kind,
            "value": MoneyView.of_minor(delivery.value_minor).amount,
            "description": seal.text(delivery, "description"),
            "voided_on": delivery.voided_on,
            "void_reason": seal.text(delivery, "void_reason"),
        }
        for delivery in deliveries
    ]
