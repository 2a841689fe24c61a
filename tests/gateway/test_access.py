"""Who gives what to whom: invitations, grants, revocations and keys, and what nobody gets past."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared import clock
from shared.access.permissions import MAY, NOT_FOR_KEYS, Permission, Role
from tests.gateway.people import Browser, Person
from tests.gateway.serving import RunningGateway, UpstreamService

HERE, THERE = str(uuid4()), str(uuid4())


async def administrator(gateway: RunningGateway) -> Person:
    return await Person.enrolled(gateway, Role.ADMINISTRATOR)


async def as_key(gateway: RunningGateway, key: str, path: str = "/v1/me", method: str = "GET", **body: Any) -> Any:
    async with (
        gateway.calling(Authorization=f"Bearer {key}") as client,
        client.request(method, path, json=body or None) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


# --- invitations ------------------------------------------------------------------------------------------------------


async def test_who_is_invited_has_what_the_invitation_gives(gateway: RunningGateway) -> None:
    manager = await administrator(gateway)
    form = {"for_whom": "Айгүл", "role": "coordinator", "centres": [HERE], "directions": ["ecology"]}

    made = await manager.ask("POST", "/v1/invitations", form)
    listed = (await manager.ask("GET", "/v1/invitations?limit=200")).body["items"]
    newcomer = Person(gateway)
    newcomer.login = "newcomer@example.org"
    enrolled = await newcomer.enrol(made.body["token"])

    assert (made.status, made.body["link"]) == (201, f"http://127.0.0.1:8080/enrolment/{made.body['token']}")
    assert made.body["id"] in {one["id"] for one in listed}
    assert not any("token" in one or "link" in one for one in listed)
    [grant] = enrolled.body["grants"]
    assert (grant["role"], grant["centres"], grant["directions"]) == ("coordinator", [HERE], ["ecology"])
    assert grant["given_by"] == f"person:{await manager.account_id()}"
    # A coordinator of some directions.
    assert "events:write" in enrolled.body["permissions"]
    assert "donations:write" not in enrolled.body["permissions"]


async def test_an_invitation_is_taken_back(gateway: RunningGateway) -> None:
    manager = await administrator(gateway)
    form = {"for_whom": "Айгүл", "role": "auditor", "centres": None}
    made = (await manager.ask("POST", "/v1/invitations", form)).body

    assert (await manager.ask("DELETE", f"/v1/invitations/{made['id']}")).status == 204
    assert (await manager.ask("DELETE", f"/v1/invitations/{made['id']}")).code == "not-known"
    assert (await Person(gateway).enrol(made["token"], login="x@example.org")).code == "link-used-or-over"


async def test_a_volunteer_reaches_themselves(gateway: RunningGateway) -> None:
    manager, volunteer_id = await administrator(gateway), str(uuid4())
    form = {"for_whom": "Айгүл", "role": "volunteer", "centres": [], "volunteer_id": volunteer_id}
    tokens = [(await manager.ask("POST", "/v1/invitations", form)).body["token"] for _ in range(2)]

    me, other = Person(gateway), Person(gateway)
    me.login, other.login = "volunteer@example.org", "same.volunteer@example.org"
    assert (await me.enrol(tokens[0])).body["volunteer_id"] == volunteer_id
    assert (await other.enrol(tokens[1])).code == "volunteer-has-account"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"role": "system", "centres": None}, "role-not-for-people"),
        ({"role": "anyone", "centres": None}, "role-not-for-people"),
        ({"role": "administrator", "centres": [HERE]}, "administrator-is-for-all"),
        ({"role": "administrator", "centres": None, "directions": ["ecology"]}, "administrator-is-for-all"),
        ({"role": "coordinator", "centres": []}, "centres-missing"),
        ({"role": "coordinator", "centres": [HERE], "directions": []}, "centres-missing"),
        ({"role": "coordinator"}, "validation-failed"),
        ({"role": "volunteer", "centres": []}, "volunteer-missing"),
        ({"role": "volunteer", "centres": None, "volunteer_id": HERE}, "volunteer-missing"),
        ({"role": "coordinator", "centres": [HERE], "volunteer_id": HERE}, "volunteer-missing"),
        ({"role": "king", "centres": None}, "validation-failed"),
        ({"role": "auditor", "centres": None, "account_id": HERE}, "validation-failed"),
    ],
)
async def test_what_makes_no_sense_is_not_given(gateway: RunningGateway, form: dict[str, Any], code: str) -> None:
    manager = await administrator(gateway)

    answer = await manager.ask("POST", "/v1/invitations", {"for_whom": "somebody", **form})

    assert (answer.status, answer.code) == (422, code)


async def test_a_forgotten_password_is_renewed_by_a_link(gateway: RunningGateway) -> None:
    manager, forgetful = await administrator(gateway), await Person.enrolled(gateway, Role.AUDITOR)
    path = f"/v1/accounts/{await forgetful.account_id()}/password-renewals"

    token = (await manager.ask("POST", path)).body["token"]
    again = Person(gateway)
    again.login = forgetful.login
    assert (await again.enrol(token, password="other words, quite new")).status == 201

    assert (await forgetful.ask("GET", "/v1/me")).status == 401
    assert await again.account_id()
    assert [grant["role"] for grant in (await again.me())["grants"]] == ["auditor"]
    assert (await Browser(gateway).sign_in(forgetful.login, "other words, quite new")).status == 201


# --- grants and revocations -------------------------------------------------------------------------------------------


async def test_a_grant_holds_at_once_and_ends_at_once(gateway: RunningGateway) -> None:
    manager, person = await administrator(gateway), await Person.enrolled(gateway, Role.AUDITOR)
    grants = f"/v1/accounts/{await person.account_id()}/grants"
    assert (await person.ask("GET", "/v1/accounts")).code == "not-permitted"

    given = await manager.ask("POST", grants, {"role": "administrator", "centres": None})
    assert (await person.ask("GET", "/v1/accounts")).status == 200
    assert (await manager.ask("DELETE", f"{grants}/{given.body['id']}")).status == 204

    assert (await person.ask("GET", "/v1/accounts")).code == "not-permitted"
    assert (await manager.ask("DELETE", f"{grants}/{given.body['id']}")).status == 404


async def test_a_grant_of_somebody_else_is_not_found(gateway: RunningGateway) -> None:
    manager, one, other = [await Person.enrolled(gateway, Role.ADMINISTRATOR) for _ in range(3)]
    [grant] = (await one.me())["grants"]

    answer = await manager.ask("DELETE", f"/v1/accounts/{await other.account_id()}/grants/{grant['id']}")

    assert (answer.status, answer.code) == (404, "not-known")


async def test_who_is_revoked_is_out_at_once_with_all_keys(gateway: RunningGateway) -> None:
    manager, person = await administrator(gateway), await Person.enrolled(gateway, Role.AUDITOR)
    key = (await person.ask("POST", "/v1/keys", {"name": "k", "role": "auditor", "centres": None})).body["key"]
    assert (await as_key(gateway, key))[0] == 200
    revocation = f"/v1/accounts/{await person.account_id()}/revocations"

    revoked = await manager.ask("POST", revocation)

    assert (revoked.status, revoked.body["status"], revoked.body["login"]) == (200, "revoked", None)
    assert (await person.ask("GET", "/v1/me")).status == 401
    assert (await as_key(gateway, key))[0] == 401
    assert (await Browser(gateway).sign_in(person.login)).status == 401
    assert (await manager.ask("POST", revocation)).status == 200
    grants = f"/v1/accounts/{revoked.body['id']}/grants"
    assert (await manager.ask("POST", grants, {"role": "auditor", "centres": None})).code == "account-revoked"


async def test_the_last_administrator_stays(own_gateway: RunningGateway) -> None:
    first = await administrator(own_gateway)
    account = f"/v1/accounts/{await first.account_id()}"
    [grant] = (await first.me())["grants"]

    assert (await first.ask("POST", f"{account}/revocations")).code == "last-administrator"
    assert (await first.ask("DELETE", f"{account}/grants/{grant['id']}")).code == "last-administrator"
    assert (await first.ask("GET", "/v1/accounts")).status == 200

    # Of two that shut each other out at once, one stays.
    second = await administrator(own_gateway)
    answers = await asyncio.gather(
        first.ask("POST", f"/v1/accounts/{await second.account_id()}/revocations"),
        second.ask("POST", f"{account}/revocations"),
    )
    assert min(answer.status for answer in answers) == 200
    left = [(await one.ask("GET", "/v1/accounts")).status for one in (first, second)]
    assert left.count(200) == 1


ADMINISTRATORS_ONLY = [
    ("GET", "/v1/accounts"),
    ("GET", f"/v1/accounts/{HERE}"),
    ("POST", f"/v1/accounts/{HERE}/grants"),
    ("DELETE", f"/v1/accounts/{HERE}/grants/{HERE}"),
    ("POST", f"/v1/accounts/{HERE}/revocations"),
    ("POST", f"/v1/accounts/{HERE}/password-renewals"),
    ("GET", "/v1/invitations"),
    ("POST", "/v1/invitations"),
    ("DELETE", f"/v1/invitations/{HERE}"),
]


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.TREASURER, Role.AUDITOR])
async def test_nobody_else_manages_access(gateway: RunningGateway, role: Role) -> None:
    person = await Person.enrolled(gateway, role)
    key = await gateway.make_key(Role.ADMINISTRATOR)

    for method, path in ADMINISTRATORS_ONLY:
        assert (await person.ask(method, path)).code == "not-permitted", path
        assert (await Browser(gateway).ask(method, path)).code == "sign-in-required", path
        # Not even a key that may everything else.
        assert (await as_key(gateway, key, path, method))[0] == 403, path


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_the_life_of_a_key(gateway: RunningGateway, upstream: UpstreamService) -> None:
    person = await Person.enrolled(gateway, Role.COORDINATOR, centres=[HERE])
    form = {"name": "1C", "permissions": ["donations:write"], "centres": [HERE]}

    made = (await person.ask("POST", "/v1/keys", form)).body
    assert made["key"].startswith(f"asar_dev_{made['key_id']}_")
    assert (await as_key(gateway, made["key"], "/v1/volunteers"))[0] == 200
    [listed] = (await person.ask("GET", "/v1/keys")).body["items"]
    assert (listed["name"], listed["centres"], "key" in listed) == ("1C", [HERE], False)
    assert listed["used_at"] is not None

    rotated = (await person.ask("POST", f"/v1/keys/{made['id']}/rotations", {"overlap_hours": 24})).body
    assert [(await as_key(gateway, key))[0] for key in (made["key"], rotated["key"])] == [200, 200]
    assert rotated["permissions"] == made["permissions"]
    items = {one["id"]: one for one in (await person.ask("GET", "/v1/keys")).body["items"]}
    assert items[made["id"]]["ends_at"] < items[rotated["id"]]["ends_at"]

    assert (await person.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204
    assert [(await as_key(gateway, key))[0] for key in (made["key"], rotated["key"])] == [401, 200]
    assert (await person.ask("POST", f"/v1/keys/{made['id']}/rotations", {})).code == "key-has-ended"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"role": "coordinator", "centres": [HERE]}, None),
        ({"role": "coordinator", "centres": [HERE], "directions": ["ecology"]}, None),
        ({"permissions": ["volunteers:read"], "centres": [HERE]}, None),
        ({"role": "coordinator", "centres": [THERE]}, "more-than-you-may"),
        ({"role": "coordinator", "centres": [HERE, THERE]}, "more-than-you-may"),
        ({"role": "coordinator", "centres": None}, "more-than-you-may"),
        ({"role": "treasurer", "centres": [HERE]}, "more-than-you-may"),
        ({"role": "administrator", "centres": [HERE]}, "more-than-you-may"),
        ({"permissions": ["money:read"], "centres": [HERE]}, "more-than-you-may"),
        ({"permissions": ["messages:read"], "centres": [HERE]}, "more-than-you-may"),
        ({"permissions": ["system:operate"], "centres": [HERE]}, "more-than-you-may"),
        ({"permissions": ["access:manage"], "centres": [HERE]}, "not-for-keys"),
        ({"permissions": ["account:own"], "centres": [HERE]}, "not-for-keys"),
        ({"permissions": ["volunteers:read"], "centres": []}, "centres-missing"),
        ({"permissions": ["volunteers:read"]}, "validation-failed"),
        ({"permissions": ["everything"], "centres": [HERE]}, "validation-failed"),
        ({"permissions": ["volunteers:read"], "centres": [HERE], "networks": ["10.0.0.1/8"]}, "validation-failed"),
    ],
)
async def test_a_key_gets_no_more_than_its_maker_has(
    gateway: RunningGateway, form: dict[str, Any], code: str | None
) -> None:
    person = await Person.enrolled(gateway, Role.COORDINATOR, centres=[HERE])

    answer = await person.ask("POST", "/v1/keys", {"name": "k", **form})

    assert answer.code == code


async def test_a_coordinator_of_some_directions_makes_keys_for_those(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway, Role.COORDINATOR, centres=[HERE], directions=["ecology"])
    form = {"name": "k", "permissions": ["events:write"], "centres": [HERE]}

    assert (await person.ask("POST", "/v1/keys", form)).code == "more-than-you-may"
    assert (await person.ask("POST", "/v1/keys", form | {"directions": ["youth"]})).code == "more-than-you-may"
    assert (await person.ask("POST", "/v1/keys", form | {"directions": ["ecology"]})).status == 201


async def test_a_key_ends_within_a_year(gateway: RunningGateway) -> None:
    person = await Person.enrolled(gateway, Role.AUDITOR)

    for days, status in ((-1, 422), (30, 201), (366, 201), (367, 422)):
        ends_at = (clock.now() + timedelta(days=days) - timedelta(minutes=1)).isoformat()
        form = {"name": "k", "role": "auditor", "centres": None, "ends_at": ends_at}
        assert (await person.ask("POST", "/v1/keys", form)).status == status, days


async def test_an_administrator_s_key_may_all_but_what_is_for_people(gateway: RunningGateway) -> None:
    manager = await administrator(gateway)

    made = await manager.ask("POST", "/v1/keys", {"name": "k", "role": "administrator", "centres": None})
    _, me = await as_key(gateway, made.body["key"])

    assert set(made.body["permissions"]) == set(Permission) - NOT_FOR_KEYS
    assert not {Permission.MANAGE_ACCESS, Permission.OWN_ACCOUNT} & set(me["permissions"])


async def test_what_is_taken_from_somebody_is_taken_from_their_keys(gateway: RunningGateway) -> None:
    manager, person = await administrator(gateway), await Person.enrolled(gateway, Role.AUDITOR)
    grants = f"/v1/accounts/{await person.account_id()}/grants"
    given = await manager.ask("POST", grants, {"role": "coordinator", "centres": [HERE]})
    makes = ({"role": "auditor", "centres": None}, {"role": "coordinator", "centres": [HERE]})
    keys = [(await person.ask("POST", "/v1/keys", {"name": "k", **form})).body["key"] for form in makes]

    await manager.ask("DELETE", f"{grants}/{given.body['id']}")

    assert [(await as_key(gateway, key))[0] for key in keys] == [200, 401]


async def test_a_key_is_its_owner_s_and_the_administrators(gateway: RunningGateway) -> None:
    manager = await administrator(gateway)
    owner, other = await Person.enrolled(gateway, Role.AUDITOR), await Person.enrolled(gateway, Role.AUDITOR)
    made = (await owner.ask("POST", "/v1/keys", {"name": "k", "role": "auditor", "centres": None})).body
    address = f"/v1/keys/{made['id']}"

    assert (await other.ask("GET", "/v1/keys?all=true")).body["items"] == []
    assert (await other.ask("POST", f"{address}/rotations", {})).code == "not-known"
    assert (await other.ask("DELETE", address)).code == "not-known"
    assert (await as_key(gateway, made["key"], address, "DELETE"))[0] == 403
    assert (await as_key(gateway, made["key"]))[0] == 200

    everybodys, after = [], ""
    while after is not None:
        page = (await manager.ask("GET", after or "/v1/keys?all=true&limit=200")).body
        everybodys += page["items"]
        after = page.get("next")
    assert made["id"] in {one["id"] for one in everybodys}
    assert (await manager.ask("DELETE", address)).status == 204
    assert (await as_key(gateway, made["key"]))[0] == 401


def test_every_role_that_a_key_can_be_made_of_leaves_people_s_things_out() -> None:
    assert Permission.MANAGE_ACCESS in NOT_FOR_KEYS
    assert all(not (MAY[role] - NOT_FOR_KEYS) & NOT_FOR_KEYS for role in Role)
