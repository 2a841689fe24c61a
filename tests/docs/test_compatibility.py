"""Who calls the last release, or listens to it, can do so with this one: nothing is taken away unless it is said."""

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from deploy.local.installation import CODE
from deploy.reference.compatibility import breaks, breaks_for_listeners
from deploy.reference.documents import asyncapi, openapi

RELEASED = CODE / "docs" / "released"
KNOWINGLY = RELEASED / "breaking.txt"
"""What this release takes away all the same, a line each; the changelog says what callers must do."""

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def released() -> dict[str, Any]:
    return orjson.loads((RELEASED / "openapi.json").read_bytes())


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What the last release tells those who listen."""
    return orjson.loads((RELEASED / "asyncapi.json").read_bytes())


def test_nothing_is_taken_away_unknowingly(released: dict[str, Any], told: dict[str, Any]) -> None:
    of_callers = breaks(released, orjson.loads(openapi()))
    of_listeners = breaks_for_listeners(told, orjson.loads(asyncapi()))

    found = sorted([*of_callers, *of_listeners])
    assert found == KNOWINGLY.read_text(encoding="utf-8").splitlines(), "say it in breaking.txt and the changelog"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda doc: doc["paths"].pop("/v1/regions"), "GET /v1/regions: is gone"),
        (lambda doc: doc["paths"]["/v1/centres"].pop("post"), "POST /v1/centres: is gone"),
        (
            lambda doc: doc["paths"]["/v1/regions"]["get"].update(operationId="other"),
            "GET /v1/regions: has another operationId",
        ),
        (
            lambda doc: doc["paths"]["/v1/centres"]["get"]["parameters"].clear(),
            "GET /v1/centres: does not take region any more",
        ),
        (
            lambda doc: doc["components"]["parameters"]["IdempotencyKey"].update(required=True),
            "POST /v1/centres: needs Idempotency-Key",
        ),
        (
            lambda doc: doc["paths"]["/v1/centres"]["post"]["responses"].pop("201"),
            "POST /v1/centres: never answers 201 any more",
        ),
        (lambda doc: doc["components"]["schemas"].pop("CentreView"), "CentreView: is gone"),
        (
            lambda doc: doc["components"]["schemas"]["CentreView"]["properties"].pop("region"),
            "CentreView.region: is gone",
        ),
        (
            lambda doc: doc["components"]["schemas"]["OpenCentre"]["required"].append("parent_id"),
            "OpenCentre.parent_id: is needed",
        ),
        (
            lambda doc: doc["components"]["schemas"]["CentreView"]["properties"]["version"].update(type="string"),
            "CentreView.version: is not integer any more",
        ),
        (
            lambda doc: doc["components"]["schemas"]["OpenCentre"]["properties"]["kind"]["enum"].remove("other"),
            "OpenCentre.kind: is never other any more",
        ),
    ],
)
def test_what_would_break_a_caller_is_seen(released: dict[str, Any], change: Change, says: str) -> None:
    now = copy.deepcopy(released)
    change(now)

    assert says in breaks(released, now)


def test_what_is_added_breaks_nobody(released: dict[str, Any]) -> None:
    now = copy.deepcopy(released)
    now["paths"]["/v1/new"] = now["paths"]["/v1/regions"]
    now["components"]["schemas"]["New"] = {"type": "object"}
    now["components"]["schemas"]["CentreView"]["properties"]["new"] = {"type": "string"}

    assert breaks(released, now) == []


_MADE = "charity.donation.received.v1"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda doc: doc["channels"].pop(_MADE), f"{_MADE}: is gone"),
        (lambda doc: doc["channels"][_MADE].update(address="asar.gift"), f"{_MADE}: has another subject"),
        (lambda doc: doc["components"]["schemas"].pop("DonationReceived"), "DonationReceived: is gone"),
        (
            lambda doc: doc["components"]["schemas"]["DonationReceived"]["properties"].pop("campaign_id"),
            "DonationReceived.campaign_id: is gone",
        ),
        (
            lambda doc: doc["components"]["schemas"]["CentreOpened"]["required"].remove("kind"),
            "CentreOpened.kind: is not always told any more",
        ),
        (
            lambda doc: doc["components"]["schemas"]["CentreOpened"]["properties"]["kind"].update(type="integer"),
            "CentreOpened.kind: may be integer now",
        ),
        (
            lambda doc: doc["components"]["schemas"]["CentreOpened"]["properties"].update(
                opened_on={"anyOf": [{"type": "string"}, {"type": "null"}]}
            ),
            "CentreOpened.opened_on: may be null now",
        ),
    ],
)
def test_what_would_break_a_listener_is_seen(told: dict[str, Any], change: Change, says: str) -> None:
    now = copy.deepcopy(told)
    change(now)

    assert says in breaks_for_listeners(told, now)


def test_what_is_told_beside_breaks_no_listener(told: dict[str, Any]) -> None:
    now = copy.deepcopy(told)
    now["channels"]["new"] = now["channels"][_MADE]
    schemas = now["components"]["schemas"]
    schemas["New"] = {"type": "object"}
    schemas["CentreOpened"]["properties"]["new"] = {"type": "string", "default": ""}
    schemas["CentreOpened"]["properties"]["parent_id"] = {"type": "string"}

    assert breaks_for_listeners(told, now) == []
