"""Every operation of the gateway's own × everybody who may come, as `tests/access` asks those of the services.

Records of accounts, sessions and keys belong to a person, not to a centre: whose they are is shown in `test_access.py`
and `test_sign_in.py`. Here it is who gets in at all: further than 401 and 403.
"""

import csv
import re
from pathlib import Path

import pytest

from shared.access.permissions import Permission, Role
from shared.ids import new_id
from tests.gateway.people import Browser, Person
from tests.gateway.serving import RunningGateway

with Path(__file__).with_name("expected.csv").open(encoding="utf-8") as file:
    EXPECTED = {row.pop("operation"): row for row in csv.DictReader(file)}
METHODS = {"get", "post", "put", "patch", "delete"}


async def come(gateway: RunningGateway, who: str) -> tuple[Browser, dict[str, str]]:
    """Somebody, and what they show beside a cookie."""
    if who == "anonymous":
        return Browser(gateway), {}
    if who == "machine":
        maker = await Person.enrolled(gateway, Role.COORDINATOR)
        wanted = {"name": "1C", "centres": None, "permissions": [Permission.READ_VOLUNTEERS]}
        made = await maker.ask("POST", "/v1/keys", wanted)
        assert made.status == 201, made.body
        return Browser(gateway), {"Authorization": f"Bearer {made.body['key']}"}
    role = Role(who)
    if role is Role.VOLUNTEER:
        return await Person.enrolled(gateway, role, centres=[], volunteer_id=new_id()), {}
    return await Person.enrolled(gateway, role), {}


def test_every_operation_of_the_gateway_is_expected_and_there_are_no_others(gateway: RunningGateway) -> None:
    paths = gateway.gateway.own_application().openapi()["paths"]
    there_are = {f"{method.upper()} {path}" for path, item in paths.items() for method in METHODS & item.keys()}

    assert there_are == set(EXPECTED)


@pytest.mark.parametrize("who", next(iter(EXPECTED.values())))
async def test_who_gets_in(own_gateway: RunningGateway, who: str) -> None:
    found: dict[str, str] = {}

    for operation in EXPECTED:
        method, _, path = operation.partition(" ")
        # Anew each time: some of what is asked for ends a session.
        browser, shown = await come(own_gateway, who)
        place = re.sub(r"{\w+}", str(new_id()), path)
        if path == "/v1/live":
            place += "?scope=nowhere"
        answer = await browser.ask(method, place, None if method in ("GET", "DELETE") else {}, **shown)
        known = {"sign-in-required": "who", "not-permitted": "no"}
        assert answer.status < 500 or answer.code == "service-unavailable", (operation, answer.body)
        found[operation] = known.get(str(answer.code), "in")

    assert found == {operation: row[who] for operation, row in EXPECTED.items()}
