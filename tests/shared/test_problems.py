"""Whatever is wrong with a request, the answer is a problem document that repeats nothing, and nothing is changed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.access.permissions import Role
from shared.access.principal import ANYONE, person
from shared.errors import Conflict, Forbidden, Malformed, NotFound, Refusal, RuleBroken, Unauthenticated, Unavailable
from shared.ids import new_id
from shared.people import check_digit
from shared.problems import ERRORS_MAX, problem_of, refusals
from shared.process import BODY_BYTES_MAX
from tests.shared.kites import Kites
from tests.systems import ServiceUnderTest, make_settings, serving

CANARY = "Құпиясырым"
EVERYTHING = "/v1/kites/everything"


@pytest.fixture(scope="module")
async def kites(common_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServiceUnderTest]:
    """One service for all of this: what is refused leaves nothing behind."""
    settings = make_settings(common_url, "nats://127.0.0.1:1", tmp_path_factory.mktemp("keys"))
    async with serving(Kites, settings) as service:
        yield service


async def send(service: ServiceUnderTest, content: str | bytes, path: str = EVERYTHING, **headers: str) -> Any:
    return await service.client.post(path, content=content, headers={"Content-Type": "application/json"} | headers)


async def expect(service: ServiceUnderTest, answer: Any, status: int, code: str) -> dict[str, Any]:
    """That the answer is such a problem, that it tells nothing it was told, and that nothing was changed."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/problems/{code}")
    assert problem["title"].endswith(".")
    assert answer.headers["cache-control"] == "no-store"
    assert CANARY not in answer.text
    assert await service.database.pool.fetchval("SELECT count(*) FROM kite") == 0
    return problem


async def test_an_address_where_nothing_is(kites: ServiceUnderTest) -> None:
    for path in ("/v1/nothing", "/", "/v1/kites/", f"/v1/kites/{CANARY}/x", "/docs", "/v1/kites/%00/flights/x"):
        await expect(kites, await kites.client.get(path), 404, "not-found")


async def test_a_method_that_is_not_taken(kites: ServiceUnderTest) -> None:
    answer = await kites.client.delete("/v1/kites")

    await expect(kites, answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "", "a/b; c"])
async def test_a_body_that_is_not_said_to_be_json(kites: ServiceUnderTest, media_type: str) -> None:
    answer = await send(kites, '{"name": "a"}', "/v1/kites", **{"Content-Type": media_type})

    await expect(kites, answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        f'{{"text": "{CANARY}"',
        "{'text': 1}",
        b"\xff\xfe\x00",
        b'{"text": "\xff"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "{}{}",
        "NaN{",
    ],
)
async def test_a_body_that_is_not_json(kites: ServiceUnderTest, broken: str | bytes) -> None:
    await expect(kites, await send(kites, broken), 400, "malformed-request")


@pytest.mark.parametrize("depth", [400, 900])
async def test_deeply_nested_json_is_only_wrong(kites: ServiceUnderTest, depth: int) -> None:
    for body in (
        f'{{"text": {"[" * depth}{"]" * depth}}}',
        f'{{"x": {"[" * depth}{"]" * depth}}}',
        "[" * depth + "]" * depth,
    ):
        answer = await send(kites, body)
        assert answer.status_code in (400, 422)
        await expect(kites, answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}])
@pytest.mark.parametrize("path", [EVERYTHING, "/v1/kites/batches"])
async def test_a_body_of_twenty_megabytes(kites: ServiceUnderTest, headers: dict[str, str], path: str) -> None:
    answer = await send(kites, b'{"text": "' + b"a" * 20 * 2**20 + b'"}', path, **headers)

    await expect(kites, answer, 413, "payload-too-large")


async def test_a_body_of_unknown_length_is_cut_off_where_it_becomes_too_long(kites: ServiceUnderTest) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 20 * BODY_BYTES_MAX:
            sent += 2**16
            yield b" " * 2**16

    answer = await kites.client.post(EVERYTHING, content=endless(), headers={"Content-Type": "application/json"})

    await expect(kites, answer, 413, "payload-too-large")
    assert sent < 2 * BODY_BYTES_MAX


async def test_an_unknown_field_is_named_but_not_its_value(kites: ServiceUnderTest) -> None:
    answer = await send(kites, f'{{"color": "{CANARY}", "a/b~c": 1, "{"x" * 5000}": 1}}')

    problem = await expect(kites, answer, 422, "validation-failed")
    assert [error["pointer"] for error in problem["errors"]] == ["#/color", "#/a~1b~0c", "#/" + "x" * 100]


