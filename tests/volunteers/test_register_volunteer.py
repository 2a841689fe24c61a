"""Registration: the rules, the duplicates, the announcement."""

import asyncio
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.volunteers.domain import GUARDIAN_NEEDED_UNDER_YEARS, full_years
from shared.ids import new_id
from tests.factories import registration
from tests.systems import ServiceUnderTest


async def test_a_registration_is_announced_once_and_without_personal_data(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    answer = await volunteers.post("/v1/volunteers", registration(centre, full_name="Айгүл Қасымова"))

    assert answer.status_code == 201, answer.text
    [message] = await volunteers.outbox("volunteers.volunteer.registered.v1")
    assert message["subject"] == f"volunteers.volunteer/{answer.json()['id']}"
    assert message["aggregateversion"] == 1
    assert message["data"]["on"] == "2021-01-15"
    assert "Қасымова" not in str(message)
    assert "1990-05-17" not in str(message)


async def test_the_same_phone_cannot_register_twice_however_it_is_written(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    await volunteers.post("/v1/volunteers", registration(centre, phone="+77011234567"))

    answer = await volunteers.post("/v1/volunteers", registration(centre, phone="8 701 123-45-67"))

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/already-registered"
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 1


async def test_a_child_needs_a_guardian_s_consent(volunteers: ServiceUnderTest, centre: str) -> None:
    refused = await volunteers.post("/v1/volunteers", registration(centre, born_on="2008-01-01"))
    consent = {"version": "2021-1", "given_on": "2021-01-10", "how": "paper", "by": "parent", "by_name": "Ана"}
    accepted = await volunteers.post("/v1/volunteers", registration(centre, born_on="2008-01-01", consent=consent))

    assert refused.status_code == 422
    assert refused.json()["code"] == "guardian-consent-missing"
    assert refused.json()["errors"][0]["pointer"] == "#/consent/by"
    assert accepted.status_code == 201


async def test_registered_are_the_approved_and_the_active(volunteers: ServiceUnderTest, centre: str) -> None:
    volunteer_id = (await volunteers.post("/v1/volunteers", registration(centre))).json()["id"]

    approved = await volunteers.post(f"/v1/volunteers/{volunteer_id}/approvals", {"decided_on": "2021-02-01"})
    again = await volunteers.post(f"/v1/volunteers/{volunteer_id}/approvals", {"decided_on": "2021-02-01"})

    assert approved.json()["status"] == "approved"
    assert (again.status_code, again.json()["code"]) == (409, "status-does-not-allow")
    [message] = await volunteers.outbox("volunteers.volunteer.approved.v1")
    assert (message["data"]["was"], message["data"]["status"]) == ("applied", "approved")
    assert message["aggregateversion"] == 2


async def test_a_bad_row_never_blocks_the_good_ones(volunteers: ServiceUnderTest, centre: str) -> None:
    taken = registration(centre)
    await volunteers.post("/v1/volunteers", taken)
    rows = [registration(centre) for _ in range(20)]
    rows[3]["phone"] = taken["phone"]
    rows[7]["born_on"] = "2999-01-01"
    rows[11]["phone"] = rows[10]["phone"]
    rows[15]["colour"] = "blue"

    answer = await volunteers.post("/v1/volunteers/batches", {"items": rows})

    assert answer.status_code == 207
    statuses = [item["status"] for item in answer.json()["items"]]
    assert statuses == [201] * 3 + [409] + [201] * 3 + [422] + [201] * 3 + [409] + [201] * 3 + [422] + [201] * 4
    assert answer.json()["summary"] == {"done": 16, "refused": 4}
    assert answer.json()["items"][15]["problem"]["errors"][0]["pointer"] == "#/items/15/colour"
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 17


async def test_the_same_idempotency_key_registers_once_and_answers_the_same(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    request = registration(centre)

    answers = await asyncio.gather(
        *(volunteers.post("/v1/volunteers", request, idempotency_key="one") for _ in range(20))
    )
    other = await volunteers.post("/v1/volunteers", registration(centre), idempotency_key="one")

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 1
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-mismatch")


async def test_a_repeat_with_the_same_id_registers_nobody_and_another_one_is_refused(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    rows = [registration(centre, id=str(new_id())) for _ in range(3)]
    await volunteers.post("/v1/volunteers/batches", {"items": rows})

    again = await volunteers.post("/v1/volunteers/batches", {"items": rows})
    single = await volunteers.post("/v1/volunteers", rows[0])
    other = await volunteers.post("/v1/volunteers", rows[0] | {"full_name": "Басқа"})

    assert [item["status"] for item in again.json()["items"]] == [200] * 3
    assert single.status_code == 200
    assert (other.status_code, other.json()["code"]) == (409, "already-exists")
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 3


async def test_names_are_found_in_any_script_and_sorted_by_the_kazakh_alphabet(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    for name in ("Қасымова Айгүл", "Касымов Айбек", "Әлиева Гүлнұр", "Яковлев Іван", "Болат Нұрлан"):
        await volunteers.post("/v1/volunteers", registration(centre, full_name=name))

    found = await volunteers.post("/v1/volunteers/searches", {"name": "айгуль касым"})
    listed = await volunteers.client.get("/v1/volunteers?limit=3")
    rest = await volunteers.client.get(listed.json()["next"])

    assert [v["full_name"] for v in found.json()["items"]] == ["Қасымова Айгүл"]
    names = [v["full_name"] for v in listed.json()["items"] + rest.json()["items"]]
    assert names == ["Әлиева Гүлнұр", "Болат Нұрлан", "Касымов Айбек", "Қасымова Айгүл", "Яковлев Іван"]
    assert rest.json().get("next") is None


async def test_a_volunteer_is_found_by_iin_and_shown_with_it_masked(volunteers: ServiceUnderTest, centre: str) -> None:
    await volunteers.post("/v1/volunteers", registration(centre, iin="000229500909"))

    found = await volunteers.post("/v1/volunteers/searches", {"iin": "000229500909"})

    assert [v["iin"] for v in found.json()["items"]] == ["••••••••0909"]
    stored = await volunteers.database.pool.fetch("SELECT volunteer.*::text AS row FROM volunteer")
    assert "000229500909" not in stored[0]["row"]


@given(born_on=st.dates(date(1920, 1, 1), date(2020, 1, 1)), days=st.integers(0, 40_000))
def test_once_old_enough_always_old_enough(born_on: date, days: int) -> None:
    day = born_on + timedelta(days=days)
    if full_years(born_on, day) >= GUARDIAN_NEEDED_UNDER_YEARS:
        assert full_years(born_on, day + timedelta(days=1)) >= GUARDIAN_NEEDED_UNDER_YEARS


async def test_a_registration_needs_an_idempotency_key(volunteers: ServiceUnderTest, centre: str) -> None:
    volunteers.client.event_hooks = {}

    answer = await volunteers.post("/v1/volunteers", registration(centre))

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")


async def test_fifty_registrations_under_one_key_are_one_with_fifty_equal_answers(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    form = registration(centre)

    answers = await asyncio.gather(*(volunteers.post("/v1/volunteers", form, idempotency_key="one") for _ in range(50)))

    told = {(answer.status_code, answer.text, answer.headers["location"], answer.headers["etag"]) for answer in answers}
    assert len(told) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert await volunteers.database.pool.fetchval("SELECT count(*) FROM volunteer") == 1
    assert len(await volunteers.outbox("volunteers.volunteer.registered.v1")) == 1


async def test_a_registration_that_is_only_validated_registers_nobody_and_takes_no_number(
    volunteers: ServiceUnderTest, centre: str
) -> None:
    first = await volunteers.post("/v1/volunteers", registration(centre))

    tried = await volunteers.post("/v1/volunteers?validate_only=true", registration(centre))
    second = await volunteers.post("/v1/volunteers", registration(centre))

    assert tried.status_code == 200
    assert second.json()["number"] == first.json()["number"] + 1
    assert await volunteers.database.pool.fetchval("SELECT count(*) FROM volunteer") == 2
