"""Families: registered with their members, found again by IIN only, verified, changed, archived."""

from shared.ids import new_id
from tests.charity import factories
from tests.charity.conftest import CharityUnderTest


async def test_a_family_is_registered_as_a_draft(charity: CharityUnderTest, centre: str) -> None:
    answer = await charity.post("/v1/families", factories.family(centre, region="KZ-19"))

    assert answer.status_code == 201, answer.text
    family = answer.json()
    assert answer.headers["location"] == f"/v1/families/{family['id']}"
    assert (family["status"], family["region"], family["lives_in"]) == ("draft", "KZ-75", "KZ-19")
    assert family["sealed"] == ["address", "referred_by", "categories"]
    head = next(member for member in family["members"] if member["relation"] == "head")
    assert (head["name"][:7], head["born_in"], head["iin"][:8]) == ("О••• м•", "1980-05", "•" * 8)
    assert await charity.get(f"/v1/families/{family['id']}") == family
    [message] = await charity.outbox("charity.family.registered.v1")
    assert message["data"] == {
        "family_id": family["id"],
        "centre_id": centre,
        "region": "KZ-75",
        "was": None,
        "status": "draft",
        "members": 3,
        "on": "2021-01-15",
    }


async def test_nothing_that_tells_who_they_are_is_stored_in_the_open(charity: CharityUnderTest, centre: str) -> None:
    members = [factories.member("head", full_name="Нұрсұлтанова Айша", born_on="1977-07-07", iin=factories.iin())]
    await charity.make("/v1/families", factories.family(centre, members=members))

    stored = await charity.scalar(
        "SELECT (SELECT row_to_json(f)::text FROM family f) || (SELECT row_to_json(m)::text FROM member m)"
    )
    for secret in ("Нұрсұлтанова", "1977-07-07", members[0]["iin"], "Достық", "Аналар"):
        assert secret not in stored
        assert secret not in str(await charity.outbox())
        assert secret.encode().hex() not in stored


async def test_numbers_are_short_and_differ(charity: CharityUnderTest, centre: str) -> None:
    rows = await charity.batch("/v1/families", *(factories.family(centre) for _ in range(3)))

    listed = (await charity.get("/v1/families", centre_id=centre))["items"]
    assert {family["id"] for family in listed} == {row["id"] for row in rows}
    assert len({family["number"] for family in listed}) == 3
    [found] = (await charity.get("/v1/families", number=listed[1]["number"]))["items"]
    assert found == listed[1]


async def test_a_person_belongs_to_one_family(charity: CharityUnderTest, centre: str) -> None:
    request = factories.family(centre)
    first = await charity.make("/v1/families", request)

    answer = await charity.post("/v1/families", factories.family(centre, members=request["members"]))

    assert (answer.status_code, answer.json()["code"]) == (409, "member-known")
    assert first not in answer.text


async def test_who_has_left_may_belong_to_another_family(charity: CharityUnderTest, centre: str) -> None:
    request = factories.family(centre)
    family = (await charity.post("/v1/families", request)).json()
    head = next(member for member in family["members"] if member["relation"] == "head")

    left = await charity.post(f"/v1/families/{family['id']}/members/{head['id']}/endings", {"until_on": "2021-03-01"})
    twice = await charity.post(f"/v1/families/{family['id']}/members/{head['id']}/endings")
    elsewhere = await charity.post("/v1/families", factories.family(centre, members=request["members"]))

    assert left.json()["until_on"] == "2021-03-01"
    assert (twice.status_code, twice.json()["code"]) == (409, "membership-has-ended")
    assert elsewhere.status_code == 201
    [message] = await charity.outbox("charity.family.changed.v1")
    assert factories.of(message, "members", "on") == [2, "2021-03-01"]


