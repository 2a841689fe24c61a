"""Every operation × everybody who may come: who gets in, who is refused, and who is not even told that it is there.

The operations come from the services' OpenAPI documents, what is expected from `expected.csv`: an operation without a
row fails, and so does a row without an operation. A batch is expected to answer its row as the single one is answered.
"""

import csv
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from httpx import Response

from deploy.local.postgres import EmbeddedPostgres
from shared.access.permissions import Permission, Role
from shared.access.principal import ANYONE, Grant, Principal, person
from tests.access.asking import ASK, Asked, unknown_id
from tests.access.world import World, made_world, operations
from tests.systems import ADMINISTRATOR

DONE, HIDDEN, NO, WHO = "done", "hidden", "no", "who"
"""It is done or seen; answered as if there were no such thing (404, `…-unknown`, not in the list); 403; 401."""

with Path(__file__).with_name("expected.csv").open(encoding="utf-8") as file:
    EXPECTED = {row.pop("operation"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
async def world(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[World]:
    async with made_world(postgres, tmp_path_factory.mktemp("world")) as made:
        yield made


def callers(world: World, about: str | None) -> dict[str, Principal]:
    """Everybody, by the names of the columns. `about` is the volunteer whom the request is about."""
    here, there = frozenset({UUID(world.here)}), frozenset({UUID(world.there)})

    def staff(name: str, centres: frozenset[UUID]) -> Principal:
        grants = tuple(Grant(role=role, centres=centres) for role in (Role.COORDINATOR, Role.TREASURER))
        return Principal(id=f"person:{name}", kind="person", grants=grants)

    granted = frozenset({Permission.READ_VOLUNTEERS, Permission.RECORD_DONATIONS})
    return {
        "administrator": ADMINISTRATOR,
        "own_centre": staff("own", here),
        "other_centre": staff("other", there),
        "other_direction": person("person:youth", Role.COORDINATOR, centres=here, directions={"youth"}),
        "auditor": person("person:auditor", Role.AUDITOR),
        "oneself": person("person:oneself", Role.VOLUNTEER, volunteer_id=UUID(about or unknown_id())),
        "other_volunteer": person("person:stranger", Role.VOLUNTEER, volunteer_id=UUID(unknown_id())),
        "machine": Principal(
            id="key:1", kind="machine", grants=(Grant(role=Role.SYSTEM, centres=here, permissions=granted),)
        ),
        "anonymous": ANYONE,
    }


def single_of(operation: str) -> tuple[str, str | None]:
    """The single request that a batch is many of, and the name of its rows' id; an operation itself otherwise."""
    if not operation.endswith("/batches"):
        return operation, None
    start = operation.removesuffix("/batches")
    if start in ASK:
        return start, None
    noun, _, act = start.rpartition("/")
    single = next(known for known in ASK if re.fullmatch(rf"{re.escape(noun)}/{{\w+}}/{act}", known))
    return single, re.findall(r"{(\w+)}", single)[0]


def answered(answer: Response, asked: Asked) -> str:
    """What an answer comes to, in the words of the table.

    Raises:
        AssertionError: it is none of them, such as a refusal by a rule: then the request is not what it should be.
    """
    status = answer.status_code
    words = answer.text if "json" in answer.headers.get("content-type", "") else ""
    problem = answer.json() if answer.is_error else {}
    if status == 207:
        [row] = answer.json()["items"]
        status, words, problem = row["status"], str(row), row.get("problem", {})
    if str(problem.get("code")).endswith("-unknown"):
        return HIDDEN
    if status in (401, 403, 404):
        return {401: WHO, 403: NO, 404: HIDDEN}[status]
    assert 200 <= status < 300, words
    return HIDDEN if asked.seeks is not None and asked.seeks not in words else DONE


async def test_every_operation_is_expected_and_there_are_no_others(world: World) -> None:
    there_are = {single_of(operation)[0] for operation in await operations(world)}

    assert there_are == {re.sub(r" \(.*\)", "", row) for row in EXPECTED}
    assert set(EXPECTED) == set(ASK)


@pytest.mark.parametrize("row", EXPECTED)
async def test_who_may(world: World, row: str) -> None:
    operation = re.sub(r" \(.*\)", "", row)
    method, _, path = operation.partition(" ")
    found: dict[str, str] = {}

    for name in EXPECTED[row]:
        asked = await ASK[row](world)
        before = await world.announced()
        by = callers(world, asked.about)[name]
        place = path.format(**asked.ids)
        # What chooses from a list means nothing to one of it.
        query = {} if method == "GET" and place != path else asked.query
        answer = await world.ask(method, place, asked.body, by=by, query=query, content=asked.content)
        found[name] = answered(await world.page_of(answer, asked.seeks, by=by), asked)
        if found[name] != DONE:
            assert await world.announced() == before
            assert asked.seeks is None or asked.seeks not in answer.text

    assert found == EXPECTED[row]


async def test_who_may_in_batches(world: World) -> None:
    batches = [operation for operation in await operations(world) if operation.endswith("/batches")]
    expected: dict[str, dict[str, str]] = {}
    found: dict[str, dict[str, str]] = {}

    for batch in batches:
        single, key = single_of(batch)
        expected[batch] = EXPECTED[single]
        found[batch] = {}
        for name in expected[batch]:
            asked = await ASK[single](world)
            before = await world.announced()
            item: dict[str, Any] = dict(asked.body) | ({key: asked.ids[key]} if key else {})
            by = callers(world, asked.about)[name]
            answer = await world.ask("POST", batch.partition(" ")[2], {"items": [item]}, by=by)
            found[batch][name] = answered(answer, asked)
            if found[batch][name] != DONE:
                assert await world.announced() == before

    assert found == expected
