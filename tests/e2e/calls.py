"""What others do while somebody looks at the page."""

import httpx

from tests.factories import registration


async def open_a_centre(client: httpx.AsyncClient) -> str:
    """The id of a new centre."""
    centre = {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-71", "opened_on": "2020-01-01"}
    return str((await client.post("/v1/centres", json=centre)).raise_for_status().json()["id"])


async def let_one_in(client: httpx.AsyncClient, centre_id: str) -> None:
    """Register somebody at a centre where nobody is yet, and approve them."""
    form = registration(centre_id, phone=None)
    answer = await client.post("/v1/volunteers", json=form, headers={"Idempotency-Key": centre_id})
    volunteer_id = answer.raise_for_status().json()["id"]
    (await client.post(f"/v1/volunteers/{volunteer_id}/approvals", json={})).raise_for_status()
