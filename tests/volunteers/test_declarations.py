"""Declared estimates: each replaces its centre's one before, so that their differences sum up to the newest."""

import asyncio
from typing import Any

from shared.ids import new_id
from tests.systems import ServiceUnderTest
from tests.volunteers import factories

NOBODY = "018f0000-0000-7000-8000-000000000000"


async def declared(volunteers: ServiceUnderTest) -> list[tuple[int, int]]:
    """What was announced: the number that was replaced, and the one that replaces it."""
    facts: list[dict[str, Any]] = [m["data"] for m in await volunteers.outbox("volunteers.declaration.made.v1")]
    return [(fact["before"], fact["number"]) for fact in facts]


async def test_a_later_declaration_says_what_it_replaces(volunteers: ServiceUnderTest, centre: str) -> None:
    other = (await volunteers.post("/v1/centres", factories.centre())).json()["id"]

    first = await volunteers.post("/v1/declarations", factories.declaration(centre))
    second = await volunteers.post(
        "/v1/declarations", factories.declaration(centre, number=25, declared_on="2021-04-01")
    )
    elsewhere = await volunteers.post("/v1/declarations", factories.declaration(other, number=7))

    assert [a.status_code for a in (first, second, elsewhere)] == [201] * 3
    assert (second.json()["before"], second.json()["number"], second.json()["region"]) == (40, 25, "KZ-75")
    assert await declared(volunteers) == [(0, 40), (40, 25), (0, 7)]
    [message, *_] = await volunteers.outbox("volunteers.declaration.made.v1")
    assert (message["data"]["on"], message["data"]["centre_id"]) == ("2021-03-01", centre)


async def test_a_declaration_of_an_earlier_day_comes_too_late(volunteers: ServiceUnderTest, centre: str) -> None:
    await volunteers.post("/v1/declarations", factories.declaration(centre))

    late = await volunteers.post("/v1/declarations", factories.declaration(centre, declared_on="2021-02-28"))
    same_day = await volunteers.post("/v1/declarations", factories.declaration(centre, number=0))

    assert (late.status_code, late.json()["code"]) == (409, "declaration-out-of-order")
    assert late.json()["errors"][0]["pointer"] == "#/declared_on"
    assert same_day.json()["before"] == 40
    assert await declared(volunteers) == [(0, 40), (40, 0)]


async def test_declarations_of_one_day_follow_one_another_whatever_their_ids(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    ids = [str(new_id()) for _ in range(4)][::-1]
    rows = [factories.declaration(centre, id=id_, number=n) for n, id_ in enumerate(ids, start=1)]

    for row in rows[:2]:
        assert (await volunteers.post("/v1/declarations", row)).status_code == 201
    batch = await volunteers.post("/v1/declarations/batches", {"items": rows[2:]})

    assert [item["status"] for item in batch.json()["items"]] == [201, 201]
    assert await declared(volunteers) == [(0, 1), (1, 2), (2, 3), (3, 4)]


async def test_a_batch_may_hold_several_of_one_centre(volunteers: ServiceUnderTest, centre: str) -> None:
    other = (await volunteers.post("/v1/centres", factories.centre())).json()["id"]
    rows = [
        factories.declaration(centre, number=10),
        factories.declaration(other, number=3),
        factories.declaration(centre, number=12),
        factories.declaration(centre, number=9, declared_on="2021-02-01"),
        factories.declaration(NOBODY),
        factories.declaration(centre, number=-1),
        factories.declaration(centre, number=15, declared_on="2021-05-01"),
    ]

    answer = await volunteers.post("/v1/declarations/batches", {"items": rows})

    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [201, 201, 201, 409, 409, 422, 201]
    assert sorted(await declared(volunteers)) == [(0, 3), (0, 10), (10, 12), (12, 15)]


async def test_declarations_at_the_same_moment_replace_one_another(volunteers: ServiceUnderTest, centre: str) -> None:
    answers = await asyncio.gather(
        *(volunteers.post("/v1/declarations", factories.declaration(centre, number=n)) for n in range(1, 9))
    )

    assert {a.status_code for a in answers} == {201}
    chain = dict(await declared(volunteers))
    assert len(chain) == 8
    number = 0
    for _ in range(8):
        number = chain[number]
    assert sum(after - before for before, after in chain.items()) == number


async def test_a_repeat_declares_nothing(volunteers: ServiceUnderTest, centre: str) -> None:
    request = factories.declaration(centre, id=str(new_id()))

    first = await volunteers.post("/v1/declarations", request)
    await volunteers.post("/v1/declarations", factories.declaration(centre, number=50, declared_on="2021-05-01"))
    late_repeat = await volunteers.post("/v1/declarations", request)
    other = await volunteers.post("/v1/declarations", request | {"number": 41})
    batch = await volunteers.post("/v1/declarations/batches", {"items": [request, request]})

    assert [a.status_code for a in (first, late_repeat, other)] == [201, 200, 409]
    assert late_repeat.json() == first.json()
    assert other.json()["code"] == "already-exists"
    assert [item["status"] for item in batch.json()["items"]] == [200, 200]
    assert await declared(volunteers) == [(0, 40), (40, 50)]


async def test_only_a_known_centre_declares(volunteers: ServiceUnderTest) -> None:
    answer = await volunteers.post("/v1/declarations", factories.declaration(NOBODY))

    assert (answer.status_code, answer.json()["code"]) == (409, "centre-unknown")
    assert answer.json()["errors"][0]["pointer"] == "#/centre_id"


async def test_declarations_are_listed_by_centre(volunteers: ServiceUnderTest, centre: str) -> None:
    other = (await volunteers.post("/v1/centres", factories.centre())).json()["id"]
    for centre_id, number in ((centre, 1), (other, 2), (centre, 3)):
        await volunteers.post("/v1/declarations", factories.declaration(centre_id, number=number))

    everything = (await volunteers.client.get("/v1/declarations")).json()
    first = (await volunteers.client.get(f"/v1/declarations?centre_id={centre}&limit=1")).json()
    second = (await volunteers.client.get(first["next"])).json()

    assert [d["number"] for d in everything["items"]] == [1, 2, 3]
    assert [d["number"] for d in first["items"] + second["items"]] == [1, 3]
    assert second["next"] is None
