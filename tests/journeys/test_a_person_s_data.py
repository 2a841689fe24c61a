"""A person's data over all services: given out whole, then erased, and every figure stays right."""
# ruff: noqa: F811 - a test takes a fixture by its name.

import io
import zipfile
from typing import Any

import httpx
import orjson
import pytest

from shared.ids import new_id
from tests.factories import registration
from tests.journeys.test_one_fact_all_the_way import client  # noqa: F401
from tests.running import RunningSystem, until

pytestmark = pytest.mark.journey
NAME, PHONE = "Ғайыпова Ұлбосын", "+77640009988"
PURPOSE = {"purpose": "Өз өтініші бойынша"}
TIMES = {"starts_at": "2021-06-09T10:00:00+06:00", "ends_at": "2021-06-09T12:00:00+06:00"}


async def post(client: httpx.AsyncClient, path: str, form: dict[str, Any]) -> dict[str, Any]:
    """Ask until the service has heard of what it needs from the others."""

    async def accepted() -> dict[str, Any] | None:
        answer = await client.post(path, json=form, headers={"Idempotency-Key": str(new_id())})
        if str(answer.json().get("code", "")).endswith(("-unknown", "-not-active")):
            return None
        assert answer.is_success, answer.text
        return dict(answer.json())

    return await until(path, accepted)


async def test_it_is_given_out_whole_and_erased_without_a_trace_and_every_figure_stays(
    client: httpx.AsyncClient, running_system: RunningSystem
) -> None:
    # Given a volunteer who came to a shift
    centre = {"kind": "friendship_house", "name": {"kk": "Достық үйі"}, "region": "KZ-63", "opened_on": "2020-01-01"}
    centre_id = str((await post(client, "/v1/centres", centre))["id"])
    volunteer = await post(client, "/v1/volunteers", registration(centre_id, full_name=NAME, phone=PHONE))
    path = f"/v1/volunteers/{volunteer['id']}"
    await post(client, f"{path}/approvals", {"decided_on": "2021-02-01"})
    event = await post(
        client, "/v1/events", {"centre_id": centre_id, "format": "clean_up", "title": {"kk": "Сенбілік"}, **TIMES}
    )
    await post(client, f"/v1/events/{event['id']}/publications", {})
    shift = await post(client, "/v1/shifts", {"event_id": event["id"], "role": "көмекші", "needed": 5, **TIMES})
    place = {"shift_id": shift["id"], "volunteer_id": volunteer["id"]}
    sign_up = await post(client, "/v1/sign-ups", place)
    await post(client, f"/v1/sign-ups/{sign_up['id']}/attendances", {"attendance": "present"})

    async def earned() -> bool:
        return int((await client.get("/v1/hours", params={"volunteer_id": volunteer["id"]})).json()["minutes"]) == 120

    await until("the hours are earned", earned)

    # When all that is known of them is asked for
    without = await client.post(f"{path}/exports", json={})
    answer = await client.post(f"{path}/exports", json=PURPOSE)

    # Then one archive holds what each service knows, and that it was given out
    assert (without.status_code, without.json()["code"]) == (422, "purpose-missing")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    known = {name: orjson.loads(content) for name, content in files.items() if name.endswith(".json")}
    assert (known["volunteers/profile.json"]["full_name"], known["volunteers/profile.json"]["phone"]) == (NAME, PHONE)
    assert [row["minutes"] for row in known["volunteers/hours.json"]] == [120]
    assert [row["attendance"] for row in known["events/sign_ups.json"]] == ["present"]
    assert [row["what"] for row in known["volunteers/journal.json"]] == ["exported"]
    assert {"volunteers/hours.csv", "events/sign_ups.csv"} <= set(files)

    # When they are erased
    erased = await client.post(f"{path}/erasures", json=PURPOSE | {"number": volunteer["number"]})

    # Then they are gone, what they did counts, and everything agrees
    assert erased.json()["done"] is True
    assert (await client.get(path)).status_code == 410
    assert (await client.post(f"{path}/exports", json=PURPOSE)).status_code == 410
    await running_system.settled()
    report = await running_system.verify()
    assert report.ok, report.differences
    assert report.journal["volunteers"].number >= 2
    figures = (await client.get("/v1/dashboard", params={"scope": f"centre:{centre_id}"})).json()["figures"]
    assert (figures["volunteers_registered"], figures["hours_minutes"]) == (0, 120)
