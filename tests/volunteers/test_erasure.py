"""Erasure of a volunteer: the person goes, what they did stays, and it is told without a word on who it was."""

import asyncio
from typing import Any

import pytest

from services.volunteers.consumers import consumer
from shared.access.permissions import Role
from shared.access.principal import person
from shared.ids import new_id
from tests.factories import registration
from tests.systems import ServiceUnderTest
from tests.volunteers import factories

IIN, PHONE, EMAIL, CONTACT = "000229500909", "+77011234567", "aigul.kasymova@example.org", "Анасы Гүлнәр"
REASON = "Өз өтініші бойынша"
SECRETS = (
    "Қасымова",
    "касымова",
    IIN,
    PHONE,
    EMAIL,
    CONTACT,
    "1990-05",
    "Құжат жоқ",
    "Ана Аналиева",
    "ecology",
    "домбыра",
)


@pytest.fixture
async def volunteer(volunteers: ServiceUnderTest, centre: str) -> dict[str, Any]:
    consent = {"version": "2021-1", "given_on": "2021-01-10", "how": "paper", "by": "parent", "by_name": "Ана Аналиева"}
    form = registration(
        centre, iin=IIN, phone=PHONE, email=EMAIL, emergency_contact=CONTACT, full_name="Қасымова Айгүл",
        consent=consent, skills=["домбыра"],
    )  # fmt: skip
    made = (await volunteers.post("/v1/volunteers", form, idempotency_key="registered")).json()
    path = f"/v1/volunteers/{made['id']}"
    answer = await volunteers.post(f"{path}/approvals", {"reason": "Құжат жоқ"}, idempotency_key="approved")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def erase(volunteers: ServiceUnderTest, volunteer: dict[str, Any], **body: Any) -> Any:
    return await volunteers.post(f"/v1/volunteers/{volunteer['id']}/erasures", {"purpose": REASON} | body)


async def stored(volunteers: ServiceUnderTest) -> str:
    tables = ("volunteer", "volunteerword", "consent", "statuschange", "hoursentry", "journal")
    rows = [
        str(row[0])
        for table in tables
        for row in await volunteers.database.pool.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t")  # noqa: S608
    ]
    return "\n".join(rows)


async def answered(volunteers: ServiceUnderTest) -> set[str]:
    """The keys of the requests whose answers are kept. The answers themselves are sealed."""
    return {row["key"] for row in await volunteers.database.pool.fetch("SELECT key FROM idempotency")}


async def test_it_is_first_told_what_would_go_and_what_would_stay(
    volunteers: ServiceUnderTest, volunteer: dict[str, Any]
) -> None:
    before = await stored(volunteers)

    told = (await erase(volunteers, volunteer)).json()

    assert told["done"] is False
    assert {"full_name", "iin", "phone", "email", "born_on", "emergency_contact", "reasons"} <= set(told["erased"])
    assert {(kept["what"], kept["number"]) for kept in told["kept"]} == {
        ("consents", 1), ("status_changes", 2), ("sign_ups_and_attendance", None), ("imported_sheets", None),
        ("messages", None),
        ("journal", None), ("backups", None),
    }  # fmt: skip
    assert all(kept["because"] for kept in told["kept"])
    assert await stored(volunteers) == before
    assert {"registered", "approved"} <= await answered(volunteers)


async def test_another_s_number_erases_nobody(volunteers: ServiceUnderTest, volunteer: dict[str, Any]) -> None:
    answer = await erase(volunteers, volunteer, number=volunteer["number"] + 1)

    assert (answer.status_code, answer.json()["code"]) == (422, "erasure-not-confirmed")
    assert (await volunteers.client.get(f"/v1/volunteers/{volunteer['id']}")).status_code == 200


