"""Assignments: made, ended once, and never before they began."""

import asyncio
from collections import Counter

from shared.ids import new_id
from tests.systems import ServiceUnderTest
from tests.volunteers import factories

NOBODY = "018f0000-0000-7000-8000-000000000000"


async def test_an_assignment_is_announced_without_the_name(volunteers: ServiceUnderTest, centre: str) -> None:
    answer = await volunteers.post("/v1/assignments", factories.assignment(centre))

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/v1/assignments/{made['id']}"
    assert (made["person_name"], made["region"], made["until_on"]) == ("Айгүл Қасымова", "KZ-75", None)
    [message] = await volunteers.outbox("volunteers.assignment.made.v1")
    data = message["data"]
    assert (data["direction"], data["role"], data["from_on"]) == ("ecology", "coordinator", "2021-02-01")
    assert (data["person_id"], data["centre_id"]) == (made["person_id"], centre)
    assert "Қасымова" not in str(message)


async def test_one_person_may_have_several_assignments(volunteers: ServiceUnderTest, centre: str) -> None:
    first = (await volunteers.post("/v1/assignments", factories.assignment(centre))).json()
    same = factories.assignment(centre, direction="sport", role="leader", person_id=first["person_id"])

    second = (await volunteers.post("/v1/assignments", same)).json()

    assert second["person_id"] == first["person_id"]
    assert second["id"] != first["id"]


async def test_an_assignment_ends_once_and_not_before_it_began(volunteers: ServiceUnderTest, centre: str) -> None:
    assignment_id = (await volunteers.post("/v1/assignments", factories.assignment(centre))).json()["id"]
    address = f"/v1/assignments/{assignment_id}/endings"

    early = await volunteers.post(address, {"until_on": "2021-01-31"})
    ended = await volunteers.post(address, {"until_on": "2021-02-01"})
    again = await volunteers.post(address, {"until_on": "2021-02-01"})
    unknown = await volunteers.post(f"/v1/assignments/{NOBODY}/endings", {})

    assert (early.status_code, early.json()["code"]) == (422, "ends-before-it-begins")
    assert early.json()["errors"][0]["pointer"] == "#/until_on"
    assert (ended.status_code, ended.json()["until_on"], ended.json()["version"]) == (200, "2021-02-01", 2)
    assert (again.status_code, again.json()["code"]) == (409, "assignment-has-ended")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "assignment-not-found")
    [message] = await volunteers.outbox("volunteers.assignment.ended.v1")
    assert (message["aggregateversion"], message["data"]["until_on"]) == (2, "2021-02-01")


async def test_of_many_endings_at_once_one_ends_it(volunteers: ServiceUnderTest, centre: str) -> None:
    assignment_id = (await volunteers.post("/v1/assignments", factories.assignment(centre))).json()["id"]

    answers = await asyncio.gather(*(volunteers.post(f"/v1/assignments/{assignment_id}/endings", {}) for _ in range(8)))

    assert Counter(a.status_code for a in answers) == {200: 1, 409: 7}
    assert len(await volunteers.outbox("volunteers.assignment.ended.v1")) == 1


async def test_the_direction_and_the_centre_must_be_known(volunteers: ServiceUnderTest, centre: str) -> None:
    direction = await volunteers.post("/v1/assignments", factories.assignment(centre, direction="chess"))
    unknown = await volunteers.post("/v1/assignments", factories.assignment(NOBODY))

    assert (direction.status_code, direction.json()["code"]) == (422, "direction-unknown")
    assert direction.json()["errors"][0]["pointer"] == "#/direction"
    assert (unknown.status_code, unknown.json()["code"]) == (409, "centre-unknown")
    assert await volunteers.outbox("volunteers.assignment.made.v1") == []


async def test_the_same_id_makes_one_assignment(volunteers: ServiceUnderTest, centre: str) -> None:
    request = factories.assignment(centre, id=str(new_id()))

    first = await volunteers.post("/v1/assignments", request)
    again = await volunteers.post("/v1/assignments", request)
    other = await volunteers.post("/v1/assignments", request | {"role": "leader"})
    batch = await volunteers.post("/v1/assignments/batches", {"items": [request, request | {"id": str(new_id())}]})

    assert [a.status_code for a in (first, again, other)] == [201, 200, 409]
    assert again.json() == first.json()
    assert [item["status"] for item in batch.json()["items"]] == [200, 201]
    assert len(await volunteers.outbox("volunteers.assignment.made.v1")) == 2


async def test_batches_of_assignments_and_of_their_endings_answer_row_by_row(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    rows = [
        factories.assignment(centre),
        factories.assignment(centre, direction="chess"),
        factories.assignment(NOBODY),
        factories.assignment(centre, role="king"),
        factories.assignment(centre, direction="sport"),
    ]

    made = await volunteers.post("/v1/assignments/batches", {"items": rows})
    first, last = made.json()["items"][0]["id"], made.json()["items"][4]["id"]
    endings = [
        {"assignment_id": first, "until_on": "2021-01-01"},
        {"assignment_id": first, "until_on": "2021-03-01"},
        {"assignment_id": first, "until_on": "2021-03-01"},
        {"assignment_id": NOBODY},
        {"assignment_id": last, "until_on": "2021-03-01", "why": "Тыныш"},
        {"assignment_id": last, "until_on": "2021-03-02"},
    ]
    ended = await volunteers.post("/v1/assignments/endings/batches", {"items": endings})

    assert [item["status"] for item in made.json()["items"]] == [201, 422, 409, 422, 201]
    assert [item["status"] for item in ended.json()["items"]] == [422, 200, 409, 404, 422, 200]
    assert ended.json()["items"][0]["problem"]["errors"][0]["pointer"] == "#/items/0/until_on"
    facts = [m["data"] for m in await volunteers.outbox("volunteers.assignment.ended.v1")]
    assert [(f["assignment_id"], f["until_on"]) for f in facts] == [(first, "2021-03-01"), (last, "2021-03-02")]


async def test_assignments_are_listed_by_centre(volunteers: ServiceUnderTest, centre: str) -> None:
    other = (await volunteers.post("/v1/centres", factories.centre())).json()["id"]
    made: list[str] = [
        (await volunteers.post("/v1/assignments", factories.assignment(centre_id))).json()["id"]
        for centre_id in (centre, other, centre)
    ]

    everything = (await volunteers.client.get("/v1/assignments")).json()
    first = (await volunteers.client.get(f"/v1/assignments?centre_id={centre}&limit=1")).json()
    second = (await volunteers.client.get(first["next"])).json()

    assert [a["id"] for a in everything["items"]] == made
    assert [a["id"] for a in first["items"] + second["items"]] == [made[0], made[2]]
    assert second["next"] is None
