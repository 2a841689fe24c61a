"""Decisions: every way from one status to another, and none beside."""

import asyncio
from collections import Counter

import pytest

from services.volunteers.domain import TRANSITIONS
from shared.ids import new_id
from tests.factories import registration
from tests.systems import ServiceUnderTest

NOBODY = "018f0000-0000-7000-8000-000000000000"
PATHS = {
    "approve": "approvals",
    "reject": "rejections",
    "activate": "activations",
    "pause": "pauses",
    "resume": "resumptions",
    "leave": "departures",
}
FACTS = {
    "approve": "approved",
    "reject": "rejected",
    "activate": "activated",
    "pause": "paused",
    "resume": "resumed",
    "leave": "left",
}
WAYS: dict[str, list[str]] = {
    "applied": [],
    "approved": ["approve"],
    "active": ["approve", "activate"],
    "paused": ["approve", "pause"],
    "left": ["leave"],
    "rejected": ["reject"],
}
"""How a volunteer comes to each status."""


async def register(volunteers: ServiceUnderTest, centre: str, count: int = 1) -> list[str]:
    ids = [str(new_id()) for _ in range(count)]
    rows = [registration(centre, id=id_) for id_ in ids]
    answer = await volunteers.post("/v1/volunteers/batches", {"items": rows})
    assert answer.json()["summary"] == {"done": count, "refused": 0}
    return ids


def test_the_tables_of_these_tests_are_complete() -> None:
    assert PATHS.keys() == FACTS.keys() == TRANSITIONS.keys()
    assert {status for before, after in TRANSITIONS.values() for status in (*before, after)} == WAYS.keys()


@pytest.mark.parametrize("status", WAYS)
async def test_every_decision_is_allowed_or_refused_as_the_table_says(
    volunteers: ServiceUnderTest, centre: str, status: str
) -> None:
    people = dict(zip(TRANSITIONS, await register(volunteers, centre, len(TRANSITIONS)), strict=True))
    for step in WAYS[status]:
        for person in people.values():
            assert (await volunteers.post(f"/v1/volunteers/{person}/{PATHS[step]}", {})).status_code == 200

    for action, person in people.items():
        before = len(await volunteers.outbox())
        answer = await volunteers.post(f"/v1/volunteers/{person}/{PATHS[action]}", {"decided_on": "2999-01-01"})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
        answer = await volunteers.post(f"/v1/volunteers/{person}/{PATHS[action]}", {"reason": "Сыры бар"})
        announced = (await volunteers.outbox())[before:]
        read = (await volunteers.client.get(f"/v1/volunteers/{person}")).json()
        allowed, after = TRANSITIONS[action]
        if status in allowed:
            assert answer.status_code == 200, answer.text
            assert answer.json() == read
            assert (read["status"], read["version"]) == (after, len(WAYS[status]) + 2)
            [message] = announced
            assert message["type"] == f"volunteers.volunteer.{FACTS[action]}.v1"
            assert message["aggregateversion"] == read["version"]
            assert (message["data"]["was"], message["data"]["status"]) == (status, after)
            assert "Сыры" not in str(message)
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "status-does-not-allow")
            assert announced == []
            assert read["status"] == status


async def test_a_decision_is_not_older_than_what_it_follows(volunteers: ServiceUnderTest, centre: str) -> None:
    [person] = await register(volunteers, centre)
    address = f"/v1/volunteers/{person}"

    early = await volunteers.post(f"{address}/approvals", {"decided_on": "2021-01-14"})
    same_day = await volunteers.post(f"{address}/approvals", {"decided_on": "2021-01-15"})
    activated = await volunteers.post(f"{address}/activations", {"decided_on": "2021-03-01"})
    before_that = await volunteers.post(f"{address}/pauses", {"decided_on": "2021-02-28"})

    assert (early.status_code, early.json()["code"]) == (422, "decided-before-applied")
    assert early.json()["errors"][0]["pointer"] == "#/decided_on"
    assert same_day.json()["status_on"] == "2021-01-15"
    assert activated.json()["status_on"] == "2021-03-01"
    assert (before_that.status_code, before_that.json()["code"]) == (422, "decided-before-applied")
    facts = [m["data"] for m in await volunteers.outbox() if m["type"].startswith("volunteers.volunteer.")]
    assert [f["on"] for f in facts] == ["2021-01-15", "2021-01-15", "2021-03-01"]


