"""What charity knows of a family or one person of it, in an archive."""

import io
import zipfile
from typing import Any

import orjson

from shared.access.permissions import Role
from shared.access.principal import person
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest

PURPOSE = {"purpose": "Өз өтініші бойынша"}
COORDINATOR = person("person:c", Role.COORDINATOR)


def opened(answer: Any) -> dict[str, Any]:
    """The files of an archive, those of JSON read."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        contents = {name: files.read(name) for name in files.namelist()}
    return {name: orjson.loads(c) if name.endswith("json") else c.decode("utf-8-sig") for name, c in contents.items()}


async def test_a_family_is_exported_whole(charity: CharityUnderTest, centre: str) -> None:
    members = [
        factories.member("head", full_name="Нұрсұлтанова Айша", iin=factories.iin()),
        factories.member(full_name="Нұрсұлтанов Әли"),
    ]
    family = await charity.verified_family(centre, members=members)
    await charity.make("/v1/deliveries", factories.delivery(family["id"], centre, description="=1+1"))
    await charity.post(f"/v1/families/{family['id']}/disclosures", {"purpose": "Тексеру"})

    files = opened(await charity.post(f"/v1/families/{family['id']}/exports", PURPOSE, by=COORDINATOR))

    known = files["charity/family.json"]
    assert (known["address"], known["categories"], known["status"]) == (
        "Алматы, Достық даңғылы, 1", ["large_family"], "verified",
    )  # fmt: skip
    assert [m["full_name"] for m in known["members"]] == ["Нұрсұлтанова Айша", "Нұрсұлтанов Әли"]
    assert known["members"][0]["iin"] == members[0]["iin"]
    [delivery] = files["charity/deliveries.json"]
    assert (delivery["value"], delivery["description"]) == ("15000.00", "=1+1")
    assert "'=1+1" in files["charity/deliveries.csv"]
    assert [entry["what"] for entry in files["charity/journal.json"]] == ["disclosed", "exported"]


async def test_one_person_is_exported_without_the_others(charity: CharityUnderTest, centre: str) -> None:
    members = [
        factories.member("head", full_name="Нұрсұлтанова Айша"),
        factories.member(full_name="Нұрсұлтанов Әли", categories=["disability"]),
    ]
    family = await charity.verified_family(centre, members=members)
    [aisha, ali] = [member["id"] for member in family["members"]]
    for member_id in (aisha, ali):
        await charity.make("/v1/deliveries", factories.delivery(family["id"], centre, member_ids=[member_id]))

    files = opened(await charity.post(f"/v1/families/{family['id']}/members/{ali}/exports", PURPOSE, by=COORDINATOR))

    assert (files["charity/person.json"]["full_name"], files["charity/person.json"]["categories"]) == (
        "Нұрсұлтанов Әли", ["disability"],
    )  # fmt: skip
    assert len(files["charity/deliveries.json"]) == 1
    assert "Айша" not in str(files)


async def test_it_takes_a_purpose_and_a_right_and_somebody(charity: CharityUnderTest, centre: str) -> None:
    family = await charity.verified_family(centre)
    path, member = f"/v1/families/{family['id']}", family["members"][0]["id"]

    for exports in (f"{path}/exports", f"{path}/members/{member}/exports"):
        missing = await charity.post(exports, {}, by=COORDINATOR)
        assert (missing.status_code, missing.json()["code"]) == (422, "purpose-missing")
        for role in (Role.AUDITOR, Role.TREASURER):
            assert (await charity.post(exports, PURPOSE, by=person("person:x", role))).status_code == 403
    for nothing in (f"/v1/families/{new_id()}/exports", f"{path}/members/{new_id()}/exports"):
        assert (await charity.post(nothing, PURPOSE)).status_code == 404
    assert await charity.scalar("SELECT count(*) FROM journal") == 0
