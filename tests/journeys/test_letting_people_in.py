"""Nobody is anybody by where they sit: the first link, keys from the machine, and their end."""

import json
import re
import subprocess
from uuid import UUID

import httpx
import pytest

from tests.running import RunningSystem, until

pytestmark = pytest.mark.journey


async def test_who_sits_at_the_machine_lets_the_first_one_in(running_system: RunningSystem) -> None:
    # Each start prints one as long as nobody is let in, and other tests start this system again.
    *_, printed = re.findall(rf"{running_system.address}/enrolment/([\w-]+)", running_system.printed)
    newest = (await running_system.asar("access", "link")).strip().rpartition("/")[2]
    form = {"login": "first@example.org", "name": "Айгүл", "language": "kk", "password": "four words in no order"}

    async with httpx.AsyncClient(base_url=running_system.address, timeout=30) as anyone:
        assert (await anyone.get("/v1/accounts")).status_code == 401
        enrolled = await anyone.post("/v1/enrolments", json={"token": printed, **form})
        again = await anyone.post("/v1/enrolments", json={"token": printed, **form | {"login": "second@example.org"}})
        cookie = enrolled.headers["set-cookie"].partition(";")[0]
        seen = await anyone.get("/v1/accounts", headers={"Cookie": cookie})

    assert (enrolled.status_code, again.status_code, seen.status_code) == (201, 422, 200)
    assert newest != printed
    [account] = json.loads(await running_system.asar("access", "accounts", "--json"))["items"]
    assert (account["name"], account["what"]) == ("first@example.org", "administrator")
    # The last one who can let others in is not shut out, not even from here.
    with pytest.raises(subprocess.CalledProcessError) as refused:
        await running_system.asar("access", "revoke", account["id"])
    assert "make another administrator first" in refused.value.stderr


async def test_a_key_from_the_machine_works_until_it_is_revoked(running_system: RunningSystem) -> None:
    centre = str(UUID(int=1))
    words = ("--name", "1C", "--permission", "donations:write", "--centre", centre, "--days", "2")
    key = (await running_system.asar("access", "key", *words)).strip()
    key_id = key.split("_")[2]

    listed = {one["id"]: one for one in json.loads(await running_system.asar("access", "keys", "--json"))["items"]}
    assert (listed[key_id]["name"], listed[key_id]["what"]) == ("1C", "donations:write")
    assert key not in json.dumps(listed)

    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=running_system.address, timeout=30, headers=headers) as machine:
        assert "donations:write" in (await machine.get("/v1/me")).json()["permissions"]
        await running_system.asar("access", "revoke", key_id)

        async def is_out() -> bool:
            return (await machine.get("/v1/me")).status_code == 401

        await until("the revoked key is refused", is_out)


@pytest.mark.parametrize("words", [("--role", "king"), ("--permission", "access:manage"), ("--centre", "Oral")])
async def test_a_key_that_cannot_be_is_one_sentence(running_system: RunningSystem, words: tuple[str, ...]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        await running_system.asar("access", "key", *words)

    assert refused.value.stderr.startswith("asar: ")
    assert "Traceback" not in refused.value.stderr