async def test_a_large_bad_request_does_not_get_a_larger_answer(kites: ServiceUnderTest) -> None:
    body = "{" + ",".join(f'"field{n}": 1' for n in range(5_000)) + "}"

    problem = await expect(kites, await send(kites, body), 422, "validation-failed")

    assert len(problem["errors"]) == ERRORS_MAX


def _iin(first_eleven: str) -> str:
    return f"{first_eleven}{check_digit(first_eleven)}"


VALID_IIN = _iin("90051730001")

WRONG: dict[str, list[str]] = {
    "whole": ["true", '"100"', "1e3", "1.0", "-1", "2000000001", "1" * 30, '"٣"', "[]", "NaN", "Infinity"],
    "flag": ["1", "0", '"true"', '"yes"', "[]"],
    "instant": [
        '"2026-11-22T10:00:00"', '"2026-11-22"', "1700000000", '"1700000000"', "1.5", "true", '"2026-13-01T00:00:00Z"',
        '"2026-11-22T25:00:00Z"', '"2026-11-22T10:00:00+25:00"', '"٢٠٢٦-١١-٢٢T10:00:00Z"',
        '"2026-11-22T10:00:00Z\\n"', '"0001-01-01T00:00:00+05:00"', '"9999-12-31T23:59:59-05:00"', '"now"',
    ],
    "day": [
        "20261122", '"20261122"', '"2026-11-22T00:00:00Z"', '"2026-02-30"', '"22.11.2026"', "true", '"٢٠٢٦-١١-٢٢"',
        '"2026-11-22\\n"', '"0000-01-01"', '"1899-12-31"', '"2200-01-01"', "1700000000",
    ],
    "past_day": ['"2199-01-01"'],
    "money": [
        "100", '"100"', '{"amount": "1.005"}', '{"amount": "-1"}', '{"amount": -1}', '{"amount": 0.001}',
        '{"amount": "1_000"}', '{"amount": "1e3"}', '{"amount": "١٠"}', '{"amount": " 5"}', '{"amount": "5\\n"}',
        '{"amount": true}', '{"amount": "5", "currency": "USD"}', '{"amount": "99999999999999"}', '{"amount": 1e16}',
        '{"amount": NaN}', '{"amount": "."}', '{"amount": "5."}', '{"amount": null}',
        '{"amount": 0.30000000000000004}', '{"currency": "KZT"}', '{"amount": "5", "currency": "KZT\\n"}',
    ],
    "price": ['{"amount": "0"}', '{"amount": "0.00"}', '{"amount": 0}'],
    "iin": [
        '"000000000000"', f'"{VALID_IIN[:-1]}"', f'"{VALID_IIN}0"', '"٩٠٠٥١٧٣٠٠٠١٠"', VALID_IIN,
        f'"{VALID_IIN[:6]} {VALID_IIN[6:]}"', '"900532300010"',
    ],
    "bin": ['"000000000000"', '"123"', '"991340000000"'],
    "phone": ['"abc"', '"+7"', "77011234567", '"+770112345678901234567"', '""'],
    "id": ['"1"', "1", f'"{CANARY}"', '"00000000-0000-0000-0000-00000000000g"', "true"],
    "text": [
        '""', '"  "', "1", "true", r'"a\u0000b"', r'"a\u202eb"', r'"\ud800"', r'"a\u0007"', '"' + "a" * 201 + '"',
        "[]", "{}",
    ],
    "code": ['"A"', '"a b"', '"1a"', '"а"', '"a\\n"', '""', '"' + "a" * 65 + '"'],
    "region": ['"KZ-1"', '"kz-75"', '"KZ-٧٥"', '"KZ-75\\n"', '"RU-01"'],
    "name": ["{}", '{"ru": "a"}', '"a"', '{"kk": ""}', '{"kk": "a", "de": "b"}', r'{"kk": "\u0000"}'],
    "codes": ['"a"', "{}", "[1]", '["a", "B"]', "[" + ",".join(['"a"'] * 21) + "]"],
}  # fmt: skip


@pytest.mark.parametrize("field", WRONG)
async def test_values_of_the_wrong_kind_are_refused_where_pydantic_alone_would_take_them(
    kites: ServiceUnderTest, field: str
) -> None:
    for value in WRONG[field]:
        answer = await send(kites, f'{{"{field}": {value}}}')
        problem = await expect(kites, answer, 422, "validation-failed")
        assert problem["errors"][0]["pointer"].startswith(f"#/{field}"), value
        assert CANARY not in answer.text


@pytest.mark.parametrize("body", ["1", "null", "[]", '"text"', "true", ""])
async def test_a_body_that_is_no_object(kites: ServiceUnderTest, body: str) -> None:
    answer = await send(kites, body)

    await expect(kites, answer, 422, "validation-failed")


