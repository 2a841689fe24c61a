"""Whose volunteers one reaches: those of one's own centre and directions, or oneself."""

from typing import Any
from uuid import UUID

import pytest

from shared.access.permissions import Role
from shared.access.principal import ANYONE, Principal, person
from tests.factories import registration
from tests.systems import ServiceUnderTest


@pytest.fixture
async def elsewhere(volunteers: ServiceUnderTest) -> str:
    """The id of another centre."""
    form = {"kind": "volunteer_centre", "name": {"kk": "Басқа"}, "region": "KZ-71", "opened_on": "2020-01-01"}
    return (await volunteers.post("/v1/centres", form)).json()["id"]


def coordinator(centre: str, *directions: str) -> Principal:
    return person("person:c", Role.COORDINATOR, centres=[UUID(centre)], directions=directions or None)


async def register(volunteers: ServiceUnderTest, centre: str, **fields: Any) -> str:
    answer = await volunteers.post("/v1/volunteers", registration(centre, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def found_by(volunteers: ServiceUnderTest, principal: Principal) -> set[str]:
    answer = await volunteers.post("/v1/volunteers/searches", {}, **volunteers.as_principal(principal))
    return {item["id"] for item in answer.json()["items"]}


async def test_a_coordinator_registers_at_their_own_centre_only(
    volunteers: ServiceUnderTest, centre: str, elsewhere: str
) -> None:
    headers = volunteers.as_principal(coordinator(centre))
    here, there, again = registration(centre), registration(elsewhere), registration(centre)

    alone = [await volunteers.post("/v1/volunteers", form, **headers) for form in (here, there)]
    together = await volunteers.post(
        "/v1/volunteers/batches", {"items": [again, registration(elsewhere), registration(centre)]}, **headers
    )
    declared = [
        (await volunteers.post("/v1/declarations", {"centre_id": c, "number": 5, "source": "x"}, **headers)).status_code
        for c in (centre, elsewhere)
    ]

    assert [answer.status_code for answer in alone] == [201, 404]
    assert alone[1].json()["code"] == "out-of-reach"
    assert [item["status"] for item in together.json()["items"]] == [201, 404, 201]
    assert declared == [201, 404]
    # Neither the person nor what was announced of them.
    assert await volunteers.database.pool.fetchval("SELECT count(*) FROM volunteer") == 3
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 3


async def test_another_centres_volunteer_is_not_there(
    volunteers: ServiceUnderTest, centre: str, elsewhere: str
) -> None:
    own, others = await register(volunteers, centre), await register(volunteers, elsewhere)
    headers = volunteers.as_principal(coordinator(centre))

    read = [(await volunteers.client.get(f"/v1/volunteers/{v}", headers=headers)).status_code for v in (own, others)]
    approved = [(await volunteers.post(f"/v1/volunteers/{v}/approvals", {}, **headers)) for v in (others, own)]
    nobody = await volunteers.post(f"/v1/volunteers/{UUID(int=7)}/approvals", {}, **headers)

    assert read == [200, 404]
    assert [answer.status_code for answer in approved] == [404, 200]
    # Not to be told from one who never was.
    assert approved[0].json()["code"] == nobody.json()["code"]
    assert await found_by(volunteers, coordinator(centre)) == {own}


async def test_a_direction_reaches_those_who_help_in_it_or_in_none(volunteers: ServiceUnderTest, centre: str) -> None:
    ecology, sport, both, none = [
        await register(volunteers, centre, directions=directions)
        for directions in (["ecology"], ["sport"], ["sport", "ecology"], [])
    ]

    assert await found_by(volunteers, coordinator(centre, "ecology")) == {ecology, both, none}
    assert await found_by(volunteers, coordinator(centre)) == {ecology, sport, both, none}


async def test_a_volunteer_sees_themselves_and_decides_nothing(volunteers: ServiceUnderTest, centre: str) -> None:
    me, other = await register(volunteers, centre), await register(volunteers, centre)
    mine = volunteers.as_principal(person("person:v", Role.VOLUNTEER, volunteer_id=UUID(me)))

    read = [(await volunteers.client.get(f"/v1/volunteers/{v}", headers=mine)).status_code for v in (me, other)]
    decided = await volunteers.post(f"/v1/volunteers/{me}/approvals", {}, **mine)

    assert read == [200, 404]
    assert decided.status_code == 403


async def test_the_unknown_see_centres_and_nobody(volunteers: ServiceUnderTest, centre: str) -> None:
    volunteer_id = await register(volunteers, centre)
    headers = volunteers.as_principal(ANYONE)

    assert (await volunteers.client.get(f"/v1/centres/{centre}", headers=headers)).status_code == 200
    assert (await volunteers.client.get(f"/v1/volunteers/{volunteer_id}", headers=headers)).status_code == 401


async def test_who_is_registered_elsewhere_is_registered_and_no_more_is_said(
    volunteers: ServiceUnderTest, centre: str, elsewhere: str
) -> None:
    there = registration(elsewhere)
    await volunteers.post("/v1/volunteers", there)

    answer = await volunteers.post(
        "/v1/volunteers", registration(centre, phone=there["phone"]), **volunteers.as_principal(coordinator(centre))
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "already-registered")
    assert elsewhere not in answer.text