async def test_who_decided_what_and_why_is_kept(volunteers: ServiceUnderTest, centre: str) -> None:
    [person] = await register(volunteers, centre)
    await volunteers.post(f"/v1/volunteers/{person}/rejections", {"decided_on": "2021-02-01", "reason": "Құжат жоқ"})

    rows = await volunteers.database.pool.fetch("SELECT * FROM statuschange ORDER BY id")
    told = await volunteers.post(f"/v1/volunteers/{person}/disclosures", {"purpose": "Өтініш берушіге жауап"})

    assert [(r["was"], r["status"], str(r["on"])) for r in rows] == [
        (None, "applied", "2021-01-15"),
        ("applied", "rejected", "2021-02-01"),
    ]
    assert told.json()["reasons"] == [{"on": "2021-02-01", "status": "rejected", "reason": "Құжат жоқ"}]
    assert {r["changed_by"] for r in rows} == {"person:administrator"}


async def test_there_is_nobody_to_decide_on(volunteers: ServiceUnderTest) -> None:
    answers = [await volunteers.post(f"/v1/volunteers/{NOBODY}/{path}", {}) for path in PATHS.values()]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "volunteer-not-found")] * len(PATHS)
    assert await volunteers.outbox() == []


async def test_a_batch_of_decisions_answers_row_by_row(volunteers: ServiceUnderTest, centre: str) -> None:
    people = await register(volunteers, centre, 5)
    await volunteers.post(f"/v1/volunteers/{people[1]}/rejections", {})
    rows = [
        {"volunteer_id": people[0], "decided_on": "2021-02-01"},
        {"volunteer_id": people[1]},
        {"volunteer_id": NOBODY},
        {"volunteer_id": people[2], "decided_on": "2021-01-01"},
        {"volunteer_id": people[3], "decided_on": "2021-02-01", "colour": "blue"},
        {"volunteer_id": people[0], "decided_on": "2021-02-01"},
        {"volunteer_id": people[4], "decided_on": "2021-02-02"},
    ]

    answer = await volunteers.post("/v1/volunteers/approvals/batches", {"items": rows})

    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [item["status"] for item in items] == [200, 409, 404, 422, 422, 409, 200]
    assert answer.json()["summary"] == {"done": 2, "refused": 5}
    assert [items[i]["problem"]["errors"][0]["pointer"] for i in (3, 4)] == [
        "#/items/3/decided_on", "#/items/4/colour",
    ]  # fmt: skip
    facts = [m["data"] for m in await volunteers.outbox("volunteers.volunteer.approved.v1")]
    assert [(f["volunteer_id"], f["on"]) for f in facts] == [(people[0], "2021-02-01"), (people[4], "2021-02-02")]
    listed = (await volunteers.client.get("/v1/volunteers?status=approved")).json()["items"]
    assert {v["id"] for v in listed} == {people[0], people[4]}


async def test_of_many_decisions_at_once_one_counts(volunteers: ServiceUnderTest, centre: str) -> None:
    people = await register(volunteers, centre, 3)
    rows = [{"volunteer_id": person} for person in people]

    answers = await asyncio.gather(
        *(volunteers.post(f"/v1/volunteers/{people[0]}/{path}", {}) for path in ("approvals", "rejections") * 3),
        volunteers.post("/v1/volunteers/approvals/batches", {"items": rows}),
        volunteers.post("/v1/volunteers/rejections/batches", {"items": rows[::-1]}),
    )

    assert {a.status_code for a in answers} <= {200, 207, 409}
    messages = await volunteers.outbox("volunteers.volunteer.approved.v1")
    messages += await volunteers.outbox("volunteers.volunteer.rejected.v1")
    assert Counter(m["data"]["volunteer_id"] for m in messages) == dict.fromkeys(people, 1)