RIGHT: dict[str, list[tuple[str, Any]]] = {
    "whole": [("0", 0), ("2000000000", 2_000_000_000)],
    "instant": [
        ('"2026-11-22T10:42:00+05:00"', "2026-11-22T05:42:00Z"),
        ('"2026-11-22t10:42Z"', "2026-11-22T10:42:00Z"),
        ('"2026-11-22 10:42:00.5Z"', "2026-11-22T10:42:00.500000Z"),
    ],
    "day": [('"1900-01-01"', "1900-01-01"), ('"2024-02-29"', "2024-02-29")],
    "money": [
        ('{"amount": "12500.00"}', {"amount": "12500.00", "currency": "KZT"}),
        ('{"amount": 0.1}', {"amount": "0.1", "currency": "KZT"}),
        ('{"amount": 7}', {"amount": "7", "currency": "KZT"}),
    ],
    "iin": [(f'" {VALID_IIN}\\n"', VALID_IIN)],
    "phone": [('"8 (701) 123-45-67"', "+77011234567"), ('"+49 30 123456"', "+4930123456")],
    "text": [('" e\\u0301 "', "é"), ('"Ұлы Дала"', "Ұлы Дала"), ('"a\\tb\\nc"', "a\tb\nc")],
}


@pytest.mark.parametrize("field", RIGHT)
async def test_values_of_the_right_kind_are_kept_clean(kites: ServiceUnderTest, field: str) -> None:
    for value, kept in RIGHT[field]:
        answer = await send(kites, f'{{"{field}": {value}}}')
        assert answer.status_code == 200, answer.text
        assert answer.json()[field] == kept
    await kites.database.pool.execute("DELETE FROM kite")


async def test_an_unknown_or_unreadable_id_in_the_path(kites: ServiceUnderTest) -> None:
    await expect(kites, await kites.client.get(f"/v1/kites/{new_id()}"), 404, "kite-not-found")
    for wrong in ("1", CANARY, "%00", "a%2Fb"):
        answer = await kites.client.get(f"/v1/kites/{wrong}")
        assert answer.status_code in (404, 422)
        await expect(kites, answer, answer.status_code, answer.json()["code"])


async def test_an_unexpected_error_tells_nothing_but_its_trace(kites: ServiceUnderTest) -> None:
    answer = await send(kites, f'{{"text": "{CANARY}"}}', "/v1/kites/crashes")

    problem = await expect(kites, answer, 500, "internal")
    assert "secret" not in answer.text
    assert set(problem) <= {"type", "title", "status", "code", "trace_id", "instance"}


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer é", "Bearer a.b.c", "Bearer \x01"]
)
async def test_without_the_gateway_s_token_nobody_comes_in(kites: ServiceUnderTest, authorization: str) -> None:
    for method, path in (("GET", "/v1/kites"), ("POST", "/v1/kites"), ("GET", f"/v1/kites/{new_id()}")):
        answer = await kites.client.request(
            method,
            path,
            headers={"Authorization": authorization.encode()},  # type: ignore[dict-item]
        )
        await expect(kites, answer, 401, "token-refused")


async def test_who_may_not_is_told_so_and_who_is_unknown_is_asked_who_they_are(kites: ServiceUnderTest) -> None:
    nobody = kites.as_principal(person("person:nobody", Role.TREASURER))
    anyone = kites.as_principal(ANYONE)

    for method, path in (("GET", "/v1/kites"), ("POST", "/v1/kites")):
        answer = await kites.client.request(method, path, json={"name": "a"}, headers=nobody)
        await expect(kites, answer, 403, "not-permitted")
        answer = await kites.client.request(method, path, json={"name": "a"}, headers=anyone)
        await expect(kites, answer, 401, "sign-in-required")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_refusal_becomes_its_category_s_status_and_its_own_words() -> None:
    class ShiftFull(Conflict):
        """No place is left in this shift.

        More for the reader of the code.
        """

    problem = problem_of(ShiftFull("17 of 17", pointer="/shift_id"))

    assert problem.model_dump(exclude_none=True) == {
        "type": "/problems/shift-full",
        "title": "No place is left in this shift.",
        "status": 409,
        "detail": "17 of 17",
        "code": "shift-full",
        "errors": [{"pointer": "#/shift_id", "code": "shift-full", "message": "No place is left in this shift."}],
    }


@pytest.mark.parametrize(
    ("category", "status"),
    [
        (Malformed, 400), (Unauthenticated, 401), (Forbidden, 403), (NotFound, 404), (Conflict, 409), (RuleBroken, 422),
        (Unavailable, 503),
    ],
)  # fmt: skip
def test_each_category_has_its_status(category: type[Refusal], status: int) -> None:
    assert problem_of(category()).status == status
    assert list(refusals(category)) == [status]
