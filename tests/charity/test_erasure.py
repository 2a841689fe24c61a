"""Erasure in charity: who they are goes, what reached them and what they gave stays, and every sum with it."""

from typing import Any

import pytest

from services.charity.commands import issue_receipts
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING, person
from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest

REASON = {"purpose": "Өз өтініші бойынша"}
COORDINATOR = person("person:c", Role.COORDINATOR)
AISHA, ALI = ("Нұрсұлтанова Айша", "1977-07-07"), ("Нұрсұлтанов Әли", "2011-01-01")


@pytest.fixture
async def family(charity: CharityUnderTest, centre: str) -> dict[str, Any]:
    members = [
        factories.member("head", full_name=AISHA[0], born_on=AISHA[1], iin=factories.iin()),
        factories.member(full_name=ALI[0], born_on=ALI[1], iin=factories.iin(), categories=["disability"]),
    ]
    return await charity.verified_family(centre, members=members, id=str(new_id()))


async def told(charity: CharityUnderTest, path: str) -> Any:
    answer = await charity.post(f"{path}/disclosures", {"purpose": "Тексеру"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def figures(charity: CharityUnderTest) -> Any:
    return (await charity.get("/v1/tallies"))["figures"]


async def test_a_person_of_a_family_goes_and_the_others_stay(
    charity: CharityUnderTest, centre: str, family: dict[str, Any]
) -> None:
    delivery = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))
    [aisha, ali] = family["members"]
    path = f"/v1/families/{family['id']}/members/{ali['id']}/erasures"
    before = await figures(charity)

    preview = (await charity.post(path, REASON)).json()
    wrong = await charity.post(path, REASON | {"number": family["number"] + 1})
    done = await charity.post(path, REASON | {"number": family["number"]}, by=COORDINATOR)
    again = await charity.post(path, REASON | {"number": family["number"]})

    assert (preview["done"], preview["kept"][0]["what"], preview["kept"][0]["number"]) == (False, "deliveries", 1)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "erasure-not-confirmed")
    assert done.json() == again.json() == preview | {"done": True}
    disclosed = await told(charity, f"/v1/families/{family['id']}")
    assert [(m["full_name"], m["born_on"], m["relation"]) for m in disclosed["members"]] == [
        (*AISHA, "head"), (None, None, "other"),
    ]  # fmt: skip
    picture = (await told(charity, f"/v1/deliveries/{delivery}"))["snapshot"]
    assert [person.get("full_name") for person in picture["members"]] == [AISHA[0], None]
    seen = await charity.get(f"/v1/deliveries/{delivery}")
    assert (set(seen["person_ids"]), seen["description"]) == ({aisha["id"], ali["id"]}, None)
    assert set((await charity.get(f"/v1/families/{family['id']}"))["members"][1]) == {"id", "from_on", "until_on"}
    assert await figures(charity) == before
    [message] = await charity.outbox("charity.family.changed.v1")
    assert message["data"]["members"] == 1
    assert await charity.scalar("SELECT count(*) FROM journal WHERE what = 'erased'") == 1


async def test_a_whole_family_goes(charity: CharityUnderTest, centre: str, family: dict[str, Any]) -> None:
    delivery = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre))
    voided = await charity.make("/v1/deliveries", factories.delivery(family["id"], centre, id=str(new_id())))
    await charity.post(f"/v1/deliveries/{voided}/voids", {"reason": "Айша үйде болмады"})
    path, before = f"/v1/families/{family['id']}/erasures", await figures(charity)

    preview = (await charity.post(path, REASON)).json()
    done = await charity.post(path, REASON | {"number": family["number"]}, by=COORDINATOR)
    again = await charity.post(path, REASON | {"number": family["number"]})

    assert {(k["what"], k["number"]) for k in preview["kept"]} >= {("members", 2), ("deliveries", 2)}
    assert done.json() == again.json() == preview | {"done": True}
    gone = await charity.client.get(f"/v1/families/{family['id']}")
    assert (gone.status_code, gone.json()["code"]) == (410, "family-is-erased")
    assert (await charity.get("/v1/families"))["items"] == []
    assert (await told(charity, f"/v1/deliveries/{delivery}"))["snapshot"] is None
    sealed = [
        ("family", "address"), ("family", "referred_by"), ("family", "categories"), ("family", "made_from"),
        ("member", "full_name"), ("member", "born_on"), ("member", "iin"), ("member", "iin_index"),
        ("member", "categories"), ("delivery", "snapshot"), ("delivery", "description"), ("delivery", "void_reason"),
        ("statuschange", "reason"),
    ]  # fmt: skip
    left = {f"{t}.{c}": await charity.scalar(f"SELECT count({c}) FROM {t}") for t, c in sealed}  # noqa: S608
    assert left == dict.fromkeys(left, 0)
    assert await charity.scalar("SELECT count(*) FROM helped") == 4
    assert await figures(charity) == before
    [message] = await charity.outbox("charity.family.archived.v1")
    assert message["data"]["members"] == 0


