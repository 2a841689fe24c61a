"""A request is a transaction: committed before its answer, repeated when others stand in its way, done once per key."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI, Request

from shared import requests
from shared.access.permissions import Permission, Role
from shared.access.principal import ANYONE, EVERYTHING, person
from shared.database import Database, Transaction
from shared.ids import new_id
from shared.requests import Tx, router
from tests.shared.conftest import Opened
from tests.shared.kites import Kite, Kites, permits
from tests.systems import ServiceUnderTest, make_settings, serving

swaps = router("/v1/swaps", tags=["swaps"])


@swaps.post("/{one}/{other}", dependencies=[permits(Permission.WRITE_VOLUNTEERS)])
async def swap(one: UUID, other: UUID, tx: Tx, request: Request) -> list[str]:
    """Change two kites, locked in the order given; the first time not before another request has got as far."""
    for place, kite_id in enumerate((one, other)):
        if place == 1:
            await request.app.state.first_lock_taken()
        kite = await tx.get(Kite, kite_id, lock=True)
        assert kite is not None
        tx.update(kite)
    return [str(one), str(other)]


class SwappingKites(Kites):
    """Kites whose requests can stand in each other's way."""

    def application(self) -> FastAPI:
        app = super().application()
        app.include_router(swaps)
        return app


