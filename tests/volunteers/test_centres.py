"""Centres: opened where and when they can be, changed, closed; and what a closed one still takes."""

from typing import Any

from shared.ids import new_id
from tests.factories import registration
from tests.systems import ServiceUnderTest
from tests.volunteers import factories

NOBODY = "018f0000-0000-7000-8000-000000000000"


async def test_an_opened_centre_is_announced_in_three_languages(volunteers: ServiceUnderTest) -> None:
    answer = await volunteers.post("/v1/centres", factories.centre(name={"kk": "Орталық", "ru": "Центр"}))

    assert answer.status_code == 201, answer.text
    opened = answer.json()
    assert answer.headers["location"] == f"/v1/centres/{opened['id']}"
    assert opened["name"] == {"kk": "Орталық", "ru": "Центр", "en": "Центр"}
    assert (opened["version"], opened["closed_on"]) == (1, None)
    [message] = await volunteers.outbox()
    assert (message["type"], message["aggregateversion"]) == ("volunteers.centre.opened.v1", 1)
    assert message["subject"] == f"volunteers.centre/{opened['id']}"
    data = message["data"]
    assert (data["kind"], data["region"], data["opened_on"]) == ("volunteer_centre", "KZ-75", "2020-01-01")
    assert (await volunteers.client.get(f"/v1/centres/{opened['id']}")).json() == opened


async def test_a_change_says_what_the_kind_was_and_leaves_the_region(volunteers: ServiceUnderTest, centre: str) -> None:
    parent = (await volunteers.post("/v1/centres", factories.centre())).json()["id"]

    answer = await volunteers.client.put(f"/v1/centres/{centre}", json=factories.change(parent_id=parent))

    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["version"], changed["kind"], changed["region"]) == (2, "friendship_house", "KZ-75")
    assert (changed["parent_id"], changed["name"]["en"]) == (parent, "Достық үйі")
    [message] = await volunteers.outbox("volunteers.centre.changed.v1")
    assert message["aggregateversion"] == 2
    assert (message["data"]["was_kind"], message["data"]["kind"]) == ("volunteer_centre", "friendship_house")
    assert message["data"]["parent_id"] == parent


async def test_a_closed_centre_is_closed_once(volunteers: ServiceUnderTest, centre: str) -> None:
    early = await volunteers.post(f"/v1/centres/{centre}/closures", {"closed_on": "2019-12-31"})
    closed = await volunteers.post(f"/v1/centres/{centre}/closures", {"closed_on": "2021-12-31"})
    again = await volunteers.post(f"/v1/centres/{centre}/closures", {"closed_on": "2021-12-31"})

    assert (early.status_code, early.json()["code"]) == (422, "ends-before-it-begins")
    assert early.json()["errors"][0]["pointer"] == "#/closed_on"
    assert (closed.status_code, closed.json()["closed_on"]) == (200, "2021-12-31")
    assert (again.status_code, again.json()["code"]) == (409, "centre-is-closed")
    [message] = await volunteers.outbox("volunteers.centre.closed.v1")
    assert (message["aggregateversion"], message["data"]["closed_on"]) == (2, "2021-12-31")


async def test_a_centre_works_on_its_last_day_and_not_on_the_next(volunteers: ServiceUnderTest, centre: str) -> None:
    await volunteers.post(f"/v1/centres/{centre}/closures", {"closed_on": "2021-06-30"})

    async def on(day: str) -> list[tuple[int, str | None]]:
        answers = [
            await volunteers.post("/v1/volunteers", registration(centre, applied_on=day)),
            await volunteers.post("/v1/assignments", factories.assignment(centre, from_on=day)),
            await volunteers.post("/v1/declarations", factories.declaration(centre, declared_on=day)),
        ]
        return [(answer.status_code, answer.json().get("code")) for answer in answers]

    assert await on("2021-07-01") == [(409, "centre-is-closed")] * 3
    assert await on("2021-06-30") == [(201, None)] * 3


async def test_a_centre_lies_in_a_region_of_its_day_and_under_a_known_one(volunteers: ServiceUnderTest) -> None:
    refused: list[tuple[dict[str, Any], int, str, str]] = [
        ({"region": "KZ-10", "opened_on": "2021-05-01"}, 422, "region-not-yet-formed", "#/region"),
        ({"region": "KZ-33", "opened_on": "2022-06-07"}, 422, "region-not-yet-formed", "#/region"),
        ({"region": "KZ-62"}, 422, "region-not-yet-formed", "#/region"),
        ({"region": "KZ-99"}, 422, "region-unknown", "#/region"),
        ({"parent_id": NOBODY}, 409, "centre-unknown", "#/parent_id"),
    ]
    for fields, status, code, pointer in refused:
        answer = await volunteers.post("/v1/centres", factories.centre(**fields))
        assert (answer.status_code, answer.json()["code"]) == (status, code), fields
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    announced = await volunteers.outbox()

    on_the_first_day = await volunteers.post("/v1/centres", factories.centre(region="KZ-33", opened_on="2022-06-08"))

    assert announced == []
    assert on_the_first_day.status_code == 201


