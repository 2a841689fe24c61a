"""A volunteer's personal data: sealed at rest, masked for staff, in clear for a purpose that is written down."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import alembic.command
import alembic.config
import asyncpg
import pytest

import services.volunteers
from shared.access.permissions import Permission, Role
from shared.access.principal import Grant, Principal, person
from shared.ids import new_id
from shared.sealed import Seal
from tests.factories import registration
from tests.systems import FreshDatabase, ServiceUnderTest, make_settings

IIN, PHONE, EMAIL = "000229500909", "+77011234567", "aigul.kasymova@example.org"
CONTACT, AFFILIATION = "Анасы Гүлнәр, +7 702 765 43 21", "№ 1 мектеп"
SECRETS = (IIN, PHONE, EMAIL, CONTACT, AFFILIATION, "1990-05-17")
PURPOSE = {"purpose": "Ауысымға шақыру үшін хабарласу"}

OUTLINE = {
    "id", "version", "number", "status", "centre_id", "region", "directions", "applied_on", "status_on",
    "registered_at",
}  # fmt: skip
MASKED = OUTLINE | {"full_name", "language", "born_in", "iin", "phone", "email", "skills", "languages_spoken", "sealed"}
OWN = OUTLINE | {
    "full_name", "language", "born_on", "iin", "phone", "email", "skills", "languages_spoken", "affiliation",
    "emergency_contact",
}  # fmt: skip


def key(*permissions: Permission) -> Principal:
    grant = Grant(role=Role.SYSTEM, centres=None, permissions=frozenset(permissions))
    return Principal(id="key:1", kind="machine", grants=(grant,))


@pytest.fixture
async def volunteer(volunteers: ServiceUnderTest, centre: str) -> str:
    form = registration(
        centre, iin=IIN, phone=PHONE, email=EMAIL, emergency_contact=CONTACT, affiliation=AFFILIATION,
        full_name="Қасымова Айгүл",
    )  # fmt: skip
    answer = await volunteers.post("/v1/volunteers", form, idempotency_key="registered")
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def see(volunteers: ServiceUnderTest, volunteer_id: str, principal: Principal) -> Any:
    return await volunteers.client.get(f"/v1/volunteers/{volunteer_id}", headers=volunteers.as_principal(principal))


async def test_staff_see_it_masked(volunteers: ServiceUnderTest, volunteer: str) -> None:
    seen = (await see(volunteers, volunteer, person("person:c", Role.COORDINATOR))).json()

    assert set(seen) == MASKED
    assert {name: seen[name] for name in ("iin", "phone", "email", "born_in", "sealed")} == {
        "iin": "••••••••0909",
        "phone": "+7 701 ••• •• 67",
        "email": "a•••@example.org",
        "born_in": "1990-05",
        "sealed": ["affiliation", "emergency_contact"],
    }


async def test_the_person_sees_their_own_in_clear(volunteers: ServiceUnderTest, volunteer: str) -> None:
    seen = (await see(volunteers, volunteer, person("person:v", Role.VOLUNTEER, volunteer_id=UUID(volunteer)))).json()

    assert set(seen) == OWN
    assert (seen["iin"], seen["phone"], seen["email"], seen["born_on"]) == (IIN, PHONE, EMAIL, "1990-05-17")
    assert (seen["emergency_contact"], seen["affiliation"]) == (CONTACT, AFFILIATION)


async def test_a_key_without_the_right_sees_no_person(volunteers: ServiceUnderTest, volunteer: str) -> None:
    reader = key(Permission.READ_VOLUNTEERS)
    seen = await see(volunteers, volunteer, reader)
    found = await volunteers.client.post(
        "/v1/volunteers/searches", json={"phone": PHONE}, headers=volunteers.as_principal(reader)
    )

    assert set(seen.json()) == OUTLINE
    assert [set(item) for item in found.json()["items"]] == [OUTLINE]
    assert not [secret for secret in (*SECRETS, "Қасымова") if secret in seen.text + found.text]


async def test_an_auditor_sees_no_volunteer_at_all(volunteers: ServiceUnderTest, volunteer: str) -> None:
    assert (await see(volunteers, volunteer, person("person:a", Role.AUDITOR))).status_code == 403


async def test_no_list_search_or_decision_shows_what_is_sealed(volunteers: ServiceUnderTest, volunteer: str) -> None:
    answers = [
        await volunteers.client.get("/v1/volunteers"),
        await volunteers.post("/v1/volunteers/searches", {"name": "айгуль"}),
        await volunteers.post(f"/v1/volunteers/{volunteer}/approvals", {}),
    ]

    assert all(answer.is_success for answer in answers)
    assert not [secret for secret in SECRETS for answer in answers if secret in answer.text]


@pytest.mark.parametrize("search", [{"phone": "8 701 123-45-67"}, {"iin": IIN}, {"email": EMAIL.upper()}])
async def test_it_is_found_by_what_is_sealed(volunteers: ServiceUnderTest, volunteer: str, search: Any) -> None:
    found = (await volunteers.post("/v1/volunteers/searches", search)).json()

    assert [item["id"] for item in found["items"]] == [volunteer]


async def test_nothing_sealed_is_readable_in_the_database(volunteers: ServiceUnderTest, volunteer: str) -> None:
    await volunteers.post(f"/v1/volunteers/{volunteer}/rejections", {"reason": "Ауруына байланысты"})
    rows = [
        str(row[0])
        for table in ("volunteer", "consent", "statuschange", "idempotency", "outbox", "journal")
        for row in await volunteers.database.pool.fetch(f"SELECT to_jsonb(t)::text FROM {table} AS t")  # noqa: S608
    ]

    stored = "\n".join(rows)
    for secret in (*SECRETS, "Ауруына"):
        assert secret not in stored
        assert secret.encode().hex() not in stored


# --- disclosures ------------------------------------------------------------------------------------------------------


async def test_reading_in_clear_is_written_down_in_the_same_transaction(
    volunteers: ServiceUnderTest, volunteer: str
) -> None:
    coordinator = person("person:c", Role.COORDINATOR)
    told = await volunteers.client.post(
        f"/v1/volunteers/{volunteer}/disclosures", json=PURPOSE, headers=volunteers.as_principal(coordinator)
    )

    assert told.status_code == 200, told.text
    assert told.json() == {
        "id": volunteer,
        "full_name": "Қасымова Айгүл",
        "born_on": "1990-05-17",
        "iin": IIN,
        "phone": PHONE,
        "email": EMAIL,
        "affiliation": AFFILIATION,
        "emergency_contact": CONTACT,
        "reasons": [],
    }
    [entry] = (await volunteers.client.get("/v1/journal/volunteers")).json()["items"]
    assert {name: entry[name] for name in ("by", "what", "record", "purpose", "outcome")} == {
        "by": "person:c",
        "what": "disclosed",
        "record": f"volunteer/{volunteer}",
        "purpose": PURPOSE["purpose"],
        "outcome": "done",
    }


@pytest.mark.parametrize("body", [{}, {"purpose": ""}, {"purpose": None}, {"purpose": f"ЖСН {IIN}"}])
async def test_without_a_purpose_nothing_is_shown(volunteers: ServiceUnderTest, volunteer: str, body: Any) -> None:
    answer = await volunteers.post(f"/v1/volunteers/{volunteer}/disclosures", body)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/purpose")
    assert not [secret for secret in SECRETS if secret in answer.text]


@pytest.mark.parametrize(
    "principal",
    [
        person("person:a", Role.AUDITOR),
        person("person:v", Role.VOLUNTEER, volunteer_id=new_id()),
        key(Permission.READ_VOLUNTEERS, Permission.WRITE_VOLUNTEERS),
    ],
)
async def test_who_has_not_the_right_is_refused(
    volunteers: ServiceUnderTest, volunteer: str, principal: Principal
) -> None:
    answer = await volunteers.client.post(
        f"/v1/volunteers/{volunteer}/disclosures", json=PURPOSE, headers=volunteers.as_principal(principal)
    )

    assert answer.status_code == 403
    assert (await volunteers.client.get("/v1/journal/volunteers")).json()["items"] == []


async def test_a_disclosure_is_kept_for_no_key_and_read_again_when_repeated(
    volunteers: ServiceUnderTest, volunteer: str
) -> None:
    for _ in range(2):
        told = await volunteers.post(f"/v1/volunteers/{volunteer}/disclosures", PURPOSE, idempotency_key="again")
        assert told.json()["iin"] == IIN

    assert len((await volunteers.client.get("/v1/journal/volunteers")).json()["items"]) == 2
    assert await volunteers.database.pool.fetchval("SELECT count(*) FROM idempotency WHERE key = 'again'") == 0


async def test_nobody_is_not_disclosed(volunteers: ServiceUnderTest) -> None:
    answer = await volunteers.post(f"/v1/volunteers/{new_id()}/disclosures", PURPOSE)

    assert (answer.status_code, answer.json()["code"]) == (404, "volunteer-not-found")


async def test_a_ciphertext_that_was_moved_to_another_row_does_not_open(
    volunteers: ServiceUnderTest, volunteer: str, centre: str
) -> None:
    other = (await volunteers.post("/v1/volunteers", registration(centre))).json()["id"]
    await volunteers.database.pool.execute(
        "UPDATE volunteer SET phone = (SELECT phone FROM volunteer WHERE id = $1) WHERE id = $2", volunteer, other
    )

    told = await volunteers.post(f"/v1/volunteers/{other}/disclosures", PURPOSE)

    assert told.status_code == 500
    assert PHONE not in told.text
    assert (await volunteers.client.get("/v1/journal/volunteers")).json()["items"] == []


# --- what nobody may set ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    ["role", "roles", "verified", "version", "status", "number", "region", "iin_index", "registered_at", "sealed"],
)
async def test_a_registration_sets_nothing_that_is_not_its_own(
    volunteers: ServiceUnderTest, centre: str, field: str
) -> None:
    answer = await volunteers.post("/v1/volunteers", registration(centre, **{field: "x"}))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")


@pytest.mark.parametrize("field", ["centre_id", "role", "verified", "version", "id", "status", "volunteer_id"])
async def test_a_decision_sets_nothing_that_is_not_its_own(
    volunteers: ServiceUnderTest, volunteer: str, field: str
) -> None:
    for path in ("approvals", "disclosures"):
        body = {field: str(new_id())} | (PURPOSE if path == "disclosures" else {})
        answer = await volunteers.post(f"/v1/volunteers/{volunteer}/{path}", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"#/{field}")


# --- an installation of before ----------------------------------------------------------------------------------------


async def test_what_was_readable_is_sealed_by_the_migration_and_readable_again_by_its_downgrade(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = await fresh_database()
    settings = make_settings(url, "nats://unused", tmp_path / "keys")
    config = alembic.config.Config(attributes={"database_url": url, "keys_dir": settings.keys_dir})
    config.set_main_option(
        "script_location", str(Path(next(iter(services.volunteers.__path__))) / "migrations").replace("%", "%%")
    )
    await asyncio.to_thread(alembic.command.upgrade, config, "0002")
    centre_id, ids = new_id(), [new_id() for _ in range(3)]
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO centre VALUES ($1, 1, 'volunteer_centre', '{}', 'KZ-75', NULL, '2020-01-01', NULL, 'x', now())",
        centre_id,
    )
    for number, volunteer_id in enumerate(ids):
        await connection.execute(
            "INSERT INTO volunteer (id, version, number, status, full_name, sort_key, name_folded, language, born_on,"
            " centre_id, region, directions, skills, languages_spoken, affiliation, applied_on, status_on,"
            " registered_at) VALUES ($1, 1, $2, 'applied', 'А', 'А', 'а', 'kk', '1990-05-17', $3, 'KZ-75', '[]', '[]',"
            " '[]', $4, '2021-01-01', '2021-01-01', now())",
            volunteer_id, number, centre_id, AFFILIATION if number else None,
        )  # fmt: skip

    await asyncio.to_thread(alembic.command.upgrade, config, "head")

    seal, sealed = Seal(settings.keys_dir), await connection.fetch("SELECT * FROM volunteer ORDER BY number")
    opened = [seal.open(row["born_on"], place="volunteer.born_on", row=row["id"]).decode() for row in sealed]
    assert opened == ["1990-05-17"] * 3
    assert [row["born_in"] for row in sealed] == ["1990-05"] * 3
    assert sealed[0]["affiliation"] is None
    assert seal.open(sealed[1]["affiliation"], place="volunteer.affiliation", row=ids[1]).decode() == AFFILIATION
    await asyncio.to_thread(alembic.command.downgrade, config, "0002")
    again = await connection.fetch("SELECT born_on, affiliation FROM volunteer ORDER BY number")
    assert [tuple(row) for row in again] == [
        (date(1990, 5, 17), AFFILIATION if number else None) for number in range(3)
    ]
    await connection.close()