@pytest.fixture
async def kites(kites_url: str, tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    async with serving(SwappingKites, make_settings(kites_url, "nats://127.0.0.1:1", tmp_path / "keys")) as service:
        yield service


async def count(service: ServiceUnderTest, table: str = "kite") -> int:
    return await service.database.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608


async def make(service: ServiceUnderTest, name: str = "a", **headers: str) -> Any:
    return await service.post("/v1/kites", {"name": name}, **headers)


# --- the transaction ------------------------------------------------------------------------------------------------


async def test_a_change_is_stored_when_its_answer_arrives(kites: ServiceUnderTest, opened: Opened) -> None:
    answer = await make(kites)

    assert answer.status_code == 201
    other = await opened()
    assert await other.pool.fetchval("SELECT name FROM kite WHERE id = $1", UUID(answer.json()["id"])) == "a"


async def test_an_answer_is_never_a_success_when_the_commit_fails(own_database: None, kites: ServiceUnderTest) -> None:
    # Given a database that changes its mind at commit, when the answer has long been made
    await kites.database.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'at commit'; END $$ LANGUAGE plpgsql;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON kite DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    answers = [
        await make(kites),
        await kites.post("/v1/kites/batches", {"items": [{"name": "b"}, {"name": "c"}]}),
    ]

    assert [answer.status_code for answer in answers] == [500, 500]
    assert (await count(kites), await count(kites, "outbox")) == (0, 0)


@pytest.mark.parametrize(
    "lost", [asyncpg.ConnectionDoesNotExistError("gone"), asyncpg.InternalClientError("gone"), TimeoutError()]
)
async def test_a_database_that_does_not_answer_is_worth_another_try(
    kites: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch, lost: Exception
) -> None:
    raised_in_asyncpg: dict[str, Any] = {"__name__": "asyncpg.connection", "lost": lost}
    exec("def fail():\n    raise lost", raised_in_asyncpg)  # noqa: S102  # the error must come from there
    monkeypatch.setattr(Transaction, "commit", _failing(raised_in_asyncpg["fail"]))

    answer = await make(kites)

    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"


def _failing(fail: Any) -> Any:
    async def commit(_: Transaction) -> None:
        fail()

    return commit


async def test_requests_that_lock_each_other_out_are_all_done_in_the_end(
    own_database: None, kites: ServiceUnderTest
) -> None:
    await kites.database.pool.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''20ms''', current_database()); END $$"
    )
    await kites.database.pool.expire_connections()
    one, other = [(await make(kites, name)).json()["id"] for name in "ab"]
    both_have_one = asyncio.Barrier(2)
    attempts = 0

    async def first_lock_taken() -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            await both_have_one.wait()

    _app(kites).state.first_lock_taken = first_lock_taken

    answers = await asyncio.gather(
        kites.post(f"/v1/swaps/{one}/{other}", {}), kites.post(f"/v1/swaps/{other}/{one}", {}, idempotency_key="k")
    )

    assert [answer.status_code for answer in answers] == [200, 200]
    # On a busy machine both may lose once.
    assert attempts >= 3
    assert [row[0] for row in await kites.database.pool.fetch("SELECT version FROM kite")] == [3, 3]


def _app(service: ServiceUnderTest) -> Any:
    return service.client._transport.app  # type: ignore[attr-defined]  # noqa: SLF001  # httpx does not tell it


async def test_after_enough_attempts_the_caller_is_told_to_come_again(
    kites: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    async def commit(_: Transaction) -> None:
        attempts.append(1)
        raise asyncpg.DeadlockDetectedError("again")

    monkeypatch.setattr(Transaction, "commit", commit)

    answer = await make(kites)

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert len(attempts) == requests.ATTEMPTS


# --- idempotency ----------------------------------------------------------------------------------------------------


async def test_a_repeat_is_answered_as_the_first_time_and_changes_nothing(kites: ServiceUnderTest) -> None:
    first = await make(kites, idempotency_key="one")
    bare = await make(kites, idempotency_key="one")
    quoted = await make(kites, idempotency_key='"one"')

    for again in (bare, quoted):
        assert (again.status_code, again.text) == (first.status_code, first.text)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (await count(kites), await count(kites, "outbox")) == (1, 1)


async def test_a_repeat_of_what_can_be_done_again_is_still_not_done_again(kites: ServiceUnderTest) -> None:
    kite_id = (await make(kites)).json()["id"]
    flight = {"metres": 5, "on": "2021-05-01"}

    answers = [await kites.post(f"/v1/kites/{kite_id}/flights", flight, idempotency_key="one") for _ in range(3)]

    assert [answer.json() for answer in answers] == [{"version": 2}] * 3
    assert len(await kites.outbox("kites.kite.flown.v1")) == 1


async def test_fifty_repeats_at_once_are_one_change_and_one_answer(kites: ServiceUnderTest) -> None:
    kite_id = (await make(kites)).json()["id"]
    flight = {"metres": 5, "on": "2021-05-01"}

    answers = await asyncio.gather(
        *(kites.post(f"/v1/kites/{kite_id}/flights", flight, idempotency_key="one") for _ in range(50))
    )

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, '{"version":2}')}
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert len(await kites.outbox("kites.kite.flown.v1")) == 1


async def test_a_repeat_does_not_wait_for_ever_for_its_first_time(kites: ServiceUnderTest, opened: Opened) -> None:
    # Given another replica that has written the answer of the first time, and cannot commit it
    other = await opened()
    async with other.pool.acquire() as connection:
        first_time = connection.transaction()
        await first_time.start()
        await connection.execute(
            "INSERT INTO idempotency (principal, operation, key, fingerprint, status, body, answered_at)"
            " VALUES ('person:administrator', '/v1/kites', 'one', '', 201, '', now())"
        )

        waited = await make(kites, idempotency_key="one")
        await first_time.rollback()
        again = await make(kites, idempotency_key="one")

    assert (waited.status_code, waited.json()["code"]) == (409, "idempotency-in-progress")
    assert waited.headers["retry-after"] == "1"
    assert again.status_code == 201
    assert await count(kites) == 1


async def test_the_order_of_parameters_makes_no_other_request(kites: ServiceUnderTest) -> None:
    first = await kites.post("/v1/kites?validate_only=false", {"name": "a"}, idempotency_key="one")
    again = await kites.post("/v1/kites?validate_only=false", {"name": "a"}, idempotency_key="one")

    assert (first.text, again.headers["idempotency-replayed"]) == (again.text, "true")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/kites", {"name": "a"}, {"Authorization": "Bearer x"}, 401),
        ("/v1/kites", {"name": "taken"}, {}, 409),
        ("/v1/kites", {"name": "a" * 5_000_000}, {}, 413),
        ("/v1/kites", {"name": "a"}, {"Content-Type": "text/plain"}, 415),
        ("/v1/kites", {"name": 1}, {}, 422),
        ("/v1/kites", {"name": "a", "length_cm": 0}, {}, 422),
        ("/v1/kites/crashes", {"text": "a"}, {}, 500),
    ],
)
async def test_no_refusal_is_remembered(
    kites: ServiceUnderTest, path: str, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    await make(kites, "taken")

    answer = await kites.post(path, body, idempotency_key="one", **headers)

    assert answer.status_code == status
    assert await count(kites, "idempotency") == 0


async def test_who_may_not_come_in_is_told_nothing_else(kites: ServiceUnderTest) -> None:
    stranger = kites.as_principal(person("person:stranger", Role.AUDITOR))
    kite_id = new_id()

    answers = [
        await kites.client.put(f"/v1/kites/{kite_id}", json={"name": "a"}, headers=stranger),
        await kites.client.post(f"/v1/kites/{kite_id}/flights", json={}, headers=stranger),
        await kites.client.post("/v1/kites?x=1", json={}, headers=stranger),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "pointer"),
    [
        ("GET", "/v1/kites?color=red", "#/query/color"),
        ("GET", "/v1/kites?colour=red&page=2", "#/query/page"),
        ("GET", "/v1/kites?validate_only=true", "#/query/validate_only"),
        ("POST", "/v1/kites?dry=true", "#/query/dry"),
        ("POST", "/v1/kites?validate_only=yes", "#/query/validate_only"),
        ("POST", "/v1/kites?validate_only", "#/query/validate_only"),
    ],
)
async def test_a_parameter_that_is_not_known_is_not_overlooked(
    kites: ServiceUnderTest, method: str, path: str, pointer: str
) -> None:
    answer = await kites.client.request(method, path, json={"name": "a"})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await count(kites) == 0


# --- only to be validated -------------------------------------------------------------------------------------------

REHEARSED = "validate_only=true"


async def test_what_is_only_validated_is_answered_as_if_it_were_done_and_is_not(kites: ServiceUnderTest) -> None:
    answer = await kites.post(f"/v1/kites?{REHEARSED}", {"name": "a"}, idempotency_key="one")

    assert (answer.status_code, answer.json()["name"]) == (200, "a")
    assert not {"location", "etag"} & set(answer.headers)
    assert [await count(kites, table) for table in ("kite", "outbox", "idempotency")] == [0, 0, 0]


async def test_what_is_only_validated_is_refused_as_it_would_be(kites: ServiceUnderTest) -> None:
    await make(kites, "taken")
    kite_id = (await make(kites, "other")).json()["id"]

    answers = [
        await kites.post(f"/v1/kites?{REHEARSED}", {"name": "taken"}),
        await kites.post(f"/v1/kites?{REHEARSED}", {"name": "b", "length_cm": -5}),
        await kites.post(f"/v1/kites?{REHEARSED}", {"name": 1}),
        await kites.post(f"/v1/kites?{REHEARSED}", {"name": "b"}, **kites.as_principal(ANYONE)),
        await kites.client.put(f"/v1/kites/{kite_id}?{REHEARSED}", json={"name": "b"}),
        await kites.client.put(f"/v1/kites/{kite_id}?{REHEARSED}", json={"name": "b"}, headers={"If-Match": '"9"'}),
        await kites.client.put(f"/v1/kites/{kite_id}?{REHEARSED}", json={"name": "taken"}, headers={"If-Match": "*"}),
        await kites.client.put(f"/v1/kites/{kite_id}?{REHEARSED}", json={"name": "b"}, headers={"If-Match": "*"}),
    ]

    assert [answer.status_code for answer in answers] == [409, 422, 422, 401, 428, 412, 409, 200]
    assert await count(kites) == 2
    assert (await kites.client.get(f"/v1/kites/{kite_id}")).json()["name"] == "other"


async def test_the_rows_of_a_batch_can_be_only_validated(kites: ServiceUnderTest) -> None:
    await make(kites, "taken")

    answer = await kites.post(
        f"/v1/kites/batches?{REHEARSED}", {"items": [{"name": "a"}, {"name": "taken"}, {"name": "a"}, {}]}
    )

    assert answer.status_code == 207
    assert [row["status"] for row in answer.json()["items"]] == [201, 409, 409, 422]
    assert (await count(kites), await count(kites, "outbox")) == (1, 1)


async def test_a_key_belongs_to_one_request_of_one_caller(kites: ServiceUnderTest) -> None:
    await make(kites, "a", idempotency_key="one")

    other_body = await make(kites, "b", idempotency_key="one")
    coordinator = person("person:other", Role.COORDINATOR)
    other_caller = await make(kites, "c", idempotency_key="one", **kites.as_principal(coordinator))

    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency-key-mismatch")
    assert other_caller.status_code == 201
    assert await count(kites) == 2


async def test_what_was_refused_may_be_tried_again_under_the_same_key(kites: ServiceUnderTest) -> None:
    await make(kites, "a")
    refused = await make(kites, "a", idempotency_key="one")
    await kites.database.pool.execute("DELETE FROM kite")

    accepted = await make(kites, "a", idempotency_key="one")

    assert (refused.status_code, accepted.status_code) == (409, 201)


async def test_the_stored_answer_cannot_be_read_without_the_keys(kites: ServiceUnderTest) -> None:
    await make(kites, "Айгүл", idempotency_key="one")

    body: bytes = await kites.database.pool.fetchval("SELECT body FROM idempotency")

    assert "Айгүл".encode() not in body


@pytest.mark.parametrize("key", ["", " ", "a b", "ключ".encode(), "x" * 256, "a\tb"])
async def test_an_unusable_key_is_refused(kites: ServiceUnderTest, key: str | bytes) -> None:
    answer = await kites.client.post("/v1/kites", json={"name": "a"}, headers={b"Idempotency-Key": key})  # type: ignore[dict-item]

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-unusable")
    assert await count(kites) == 0


async def test_what_moves_money_needs_a_key(kites: ServiceUnderTest) -> None:
    answer = await kites.post(f"/v1/kites/{new_id()}/flights", {"metres": 5, "on": "2021-05-01"})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")


async def test_old_answers_are_forgotten_and_young_ones_kept(kites: ServiceUnderTest, database: Database) -> None:
    await make(kites, "a", idempotency_key="old")
    await make(kites, "b", idempotency_key="young")
    await database.pool.execute("UPDATE idempotency SET answered_at = now() - interval '4 days' WHERE key = 'old'")

    async with database.transaction(EVERYTHING) as tx:
        await kites.process._forget_answers(tx)  # noqa: SLF001  # otherwise done once an hour

    assert await database.pool.fetchval("SELECT key FROM idempotency") == "young"


# --- batches --------------------------------------------------------------------------------------------------------


async def batch(service: ServiceUnderTest, *items: Any, **headers: str) -> Any:
    answer = await service.post("/v1/kites/batches", {"items": list(items)}, **headers)
    assert answer.status_code == 207, answer.text
    return answer.json()


async def test_each_row_of_a_batch_has_its_own_answer(kites: ServiceUnderTest) -> None:
    await make(kites, "taken")

    answer = await batch(
        kites,
        {"name": "a", "client_ref": "row 1"},
        {"name": "taken", "client_ref": "row 2"},
        {"name": "a"},
        {"name": "b", "length_cm": 0},
        {"name": "c", "length_cm": True},
        {"name": "d", "colour/of~it": "blue"},
        {"name": "e", "length_cm": -5},
        {},
        {"name": "f"},
    )

    rows = answer["items"]
    assert [row["status"] for row in rows] == [201, 409, 409, 422, 422, 422, 422, 422, 201]
    assert [row.get("client_ref") for row in rows[:3]] == ["row 1", "row 2", None]
    assert [row["index"] for row in rows] == list(range(9))
    assert rows[3]["problem"]["errors"][0]["pointer"] == "#/items/3/length_cm"
    assert rows[5]["problem"]["errors"][0]["pointer"] == "#/items/5/colour~1of~0it"
    assert answer["summary"] == {"done": 2, "refused": 7}
    assert all(("id" in row) == (row["status"] == 201) for row in rows)
    assert await count(kites) == 3
    assert len(await kites.outbox()) == 3


@pytest.mark.parametrize("bad", [{0}, {0, 199}, {3, 4, 5, 150}, set(range(0, 200, 45)), set(range(200))])
async def test_bad_rows_are_found_in_a_large_batch_without_touching_the_good_ones(
    kites: ServiceUnderTest, bad: set[int]
) -> None:
    await make(kites, "taken")

    answer = await batch(kites, *({"name": "taken" if n in bad else f"kite {n}"} for n in range(200)))

    assert {row["index"] for row in answer["items"] if row["status"] == 409} == bad
    assert answer["summary"] == {"done": 200 - len(bad), "refused": len(bad)}
    assert await count(kites) == 201 - len(bad)
    assert await count(kites, "outbox") == 201 - len(bad)


async def test_a_batch_sent_again_under_its_rows_ids_adds_nothing(kites: ServiceUnderTest) -> None:
    items = [{"id": str(new_id()), "name": f"kite {n}"} for n in range(5)]
    first = await batch(kites, *items[:3])

    again = await batch(kites, *items)

    assert [row["status"] for row in again["items"]] == [200, 200, 200, 201, 201]
    assert [row["id"] for row in again["items"][:3]] == [row["id"] for row in first["items"]]
    assert await count(kites) == 5


async def test_a_batch_is_repeated_as_a_whole_by_its_key(kites: ServiceUnderTest) -> None:
    items = [{"name": "a", "client_ref": "1"}, {"name": "a", "client_ref": "2"}]

    first = await batch(kites, *items, idempotency_key="one")
    again = await batch(kites, *items, idempotency_key="one")

    assert first == again
    assert [row["status"] for row in first["items"]] == [201, 409]


async def test_all_rows_or_none(kites: ServiceUnderTest) -> None:
    await make(kites, "taken")
    rows = [{"name": "a"}, {"name": "taken"}, {"name": "b", "length_cm": 0}, {"name": 5}]

    refused = await kites.post("/v1/kites/batches", {"items": rows, "mode": "atomic"}, idempotency_key="one")
    accepted = await kites.post("/v1/kites/batches", {"items": rows[:1], "mode": "atomic"}, idempotency_key="one")

    assert (refused.status_code, refused.json()["code"]) == (422, "rows-refused")
    errors = [(error["pointer"], error["code"]) for error in refused.json()["errors"]]
    assert errors == [
        ("#/items/1", "name-taken"),
        ("#/items/2/length_cm", "too-short"),
        ("#/items/3/name", "string_type"),
    ]
    assert (accepted.status_code, accepted.json()["summary"]) == (207, {"done": 1, "refused": 0})
    assert (await count(kites), await count(kites, "outbox")) == (2, 2)


@pytest.mark.parametrize("items", [[], [{}] * 501, "many", [1], None])
async def test_a_batch_of_nothing_or_of_too_much_is_refused(kites: ServiceUnderTest, items: Any) -> None:
    answer = await kites.post("/v1/kites/batches", {"items": items})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")


@pytest.mark.parametrize("reference", [r'"\ud800"', "5", "null", '["a"]'])
async def test_a_reference_that_cannot_be_written_back_is_left_out(kites: ServiceUnderTest, reference: str) -> None:
    answer = await kites.client.post(
        "/v1/kites/batches",
        content=f'{{"items": [{{"name": "a", "client_ref": {reference}}}]}}',
        headers={"Content-Type": "application/json"},
    )

    [row] = answer.json()["items"]
    assert row["status"] == 201
    assert "client_ref" not in row
