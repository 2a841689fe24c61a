"""Bad input at every door: a problem document, and nothing has changed."""

from itertools import count
from typing import Any

import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.events.app import Events
from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest, Serving, make_settings, serving

_numbers = count(1)


@pytest.fixture(scope="module")
async def events(
    events_template: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> Serving:
    """One service for all of these tests: none of them leaves anything behind."""
    name = f"bad_input_{next(_numbers)}"
    url = await postgres.create_database(name, template=events_template)
    async with serving(Events, make_settings(url, "nats://unused", tmp_path_factory.mktemp("keys"))) as service:
        yield service
    await postgres.drop_database(name)


ADDRESSES = {"event": "/v1/events", "shift": "/v1/shifts", "sign_up": "/v1/sign-ups", "headcount": "/v1/headcounts"}
NOBODY = "018f0000-0000-7000-8000-000000000000"
ROUND = "２０２１-06-09T10:00:00Z"


@pytest.mark.parametrize(
    ("noun", "fields", "pointer"),
    [
        ("event", {"colour": "blue"}, "#/colour"),
        ("event", {"starts_at": "2021-06-09T10:00:00"}, "#/starts_at"),
        ("event", {"starts_at": 1623211200}, "#/starts_at"),
        ("event", {"starts_at": "1623211200"}, "#/starts_at"),
        ("event", {"starts_at": ROUND}, "#/starts_at"),
        ("event", {"starts_at": "0001-01-01T00:00:00+05:00"}, "#/starts_at"),
        ("event", {"ends_at": "9999-12-31T23:59:59-05:00"}, "#/ends_at"),
        ("event", {"ends_at": factories.STARTS_AT}, "#/ends_at"),
        ("event", {"ends_at": "2021-06-09T09:00:00+06:00"}, "#/ends_at"),
        ("event", {"ends_at": "2023-06-09T09:00:00+06:00"}, "#/ends_at"),
        ("event", {"format": "party"}, "#/format"),
        ("event", {"format": "Clean-Up"}, "#/format"),
        ("event", {"title": {"ru": "Субботник"}}, "#/title/kk"),
        ("event", {"title": {"kk": "  "}}, "#/title/kk"),
        ("event", {"title": {"kk": "Сен\u0000білік"}}, "#/title/kk"),
        ("event", {"title": {"kk": "Сен\u202eбілік"}}, "#/title/kk"),
        ("event", {"title": {"kk": "с" * 201}}, "#/title/kk"),
        ("event", {"public": "yes"}, "#/public"),
        ("event", {"public": 1}, "#/public"),
        ("event", {"status": "held"}, "#/status"),
        ("event", {"id": "1"}, "#/id"),
        ("event", {"centre_id": None}, "#/centre_id"),
        ("shift", {"needed": -1}, "#/needed"),
        ("shift", {"needed": True}, "#/needed"),
        ("shift", {"needed": "3"}, "#/needed"),
        ("shift", {"needed": 3_000_000_000}, "#/needed"),
        ("shift", {"minimum_age": 121}, "#/minimum_age"),
        ("shift", {"hazard": "mild"}, "#/hazard"),
        ("shift", {"role": ""}, "#/role"),
        ("sign_up", {"volunteer_id": "nobody"}, "#/volunteer_id"),
        ("sign_up", {"attendance": "present"}, "#/attendance"),
        ("headcount", {"helpers": 1.5}, "#/helpers"),
        ("headcount", {"guests": None}, "#/guests"),
        ("headcount", {"counted_by": ""}, "#/counted_by"),
    ],
)
async def test_a_field_that_cannot_be_is_pointed_at(
    events: ServiceUnderTest, centre: str, noun: str, fields: dict[str, Any], pointer: str
) -> None:
    event_id = str(new_id())
    valid: dict[str, dict[str, Any]] = {
        "event": factories.event(centre),
        "shift": factories.shift(event_id),
        "sign_up": {"shift_id": str(new_id()), "volunteer_id": str(new_id())},
        "headcount": {"event_id": event_id, "helpers": 1, "guests": 1, "counted_by": "Үйлестіруші"},
    }

    announced = await events.outbox()

    answer = await events.post(ADDRESSES[noun], valid[noun] | fields)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert await events.outbox() == announced


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"\xff\xfe", "application/json", 400),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    events: ServiceUnderTest, content: bytes, content_type: str, status: int
) -> None:
    answer = await events.client.post("/v1/events", content=content, headers={"content-type": content_type})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_action_takes_no_unknown_fields(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event(status="draft")

    published = await events.post(f"/v1/events/{event_id}/publications", {"loudly": True})
    held = await events.post(f"/v1/events/{event_id}/holdings", {"results": "…"})
    cancelled = await events.post(f"/v1/events/{event_id}/cancellations", {})

    assert [a.status_code for a in (published, held, cancelled)] == [422, 422, 422]
    assert [a.json()["errors"][0]["pointer"] for a in (published, held, cancelled)] == [
        "#/loudly", "#/results", "#/reason",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/v1/events/not-an-id", 422),
        ("GET", f"/v1/events/{NOBODY}", 404),
        ("GET", f"/v1/sign-ups/{NOBODY}", 404),
        ("GET", f"/v1/headcounts/{NOBODY}", 404),
        ("POST", f"/v1/events/{NOBODY}/publications", 404),
        ("POST", f"/v1/sign-ups/{NOBODY}/withdrawals", 404),
        ("GET", "/v1/events?status=gone", 422),
        ("GET", "/v1/events?from=2021-13-01", 422),
        ("GET", "/v1/events?to=9999-12-31", 422),
        ("GET", "/v1/events?to=2199-12-31", 200),
        ("GET", "/v1/events?cursor=abc", 400),
        ("GET", "/v1/events?limit=-1", 422),
        ("GET", "/v1/shifts", 422),
        ("DELETE", f"/v1/events/{NOBODY}", 405),
        ("GET", "/v1/nothing", 404),
    ],
)
async def test_an_address_that_leads_nowhere(events: ServiceUnderTest, method: str, address: str, status: int) -> None:
    answer = await events.client.request(method, address)

    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_nobody_comes_in_without_the_gateway_s_token(events: ServiceUnderTest) -> None:
    answer = await events.client.get("/v1/events", headers={"Authorization": "Bearer forged"})

    assert (answer.status_code, answer.json()["code"]) == (401, "token-refused")
