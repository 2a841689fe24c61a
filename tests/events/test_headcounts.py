"""Headcounts: numbers of those without registration, each replacing the one before."""

import asyncio

from shared.ids import new_id
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest


async def test_a_later_count_says_what_it_replaces(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()

    for helpers, guests in ((5, 40), (7, 38)):
        answer = await events.post(
            "/v1/headcounts", {"event_id": event_id, "helpers": helpers, "guests": guests, "counted_by": "Үйлестіруші"}
        )
        assert answer.status_code == 201, answer.text

    first, second = [m["data"] for m in await events.outbox("events.headcount.taken.v1")]
    assert (first["helpers"], first["guests"], first["helpers_before"], first["guests_before"]) == (5, 40, 0, 0)
    assert (second["helpers"], second["guests"], second["helpers_before"], second["guests_before"]) == (7, 38, 5, 40)
    assert {first["on"], second["on"]} == {"2021-06-09"}
    assert {first["region"], second["region"]} == {"KZ-75"}


async def test_counts_at_the_same_moment_replace_one_another(events: ServiceUnderTest, event: Make) -> None:
    event_id = await event()

    answers = await asyncio.gather(
        *(
            events.post("/v1/headcounts", {"event_id": event_id, "helpers": n, "guests": n, "counted_by": "К"})
            for n in range(1, 9)
        )
    )
    listed = await events.client.get(f"/v1/headcounts?event_id={event_id}")

    assert {a.status_code for a in answers} == {201}
    counts = sorted(listed.json()["items"], key=lambda count: count["number"])
    assert [c["number"] for c in counts] == list(range(1, 9))
    assert [c["helpers_before"] for c in counts] == [0, *(c["helpers"] for c in counts[:-1])]
    facts = [m["data"] for m in await events.outbox("events.headcount.taken.v1")]
    assert sum(f["helpers"] - f["helpers_before"] for f in facts) == counts[-1]["helpers"]


async def test_only_an_event_that_has_begun_is_counted(events: ServiceUnderTest, event: Make) -> None:
    coming = await event(starts_at=factories.FUTURE_STARTS_AT, ends_at=factories.FUTURE_ENDS_AT)
    codes: list[str] = []

    for event_id in (coming, await event(status="draft"), str(new_id())):
        answer = await events.post(
            "/v1/headcounts", {"event_id": event_id, "helpers": 1, "guests": 1, "counted_by": "Үйлестіруші"}
        )
        codes.append(answer.json()["code"])

    assert codes == ["future-event", "status-does-not-allow", "event-unknown"]


async def test_a_batch_of_headcounts_answers_row_by_row(events: ServiceUnderTest, event: Make) -> None:
    event_id, headcount_id = await event(), str(new_id())
    row = {"event_id": event_id, "helpers": 3, "guests": 30, "counted_by": "Үйлестіруші"}
    rows = [row | {"id": headcount_id}, row | {"guests": 31}, row | {"event_id": str(new_id())}, row | {"helpers": -1}]

    answer = await events.post("/v1/headcounts/batches", {"items": rows})
    again = await events.post("/v1/headcounts/batches", {"items": rows[:1]})

    assert [item["status"] for item in answer.json()["items"]] == [201, 201, 409, 422]
    assert [item["status"] for item in again.json()["items"]] == [200]
    assert [m["data"]["guests_before"] for m in await events.outbox("events.headcount.taken.v1")] == [0, 30]
    assert (await events.client.get(f"/v1/headcounts/{headcount_id}")).json()["number"] == 1