async def test_of_an_archived_family_as_well(charity: CharityUnderTest, family: dict[str, Any]) -> None:
    await charity.post(f"/v1/families/{family['id']}/archivals", {})

    done = await charity.post(f"/v1/families/{family['id']}/erasures", REASON | {"number": family["number"]})

    assert (done.status_code, done.json()["done"]) == (200, True)
    [message] = await charity.outbox("charity.family.changed.v1")
    assert (message["data"]["members"], message["aggregateversion"]) == (0, 4)


async def test_answers_that_told_of_them_go_too(charity: CharityUnderTest, centre: str) -> None:
    request = factories.family(centre)
    family = (await charity.post("/v1/families", request, key="made")).json()
    await charity.post("/v1/families", factories.family(centre), key="another")

    await charity.post(f"/v1/families/{family['id']}/erasures", REASON | {"number": family["number"]}, key="erased")

    keys = await charity.scalar("SELECT array_agg(key ORDER BY key) FROM idempotency WHERE key !~ '^key-'")
    assert keys == ["another", "erased"]


async def test_a_member_may_be_registered_anew(charity: CharityUnderTest, centre: str) -> None:
    request = factories.family(centre)
    family = (await charity.post("/v1/families", request)).json()
    await charity.post(f"/v1/families/{family['id']}/erasures", REASON | {"number": family["number"]})

    assert (await charity.post("/v1/families", request)).status_code == 201


async def test_who_gave_goes_and_the_money_stays(charity: CharityUnderTest, campaign: str, centre: str) -> None:
    gift = await charity.make("/v1/donations", factories.donation(campaign, centre, external_ref="bank-1"))
    await charity.post(f"/v1/donations/{gift}/refunds", factories.refund())
    async with charity.database.transaction(EVERYTHING) as tx:
        await issue_receipts(tx)
    number = await charity.scalar("SELECT receipt_number FROM donation")
    before, fund = await charity.get(f"/v1/donations/{gift}"), await charity.get(f"/v1/funds/{campaign}")

    path = f"/v1/donations/{gift}/erasures"
    preview = (await charity.post(path, REASON)).json()
    wrong = await charity.post(path, REASON | {"number": number + 1})
    done = await charity.post(path, REASON | {"number": number})
    again = await charity.post(path, REASON | {"number": number})

    assert {(k["what"], k["number"]) for k in preview["kept"]} >= {("amount_and_receipt", 1), ("refunds", 1)}
    assert wrong.status_code == 422
    assert done.json() == again.json() == preview | {"done": True}
    after = await charity.get(f"/v1/donations/{gift}")
    assert after == before | {"donor": {"anonymous": False, "kind": None, "name": None, "bin": None}}
    assert await charity.get(f"/v1/funds/{campaign}") == fund
    assert await charity.scalar("SELECT count(donor) + count(made_from) FROM donation") == 0
    assert await charity.scalar("SELECT count(reason) + count(made_from) FROM refund") == 0
    refunded = await charity.post(f"/v1/donations/{gift}/refunds", factories.refund())
    assert refunded.status_code == 201


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.TREASURER, Role.VOLUNTEER])
async def test_few_may_do_it(charity: CharityUnderTest, family: dict[str, Any], role: Role) -> None:
    body = REASON | {"number": family["number"]}
    answer = await charity.post(f"/v1/families/{family['id']}/erasures", body, by=person("person:x", role))

    assert answer.status_code == 403


async def test_what_does_not_exist_is_not_erased(charity: CharityUnderTest, family: dict[str, Any]) -> None:
    for path in (f"families/{new_id()}", f"families/{family['id']}/members/{new_id()}", f"donations/{new_id()}"):
        assert (await charity.post(f"/v1/{path}/erasures", REASON | {"number": 1})).status_code == 404