async def test_the_person_goes(volunteers: ServiceUnderTest, volunteer: dict[str, Any]) -> None:
    done = await erase(volunteers, volunteer, number=volunteer["number"])

    assert (done.status_code, done.json()["done"]) == (200, True)
    left = await stored(volunteers)
    assert not [secret for secret in SECRETS if secret in left]
    [row] = await volunteers.database.pool.fetch("SELECT * FROM volunteer")
    assert not [name for name, value in row.items() if isinstance(value, bytes)]
    assert await volunteers.database.pool.fetchval("SELECT count(reason) FROM statuschange") == 0
    assert await volunteers.database.pool.fetchval("SELECT count(by_name) FROM consent") == 0
    assert not {"registered", "approved"} & await answered(volunteers)
    for answer in (
        await volunteers.client.get(f"/v1/volunteers/{volunteer['id']}"),
        await volunteers.post(f"/v1/volunteers/{volunteer['id']}/disclosures", {"purpose": REASON}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (410, "volunteer-is-erased")
    assert (await volunteers.client.get("/v1/volunteers")).json()["items"] == []
    for search in ({"phone": PHONE}, {"iin": IIN}, {"email": EMAIL}, {"name": "айгуль"}):
        assert (await volunteers.post("/v1/volunteers/searches", search)).json()["items"] == []


async def test_it_is_announced_and_written_down_once_however_often_it_is_asked(
    volunteers: ServiceUnderTest, volunteer: dict[str, Any], centre: str
) -> None:
    answers = await asyncio.gather(*(erase(volunteers, volunteer, number=volunteer["number"]) for _ in range(5)))
    again = await erase(volunteers, volunteer, number=volunteer["number"])

    assert {answer.status_code for answer in (*answers, again)} == {200}
    assert again.json() == answers[0].json()
    [message] = await volunteers.outbox("volunteers.volunteer.erased.v1")
    assert message["aggregateversion"] == 3
    assert {name: message["data"][name] for name in ("was", "status", "volunteer_id", "centre_id")} == {
        "was": "approved", "status": "erased", "volunteer_id": volunteer["id"], "centre_id": centre,
    }  # fmt: skip
    assert set(message["data"]) == {"centre_id", "region", "volunteer_id", "was", "status", "on"}
    [entry] = (await volunteers.client.get("/v1/journal/volunteers")).json()["items"]
    assert (entry["what"], entry["record"], entry["purpose"]) == ("erased", f"volunteer/{volunteer['id']}", REASON)


async def test_what_they_did_goes_on_counting(volunteers: ServiceUnderTest, volunteer: dict[str, Any]) -> None:
    await erase(volunteers, volunteer, number=volunteer["number"])
    signup_id = new_id()
    attended = factories.attendance(signup_id, volunteer_id=volunteer["id"])

    await consumer.apply(volunteers.database, [factories.sign_up(signup_id), attended])

    hours = (await volunteers.client.get(f"/v1/hours?volunteer_id={volunteer['id']}")).json()
    assert hours["minutes"] == 240


async def test_nothing_is_decided_on_who_is_erased(volunteers: ServiceUnderTest, volunteer: dict[str, Any]) -> None:
    await erase(volunteers, volunteer, number=volunteer["number"])

    answer = await volunteers.post(f"/v1/volunteers/{volunteer['id']}/activations", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "status-does-not-allow")


async def test_they_may_come_back_as_somebody_new(
    volunteers: ServiceUnderTest, volunteer: dict[str, Any], centre: str
) -> None:
    await erase(volunteers, volunteer, number=volunteer["number"])

    answer = await volunteers.post("/v1/volunteers", registration(centre, iin=IIN, phone=PHONE, email=EMAIL))

    assert answer.status_code == 201
    assert answer.json()["id"] != volunteer["id"]


async def test_answers_to_others_stay(volunteers: ServiceUnderTest, volunteer: dict[str, Any], centre: str) -> None:
    form = registration(centre)
    await volunteers.post("/v1/volunteers", form, idempotency_key="another")

    await erase(volunteers, volunteer, number=volunteer["number"])

    again = await volunteers.post("/v1/volunteers", form, idempotency_key="another")
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "principal",
    [
        person("person:v", Role.VOLUNTEER, volunteer_id=new_id()),
        person("person:a", Role.AUDITOR),
        person("person:t", Role.TREASURER),
        person("person:d", Role.COORDINATOR, directions=["ecology"]),
    ],
)
async def test_few_may_do_it(volunteers: ServiceUnderTest, volunteer: dict[str, Any], principal: Any) -> None:
    answer = await volunteers.client.post(
        f"/v1/volunteers/{volunteer['id']}/erasures",
        json={"purpose": REASON, "number": volunteer["number"]},
        headers=volunteers.as_principal(principal),
    )

    assert answer.status_code == 403


async def test_nobody_is_not_erased(volunteers: ServiceUnderTest) -> None:
    assert (await erase(volunteers, {"id": new_id()}, number=1)).status_code == 404
