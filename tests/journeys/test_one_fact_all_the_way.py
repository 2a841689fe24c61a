"""A fact goes from a centre's call to the dashboard, to everybody's stream and to the services that need it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.ids import new_id
from tests.factories import registration
from tests.running import RunningSystem, until

pytestmark = pytest.mark.journey
YEAR = {"from": "2021-01-01", "to": "2021-12-31"}


@pytest.fixture
async def client(running_system: RunningSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with running_system.client() as caller:
        yield caller


async def _post(client: httpx.AsyncClient, path: str, form: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Ask until the service has heard of what it needs from the others."""

    async def accepted() -> dict[str, Any] | None:
        answer = await client.post(path, json=form, headers={"Idempotency-Key": str(new_id())} | headers)
        if str(answer.json().get("code", "")).endswith("-unknown"):
            return None
        answer.raise_for_status()
        return dict(answer.json())

    return await until(path, accepted)


async def _centre(client: httpx.AsyncClient) -> str:
    form = {"kind": "friendship_house", "name": {"kk": "Достық үйі"}, "region": "KZ-63", "opened_on": "2020-01-01"}
    return str((await _post(client, "/v1/centres", form))["id"])


async def _figure(client: httpx.AsyncClient, scope: str, name: str) -> int:
    return int((await client.get("/v1/dashboard", params={"scope": scope, **YEAR})).json()["figures"][name])


async def test_attendance_becomes_hours_and_the_dashboard_shows_them(client: httpx.AsyncClient) -> None:
    # Given a registered volunteer with a place in a shift of two hours, a year and more ago
    centre_id = await _centre(client)
    scope = f"centre:{centre_id}"
    volunteer = await _post(client, "/v1/volunteers", registration(centre_id, phone=None))
    await _post(client, f"/v1/volunteers/{volunteer['id']}/approvals", {"decided_on": "2021-02-01"})
    times = {"starts_at": "2021-06-09T10:00:00+06:00", "ends_at": "2021-06-09T12:00:00+06:00"}
    event = await _post(
        client, "/v1/events", {"centre_id": centre_id, "format": "clean_up", "title": {"kk": "Сенбілік"}, **times}
    )
    await _post(client, f"/v1/events/{event['id']}/publications", {})
    shift = await _post(client, "/v1/shifts", {"event_id": event["id"], "role": "көмекші", "needed": 5, **times})

    async def signed_up() -> dict[str, Any] | None:
        answer = await client.post("/v1/sign-ups", json={"shift_id": shift["id"], "volunteer_id": volunteer["id"]})
        # Events hears of the approval by message.
        return answer.json() if answer.is_success else None

    sign_up = await until("a place in the shift", signed_up)

    # When a coordinator notes that they came, and that the event was held
    await _post(client, f"/v1/sign-ups/{sign_up['id']}/attendances", {"attendance": "present"})
    await _post(client, f"/v1/events/{event['id']}/holdings", {})

    # Then two hours are theirs, and the dashboard has them
    async def earned() -> bool:
        return int((await client.get("/v1/hours", params={"volunteer_id": volunteer["id"]})).json()["minutes"]) == 120

    async def shown() -> bool:
        return await _figure(client, scope, "hours_minutes") == 120 and await _figure(client, scope, "events_held") == 1

    await until("the hours are earned", earned)
    await until("the dashboard shows them", shown)


async def test_a_gift_and_its_refund_are_in_the_figures_and_in_everybody_s_stream(client: httpx.AsyncClient) -> None:
    centre_id = await _centre(client)
    campaign = {"title": {"kk": "Сарқыт"}, "starts_on": "2021-01-01", "centre_ids": [centre_id]}
    campaign_id = (await _post(client, "/v1/campaigns", campaign))["id"]
    await _post(client, f"/v1/campaigns/{campaign_id}/openings", {})
    gift = {
        "campaign_id": campaign_id, "centre_id": centre_id, "kind": "money", "method": "card",
        "amount": {"amount": "1000.50"}, "donor": {"anonymous": True}, "occurred_on": "2021-03-22",
    }  # fmt: skip
    donation = await _post(
        client, "/v1/donations", gift, **{"Idempotency-Key": f"gift {campaign_id}".replace(" ", "-")}
    )
    refund = {"amount": {"amount": "0.50"}, "reason": "қате", "occurred_on": "2021-03-23"}
    path = f"/v1/donations/{donation['id']}/refunds"
    await _post(client, path, refund, **{"Idempotency-Key": f"refund-{campaign_id}"})

    async def shown() -> bool:
        return await _figure(client, f"campaign:{campaign_id}", "money_net_minor") == 100_000

    async def streamed() -> list[dict[str, Any]]:
        facts: list[dict[str, Any]] = []
        address: str | None = "/v1/messages?limit=500"
        while address is not None:
            page = (await client.get(address)).json()
            facts += [item for item in page["items"] if item["subject"] == f"charity.donation/{donation['id']}"]
            address = page.get("next")
        return facts if len(facts) == 2 else []

    await until("the dashboard shows it", shown)
    received, refunded = await until("both are in the stream", streamed)
    assert (received["type"], received["aggregateversion"]) == ("charity.donation.received.v1", 1)
    assert (refunded["data"]["amount_minor"], refunded["aggregateversion"]) == (50, 2)


async def test_the_read_model_is_built_anew_while_the_old_one_serves(
    running_system: RunningSystem, client: httpx.AsyncClient
) -> None:
    await _centre(client)
    await running_system.settled()
    before = (await client.get("/v1/dashboard")).json()["figures"]

    await running_system.asar("projection", "rebuild")

    await running_system.settled()
    report = await running_system.verify()
    assert (await client.get("/v1/dashboard")).json()["figures"] == before
    assert report.ok, report.differences[:20]
