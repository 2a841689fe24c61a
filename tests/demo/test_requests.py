"""Each row that the demo sends is a request that the services take."""

import pytest
from pydantic import BaseModel

from deploy.demo.network import Network, vocabulary
from deploy.demo.stages import STAGES, Stage
from services.charity import schemas as of_charity
from services.charity.reference import CATEGORIES
from services.events import schemas as of_events
from services.events.reference import FORMATS
from services.volunteers import schemas as of_volunteers

FORMS: dict[str, type[BaseModel]] = {
    "centres": of_volunteers.OpenCentre,
    "declarations": of_volunteers.DeclareVolunteers,
    "assignments": of_volunteers.MakeAssignment,
    "assignments/endings": of_volunteers.EndAssignmentRow,
    "volunteers": of_volunteers.RegisterVolunteer,
    "volunteers/approvals": of_volunteers.DecideRow,
    "volunteers/rejections": of_volunteers.DecideRow,
    "volunteers/activations": of_volunteers.DecideRow,
    "volunteers/pauses": of_volunteers.DecideRow,
    "volunteers/resumptions": of_volunteers.DecideRow,
    "volunteers/departures": of_volunteers.DecideRow,
    "campaigns": of_charity.DraftCampaign,
    "campaigns/openings": of_charity.DecideOnCampaignRow,
    "campaigns/closures": of_charity.DecideOnCampaignRow,
    "donations": of_charity.RecordDonation,
    "donations/refunds": of_charity.RefundRow,
    "disbursements": of_charity.RequestDisbursement,
    "disbursements/approvals": of_charity.ApproveDisbursementRow,
    "disbursements/payments": of_charity.PayDisbursementRow,
    "disbursements/voids": of_charity.VoidDisbursementRow,
    "families": of_charity.RegisterFamily,
    "families/verifications": of_charity.VerifyFamilyRow,
    "deliveries": of_charity.MakeDelivery,
    "deliveries/voids": of_charity.VoidDeliveryRow,
    "events": of_events.CreateEvent,
    "events/holdings": of_events.HoldEventRow,
    "events/cancellations": of_events.CancelEventRow,
    "shifts": of_events.OpenShift,
    "sign-ups": of_events.SignUpForShift,
    "sign-ups/attendances": of_events.RecordAttendanceRow,
    "headcounts": of_events.TakeHeadcount,
}
ENOUGH = 600


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_services_take_these_rows(network: Network, stage: Stage) -> None:
    rows = stage.rows(network)
    for row in rows[:: max(1, len(rows) // ENOUGH)]:
        FORMS[stage.noun].model_validate(row)


def test_formats_and_categories_are_those_of_the_reference_data(network: Network) -> None:
    assert {format_.code for format_ in vocabulary.FORMATS} == set(FORMATS)
    assert set(vocabulary.CATEGORIES.entries) <= set(CATEGORIES)
    for family in network.helping.families:
        assert set(family["categories"]) <= set(CATEGORIES)
        for member in family["members"]:
            assert all(CATEGORIES[code].of == "any" for code in member.get("categories", []))
