"""Bad input at every door: a problem document, nothing has changed, and nothing of it is repeated."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from deploy.local.postgres import EmbeddedPostgres
from services.volunteers.app import Volunteers
from shared.access.permissions import Role
from shared.access.principal import person
from tests.factories import registration
from tests.systems import ServiceUnderTest, make_settings, polite, serving
from tests.volunteers import factories

_numbers = count(1)


@pytest.fixture(scope="module")
async def volunteers(
    volunteers_template: str, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[ServiceUnderTest]:
    """One service for all of these tests: none of them leaves anything behind."""
    name = f"bad_volunteers_{next(_numbers)}"
    url = await postgres.create_database(name, template=volunteers_template)
    async with serving(Volunteers, make_settings(url, "nats://unused", tmp_path_factory.mktemp("keys"))) as service:
        service.client.event_hooks["request"].append(polite)
        yield service
    await postgres.drop_database(name)


NOBODY = "018f0000-0000-7000-8000-000000000000"
SECRET = "қырғауыл"
"""Stands for what somebody sent; no answer may hold it."""
CONSENT = {"version": "2021-1", "given_on": "2021-01-10", "how": "paper"}
ADDRESSES = {
    "centre": "/v1/centres",
    "change": f"/v1/centres/{NOBODY}",
    "closure": f"/v1/centres/{NOBODY}/closures",
    "assignment": "/v1/assignments",
    "ending": f"/v1/assignments/{NOBODY}/endings",
    "volunteer": "/v1/volunteers",
    "search": "/v1/volunteers/searches",
    "decision": f"/v1/volunteers/{NOBODY}/approvals",
    "declaration": "/v1/declarations",
}


def valid(noun: str, centre: str) -> dict[str, Any]:
    return {
        "centre": factories.centre(),
        "change": factories.change(),
        "assignment": factories.assignment(centre),
        "volunteer": registration(centre),
        "declaration": factories.declaration(centre),
    }.get(noun, {})


@pytest.mark.parametrize(
    ("noun", "fields", "pointer"),
    [
        *((noun, {"colour": SECRET}, "#/colour") for noun in ADDRESSES),
        ("centre", {"id": SECRET}, "#/id"),
        ("centre", {"kind": SECRET}, "#/kind"),
        ("centre", {"kind": None}, "#/kind"),
        ("centre", {"region": SECRET}, "#/region"),
        ("centre", {"region": "KZ-7５"}, "#/region"),
        ("centre", {"region": "KZ-75\n"}, "#/region"),
        ("centre", {"parent_id": SECRET}, "#/parent_id"),
        ("centre", {"name": SECRET}, "#/name"),
        ("centre", {"name": {"ru": SECRET}}, "#/name/kk"),
        ("centre", {"name": {"kk": "  "}}, "#/name/kk"),
        ("centre", {"name": {"kk": f"{SECRET}\u0000"}}, "#/name/kk"),
        ("centre", {"name": {"kk": f"{SECRET}\u202e"}}, "#/name/kk"),
        ("centre", {"name": {"kk": SECRET * 30}}, "#/name/kk"),
        ("centre", {"name": {"kk": SECRET, "de": SECRET}}, "#/name/de"),
        ("centre", {"opened_on": "2999-01-01"}, "#/opened_on"),
        ("centre", {"opened_on": "1899-12-31"}, "#/opened_on"),
        ("centre", {"opened_on": "2021-02-29"}, "#/opened_on"),
        ("centre", {"opened_on": "2021-2-1"}, "#/opened_on"),
        ("centre", {"opened_on": "２０２１-02-01"}, "#/opened_on"),
        ("centre", {"opened_on": "2021-02-01T00:00:00"}, "#/opened_on"),
        ("centre", {"opened_on": "2021-02-01T00:00:00+05:00"}, "#/opened_on"),
        ("centre", {"opened_on": 1612137600}, "#/opened_on"),
        ("centre", {"opened_on": "1612137600"}, "#/opened_on"),
        ("change", {"kind": SECRET}, "#/kind"),
        ("change", {"region": "KZ-71"}, "#/region"),
        ("closure", {"closed_on": SECRET}, "#/closed_on"),
        ("assignment", {"role": SECRET}, "#/role"),
        ("assignment", {"direction": SECRET}, "#/direction"),
        ("assignment", {"direction": "Ecology"}, "#/direction"),
        ("assignment", {"person_name": f"{SECRET}\u001b"}, "#/person_name"),
        ("assignment", {"person_name": 7}, "#/person_name"),
        ("assignment", {"centre_id": 7}, "#/centre_id"),
        ("assignment", {"from_on": "2999-01-01"}, "#/from_on"),
        ("ending", {"until_on": "2999-01-01"}, "#/until_on"),
        ("volunteer", {"full_name": ""}, "#/full_name"),
        ("volunteer", {"full_name": f"{SECRET}\u0000"}, "#/full_name"),
        ("volunteer", {"full_name": f"{SECRET}\u2066"}, "#/full_name"),
        ("volunteer", {"full_name": [SECRET]}, "#/full_name"),
        ("volunteer", {"language": SECRET}, "#/language"),
        ("volunteer", {"born_on": "2999-01-01"}, "#/born_on"),
        ("volunteer", {"born_on": "1900-01-01"}, "#/born_on"),
        ("volunteer", {"born_on": "2021-01-16"}, "#/born_on"),
        ("volunteer", {"born_on": "17.05.1990"}, "#/born_on"),
        ("volunteer", {"iin": "000229500900"}, "#/iin"),
        ("volunteer", {"iin": "001329500909"}, "#/iin"),
        ("volunteer", {"iin": "00022950090"}, "#/iin"),
        ("volunteer", {"iin": "٠٠٠229500909"}, "#/iin"),
        ("volunteer", {"iin": 229500909}, "#/iin"),
        ("volunteer", {"phone": "12"}, "#/phone"),
        ("volunteer", {"phone": SECRET}, "#/phone"),
        ("volunteer", {"phone": "+7701123456789"}, "#/phone"),
        ("volunteer", {"phone": 77011234567}, "#/phone"),
        ("volunteer", {"email": SECRET}, "#/email"),
        ("volunteer", {"email": f"{SECRET}@"}, "#/email"),
        ("volunteer", {"email": f"{SECRET}\u0000@example.kz"}, "#/email"),
        ("volunteer", {"email": f"{SECRET} @example.kz"}, "#/email"),
        ("volunteer", {"centre_id": SECRET}, "#/centre_id"),
        ("volunteer", {"directions": "ecology"}, "#/directions"),
        ("volunteer", {"directions": ["ecology"] * 21}, "#/directions"),
        ("volunteer", {"directions": ["ecology", "chess"]}, "#/directions"),
        ("volunteer", {"directions": ["ecology", SECRET]}, "#/directions/1"),
        ("volunteer", {"skills": [f"{SECRET}\u0007"]}, "#/skills/0"),
        ("volunteer", {"skills": None}, "#/skills"),
        ("volunteer", {"emergency_contact": SECRET * 600}, "#/emergency_contact"),
        ("volunteer", {"consent": None}, "#/consent"),
        ("volunteer", {"consent": {}}, "#/consent/version"),
        ("volunteer", {"consent": CONSENT | {"how": SECRET}}, "#/consent/how"),
        ("volunteer", {"consent": CONSENT | {"by": SECRET}}, "#/consent/by"),
        ("volunteer", {"consent": CONSENT | {"given_on": "2021-01-16"}}, "#/consent/given_on"),
        ("volunteer", {"consent": CONSENT | {"given_on": True}}, "#/consent/given_on"),
        ("volunteer", {"consent": CONSENT | {"by_name": f"{SECRET}\u0000"}}, "#/consent/by_name"),
        ("volunteer", {"applied_on": "2999-01-01"}, "#/applied_on"),
        ("volunteer", {"number": 1001}, "#/number"),
        ("volunteer", {"status": "approved"}, "#/status"),
        ("search", {"name": f"{SECRET}\u0000"}, "#/name"),
        ("search", {"phone": SECRET}, "#/phone"),
        ("search", {"iin": "000229500900"}, "#/iin"),
        ("search", {"number": "1001"}, "#/number"),
        ("search", {"number": 3_000_000_000}, "#/number"),
        ("search", {"status": SECRET}, "#/status"),
        ("search", {"limit": 0}, "#/limit"),
        ("search", {"limit": True}, "#/limit"),
        ("search", {"cursor": SECRET * 200}, "#/cursor"),
        ("decision", {"decided_on": SECRET}, "#/decided_on"),
        ("decision", {"reason": f"{SECRET}\u0000"}, "#/reason"),
        ("decision", {"volunteer_id": NOBODY}, "#/volunteer_id"),
        ("declaration", {"number": -1}, "#/number"),
        ("declaration", {"number": True}, "#/number"),
        ("declaration", {"number": "3"}, "#/number"),
        ("declaration", {"number": 1.5}, "#/number"),
        ("declaration", {"number": 3_000_000_000}, "#/number"),
        ("declaration", {"source": ""}, "#/source"),
        ("declaration", {"source": f"{SECRET}\u007f"}, "#/source"),
        ("declaration", {"declared_on": "2999-01-01"}, "#/declared_on"),
        ("declaration", {"before": 3}, "#/before"),
    ],
)
async def test_a_field_that_cannot_be_is_pointed_at(
    volunteers: ServiceUnderTest, centre: str, noun: str, fields: dict[str, Any], pointer: str
) -> None:
    announced = await volunteers.outbox()
    method = "PUT" if noun == "change" else "POST"

    answer = await volunteers.client.request(method, ADDRESSES[noun], json=valid(noun, centre) | fields)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    for sent in (SECRET, *(str(value) for value in fields.values() if len(str(value)) > 5)):
        assert sent not in answer.text
    assert await volunteers.outbox() == announced


@pytest.mark.parametrize("address", [a for a in ADDRESSES.values() if not a.endswith(NOBODY)])
@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (f'{{"{SECRET}"'.encode(), "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (f'["{SECRET}"]'.encode(), "application/json", 422),
        (b"null", "application/json", 422),
        (b"", "application/json", 422),
        (b"{}", "text/plain", 415),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    volunteers: ServiceUnderTest, address: str, content: bytes, content_type: str, status: int
) -> None:
    announced = await volunteers.outbox()

    answer = await volunteers.client.post(address, content=content, headers={"content-type": content_type})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert await volunteers.outbox() == announced


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/v1/centres/not-an-id", 422),
        ("GET", "/v1/centres?cursor=abc", 400),
        ("GET", "/v1/centres?limit=-1", 422),
        ("GET", "/v1/centres?limit=99999999999999999999", 200),
        ("GET", "/v1/centres?kind=%00", 422),
        ("GET", "/v1/assignments?centre_id=1", 422),
        ("GET", "/v1/declarations?centre_id=1", 422),
        ("GET", f"/v1/volunteers/{NOBODY}", 404),
        ("GET", "/v1/volunteers?status=gone", 422),
        ("GET", "/v1/volunteers?cursor=abc", 400),
        ("GET", "/v1/hours?volunteer_id=1", 422),
        ("GET", "/v1/hours?from=2021-13-01", 422),
        ("GET", "/v1/hours?from=1609459200", 422),
        ("GET", "/v1/hours?to=2021-06-09T00:00:00", 422),
        ("GET", "/v1/hours?to=9999-12-31", 422),
        ("GET", "/v1/hours?to=2199-12-31", 200),
        ("DELETE", f"/v1/centres/{NOBODY}", 405),
        ("GET", "/v1/nothing", 404),
    ],
)
async def test_an_address_that_leads_nowhere(
    volunteers: ServiceUnderTest, method: str, address: str, status: int
) -> None:
    answer = await volunteers.client.request(method, address)

    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["!!!", "& | ! :*", "'", "\\", "ъь", "<->"])
async def test_a_name_without_letters_finds_nobody(volunteers: ServiceUnderTest, name: str) -> None:
    answer = await volunteers.post("/v1/volunteers/searches", {"name": name})

    assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_a_cursor_of_another_search_is_refused(volunteers: ServiceUnderTest) -> None:
    answer = await volunteers.post("/v1/volunteers/searches", {"cursor": "abc"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-cursor")


DOORS = [("PUT" if noun == "change" else "POST", address) for noun, address in ADDRESSES.items()]
DOORS += [("GET", f"/v1/{noun}") for noun in ("centres", "assignments", "volunteers", "declarations", "hours")]


@pytest.mark.parametrize(("method", "address"), DOORS)
async def test_nobody_comes_in_without_the_gateway_s_token(
    volunteers: ServiceUnderTest, method: str, address: str
) -> None:
    announced = await volunteers.outbox()
    body = None if method == "GET" else {"colour": SECRET}

    for authorization in ("", "Bearer forged", "Basic Zm9vOmJhcg=="):
        answer = await volunteers.client.request(method, address, json=body, headers={"Authorization": authorization})

        assert (answer.status_code, answer.json()["code"]) == (401, "token-refused")
        assert answer.headers["content-type"] == "application/problem+json"
    assert await volunteers.outbox() == announced


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        (Role.COORDINATOR, {"centre", "change", "closure", "assignment", "ending"}),
        (Role.VOLUNTEER, set(ADDRESSES) - {"search"}),
        (Role.TREASURER, set(ADDRESSES)),
        (Role.AUDITOR, set(ADDRESSES)),
        (Role.ANYONE, set(ADDRESSES)),
    ],
)
async def test_a_role_opens_its_own_doors_only(
    volunteers: ServiceUnderTest, centre: str, role: Role, refused: set[str]
) -> None:
    headers = volunteers.as_principal(person(f"person:{role}", role))
    announced = await volunteers.outbox()
    answers: dict[str, Any] = {}

    for noun, address in ADDRESSES.items():
        body = valid(noun, NOBODY)
        answers[noun] = await volunteers.client.request(
            "PUT" if noun == "change" else "POST", address, json=body, headers=headers
        )

    forbidden = {noun for noun, answer in answers.items() if answer.status_code == 403}
    assert forbidden == refused
    assert {answers[noun].json()["code"] for noun in forbidden} == {"not-permitted"}
    assert {answers[noun].headers["content-type"] for noun in forbidden} == {"application/problem+json"}
    assert await volunteers.outbox() == announced


@pytest.mark.parametrize("address", ["/v1/volunteers", "/v1/declarations", "/v1/hours"])
async def test_not_everyone_may_read_of_people(volunteers: ServiceUnderTest, address: str) -> None:
    treasurer = person("person:treasurer", Role.TREASURER)

    answer = await volunteers.client.get(address, headers=volunteers.as_principal(treasurer))

    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


@pytest.mark.parametrize("items", [[], [SECRET], SECRET, None, [{}] * 501])
@pytest.mark.parametrize("noun", ["centres", "assignments", "volunteers", "declarations", "volunteers/approvals"])
async def test_a_batch_that_is_none_is_refused(volunteers: ServiceUnderTest, noun: str, items: Any) -> None:
    announced = await volunteers.outbox()

    answer = await volunteers.post(f"/v1/{noun}/batches", {"items": items})

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text
    assert await volunteers.outbox() == announced