async def test_what_is_not_there_can_be_neither_read_nor_changed(volunteers: ServiceUnderTest, centre: str) -> None:
    announced = await volunteers.outbox()

    answers = [
        await volunteers.client.get(f"/v1/centres/{NOBODY}"),
        await volunteers.client.put(f"/v1/centres/{NOBODY}", json=factories.change()),
        await volunteers.post(f"/v1/centres/{NOBODY}/closures", {}),
    ]
    orphaned = await volunteers.client.put(f"/v1/centres/{centre}", json=factories.change(parent_id=NOBODY))

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "centre-not-found")] * 3
    assert (orphaned.status_code, orphaned.json()["code"]) == (409, "centre-unknown")
    assert await volunteers.outbox() == announced


async def test_the_same_id_opens_one_centre(volunteers: ServiceUnderTest) -> None:
    request = factories.centre(id=str(new_id()))

    first = await volunteers.post("/v1/centres", request)
    again = await volunteers.post("/v1/centres", request)
    other = await volunteers.post("/v1/centres", request | {"kind": "other"})

    assert [a.status_code for a in (first, again, other)] == [201, 200, 409]
    assert again.json() == first.json()
    assert other.json()["code"] == "already-exists"
    assert len(await volunteers.outbox()) == 1


async def test_a_batch_answers_row_by_row_and_its_repeat_opens_nothing(volunteers: ServiceUnderTest) -> None:
    rows = [factories.centre(id=str(new_id())) for _ in range(6)]
    bad = [
        factories.centre(region="KZ-99"),
        factories.centre(kind="shop"),
        factories.centre(region="KZ-10", opened_on="2021-05-01"),
    ]

    answer = await volunteers.post("/v1/centres/batches", {"items": [*rows[:3], *bad, *rows[3:], rows[0]]})
    again = await volunteers.post("/v1/centres/batches", {"items": rows})

    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [201, 201, 201, 422, 422, 422, 201, 201, 201, 200]
    assert [items[i]["problem"]["errors"][0]["pointer"] for i in (3, 4, 5)] == [
        "#/items/3/region", "#/items/4/kind", "#/items/5/region",
    ]  # fmt: skip
    assert answer.json()["summary"] == {"done": 7, "refused": 3}
    assert [(item["status"], item["id"]) for item in again.json()["items"]] == [(200, row["id"]) for row in rows]
    assert len(await volunteers.outbox("volunteers.centre.opened.v1")) == 6


async def test_centres_are_listed_by_cursor_kind_and_region(volunteers: ServiceUnderTest) -> None:
    made: list[tuple[str, str, str]] = []
    for kind, region in [("volunteer_centre", "KZ-75"), ("other", "KZ-75"), ("other", "KZ-71")] * 2:
        answer = await volunteers.post("/v1/centres", factories.centre(kind=kind, region=region))
        made.append((answer.json()["id"], kind, region))

    async def walk(filters: str) -> list[str]:
        found: list[str] = []
        address: str | None = f"/v1/centres?limit=1{filters}"
        while address is not None:
            page = (await volunteers.client.get(address)).json()
            assert len(page["items"]) <= 1
            found += [centre["id"] for centre in page["items"]]
            address = page["next"]
        return found

    assert await walk("") == [id_ for id_, _, _ in made]
    assert await walk("&kind=other") == [id_ for id_, kind, _ in made if kind == "other"]
    assert await walk("&region=KZ-75") == [id_ for id_, _, region in made if region == "KZ-75"]
    both = [id_ for id_, kind, region in made if (kind, region) == ("other", "KZ-71")]
    assert await walk("&kind=other&region=KZ-71") == both
    assert await walk("&kind=nothing") == []


async def test_a_cursor_belongs_to_its_filters(volunteers: ServiceUnderTest) -> None:
    for _ in range(2):
        await volunteers.post("/v1/centres", factories.centre())
    following = (await volunteers.client.get("/v1/centres?limit=1&kind=volunteer_centre")).json()["next"]

    answer = await volunteers.client.get(following.replace("kind=volunteer_centre", "kind=other"))

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


async def test_the_reference_data_is_there(volunteers: ServiceUnderTest) -> None:
    regions = (await volunteers.client.get("/v1/regions")).json()["items"]
    directions = (await volunteers.client.get("/v1/directions")).json()["items"]

    assert len(regions) == 20
    assert {r["code"] for r in regions if r["valid_from"] == "2022-06-08"} == {"KZ-10", "KZ-33", "KZ-62"}
    assert len({d["code"] for d in directions}) == len(directions) == 12