async def test_a_member_joins(charity: CharityUnderTest, centre: str) -> None:
    family_id = await charity.make("/v1/families", factories.family(centre))

    joined = await charity.post(f"/v1/families/{family_id}/members", factories.member(from_on="2021-05-01"))
    known = await charity.post(f"/v1/families/{family_id}/members", factories.member(id=joined.json()["id"]))
    strange = await charity.post(f"/v1/families/{new_id()}/members", factories.member())

    assert (joined.status_code, joined.json()["from_on"]) == (201, "2021-05-01")
    assert (known.status_code, known.json()["code"]) == (409, "already-exists")
    assert (strange.status_code, strange.json()["code"]) == (404, "family-not-found")
    assert len((await charity.get(f"/v1/families/{family_id}"))["members"]) == 4
    [message] = await charity.outbox("charity.family.changed.v1")
    assert (message["aggregateversion"], message["data"]["members"]) == (2, 4)


async def test_a_family_goes_from_draft_to_verified_to_archived(charity: CharityUnderTest, centre: str) -> None:
    family_id = await charity.make("/v1/families", factories.family(centre))

    early = await charity.post(f"/v1/families/{family_id}/verifications", {"verified_on": "2021-01-14"})
    verified = await charity.post(f"/v1/families/{family_id}/verifications", {"verified_on": "2021-01-20"})
    twice = await charity.post(f"/v1/families/{family_id}/verifications")
    archived = await charity.post(f"/v1/families/{family_id}/archivals", {"reason": "Көшіп кетті"})
    joined = await charity.post(f"/v1/families/{family_id}/members", factories.member())

    assert (early.status_code, early.json()["code"]) == (422, "decided-before-registered")
    assert (verified.json()["status"], archived.json()["status"]) == ("verified", "archived")
    assert (twice.status_code, joined.status_code) == (409, 409)
    messages = await charity.outbox()
    assert [m["type"].split(".")[2] for m in messages] == ["registered", "verified", "archived"]
    assert [m["data"]["members"] for m in messages] == [3, 3, 3]


async def test_categories_are_those_of_the_reference(charity: CharityUnderTest, centre: str) -> None:
    codes = {category["code"] for category in (await charity.get("/v1/categories"))["items"]}

    unknown = await charity.post("/v1/families", factories.family(centre, categories=["rich"]))
    members = [factories.member("head", categories=["large_family"])]
    of_a_person = await charity.post("/v1/families", factories.family(centre, members=members))

    assert {"large_family", "disability", "pensioner"} <= codes
    assert {unknown.json()["code"], of_a_person.json()["code"]} == {"category-unknown"}


async def test_a_family_has_one_head_and_nobody_twice(charity: CharityUnderTest, centre: str) -> None:
    number = factories.iin()
    for members in (
        [factories.member()],
        [factories.member("head"), factories.member("head")],
        [factories.member("head", iin=number), factories.member(iin=number)],
        [],
    ):
        answer = await charity.post("/v1/families", factories.family(centre, members=members))
        assert (answer.status_code, answer.json()["code"]) == (422, "validation-failed")
    assert await charity.scalar("SELECT count(*) FROM family") == 0


async def test_a_batch_answers_each_row(charity: CharityUnderTest, centre: str) -> None:
    rows = [factories.family(centre, id=str(new_id())) for _ in range(20)]
    of_a_known_one = factories.family(centre, members=rows[3]["members"])
    of_the_same_batch = factories.family(centre, members=rows[4]["members"])
    everything = [*rows, of_a_known_one, of_the_same_batch, factories.family(str(new_id()))]

    first = await charity.batch("/v1/families", *everything)
    again = await charity.batch("/v1/families", *everything)
    verified = await charity.batch("/v1/families/verifications", *({"family_id": row["id"]} for row in rows))
    archived = await charity.batch("/v1/families/archivals", {"family_id": rows[0]["id"]}, {"family_id": str(new_id())})

    assert [row["status"] for row in first] == [201] * 20 + [409] * 3
    assert [row["problem"]["code"] for row in first[20:]] == ["member-known", "member-known", "centre-unknown"]
    assert [row["status"] for row in again] == [200] * 20 + [409] * 3
    assert [row["status"] for row in verified] == [200] * 20
    assert [row["status"] for row in archived] == [200, 404]
    assert {m["data"]["members"] for m in await charity.outbox("charity.family.verified.v1")} == {3}
