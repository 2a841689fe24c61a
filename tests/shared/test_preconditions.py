"""A change is based on what its caller has read: if that has changed since, they are told, and nothing happens."""

import asyncio
from typing import Any

import pytest

from shared.ids import new_id
from tests.systems import ServiceUnderTest


async def make(kites: ServiceUnderTest, name: str = "a") -> str:
    return (await kites.post("/v1/kites", {"name": name})).json()["id"]


async def rename(kites: ServiceUnderTest, kite_id: str, name: str, tag: str | None, **headers: str) -> Any:
    sent = headers if tag is None else {"If-Match": tag, **headers}
    return await kites.client.put(f"/v1/kites/{kite_id}", json={"name": name}, headers=sent)


async def name_of(kites: ServiceUnderTest, kite_id: str) -> str:
    return (await kites.client.get(f"/v1/kites/{kite_id}")).json()["name"]


async def test_what_is_read_has_the_tag_of_its_version(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    read = await kites.client.get(f"/v1/kites/{kite_id}")
    changed = await rename(kites, kite_id, "b", read.headers["etag"])

    assert (read.headers["etag"], changed.headers["etag"]) == ('"1"', '"2"')
    assert (changed.status_code, changed.json()["version"]) == (200, 2)


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"7", "1"', "*"])
async def test_what_a_caller_has_already_is_not_sent_again(kites: ServiceUnderTest, known: str) -> None:
    kite_id = await make(kites)

    answer = await kites.client.get(f"/v1/kites/{kite_id}", headers={"If-None-Match": known})

    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


@pytest.mark.parametrize("known", ['"2"', "1", "", '"11"', 'W/"2"'])
async def test_what_a_caller_does_not_have_is_sent(kites: ServiceUnderTest, known: str) -> None:
    kite_id = await make(kites)

    answer = await kites.client.get(f"/v1/kites/{kite_id}", headers={"If-None-Match": known})

    assert (answer.status_code, answer.json()["name"]) == (200, "a")


async def test_an_edit_says_what_it_is_based_on(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    answer = await rename(kites, kite_id, "b", None)

    assert (answer.status_code, answer.json()["code"]) == (428, "precondition-required")
    assert await name_of(kites, kite_id) == "a"


@pytest.mark.parametrize("tag", ['"2"', '"0"', 'W/"1"', '"one"', '"2", "3"', '""', '"٢"'])
async def test_an_edit_of_what_has_changed_since_is_refused(kites: ServiceUnderTest, tag: str) -> None:
    kite_id = await make(kites)

    answer = await kites.client.put(
        f"/v1/kites/{kite_id}",
        json={"name": "b"},
        headers={b"If-Match": tag.encode()},  # type: ignore[dict-item]
    )

    assert (answer.status_code, answer.json()["code"]) in ((412, "precondition-failed"), (400, "if-match-unusable"))
    assert await name_of(kites, kite_id) == "a"
    assert len(await kites.outbox()) == 1


@pytest.mark.parametrize("tag", ['"1"', '"7", "1"', "*"])
async def test_an_edit_of_what_is_as_it_was_read_is_made(kites: ServiceUnderTest, tag: str) -> None:
    kite_id = await make(kites)

    answer = await rename(kites, kite_id, "b", tag)

    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize("tag", ["1", "", '"1', "1, 2", '"1" "2"', "**", '"a b"'])
async def test_a_tag_without_its_quotes_is_no_tag(kites: ServiceUnderTest, tag: str) -> None:
    kite_id = await make(kites)

    answer = await rename(kites, kite_id, "b", tag)

    assert (answer.status_code, answer.json()["code"]) == (400, "if-match-unusable")


async def test_an_edit_that_changes_nothing_is_still_held_to_what_it_insists_on(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    answer = await rename(kites, kite_id, "a", '"9"')

    assert answer.status_code == 412


async def test_of_many_edits_of_one_version_one_is_made(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    answers = await asyncio.gather(*(rename(kites, kite_id, f"name {n}", '"1"') for n in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19
    [made] = [answer for answer in answers if answer.status_code == 200]
    assert await name_of(kites, kite_id) == made.json()["name"]
    assert len(await kites.outbox()) == 2


async def test_an_edit_that_is_sent_again_under_its_key_hears_the_first_answer(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    first, again = [await rename(kites, kite_id, "b", '"1"', **{"Idempotency-Key": "one"}) for _ in range(2)]

    assert (first.status_code, first.text, first.headers["etag"]) == (200, again.text, again.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_change_of_state_may_insist_on_a_version(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    stale = await kites.post(f"/v1/kites/{kite_id}/names", {"name": "b"}, if_match='"2"')
    careless = await kites.post(f"/v1/kites/{kite_id}/names", {"name": "b"})
    careful = await kites.post(f"/v1/kites/{kite_id}/names", {"name": "c"}, if_match='"2"')

    assert [answer.status_code for answer in (stale, careless, careful)] == [412, 200, 200]


async def test_what_is_not_there_is_not_there_whatever_one_insists_on(kites: ServiceUnderTest) -> None:
    answer = await rename(kites, str(new_id()), "b", '"1"')
    unreadable = await rename(kites, "1", "b", '"1"')

    assert (answer.status_code, unreadable.status_code) == (404, 422)


async def test_personal_answers_are_kept_by_nobody_on_the_way(kites: ServiceUnderTest) -> None:
    kite_id = await make(kites)

    for answer in (await kites.client.get(f"/v1/kites/{kite_id}"), await kites.client.get("/v1/kites")):
        assert answer.headers["cache-control"] == "no-store"
