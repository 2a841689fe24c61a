"""Imports of volunteers: from a coordinator's sheet to registered people, and the refused rows back again."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from services.gateway.proxy import LARGER_BODIES
from services.volunteers.reference import COLUMNS
from shared.access.permissions import Role
from shared.access.principal import ANYONE, person
from shared.people import check_digit, masked_iin
from shared.requests import FILES_AT_ONCE
from shared.sheets.limits import BINARY, CSV_TYPE, XLSX_TYPE
from tests.shared.conftest import until
from tests.shared.test_sheets import HOSTILE, NUMBERS, PAYLOADS
from tests.systems import ServiceUnderTest
from tests.volunteers.importing import HEADING, IMPORTS, REGISTERED, Importing, cells_of, csv_of, row, xlsx_of

LANGUAGES = ("kk", "ru", "en")


@pytest.fixture
def importing(volunteers: ServiceUnderTest, centre: str) -> Importing:
    return Importing(volunteers, centre)


async def test_good_rows_are_registered_and_bad_ones_come_back_as_a_sheet(importing: Importing) -> None:
    # Given a sheet of a thousand, seven of them wrong
    rows = [row(number) for number in range(1000)]
    rows[10] = row(10, name="")
    rows[200] = row(200, born_on="вчера")
    rows[499] = row(499, born_on="31.02.1990")
    rows[500] = row(500, directions="полёты")
    rows[700] = row(700, phone="телефон жоқ")
    rows[800] = row(800, born_on="17.05.2012")
    rows[999] = row(999, phone=rows[0][2])

    # When it is imported
    done = await importing.done(csv_of(rows))

    # Then all others are registered, by the same command and with the same announcement as at the door
    assert done["status"] == "succeeded"
    assert done["progress"] == {"done": 1000, "total": 1000, "failed": 7}
    assert done["outcomes"] == {"added": 993, "refused": 7}
    assert await importing.count() == await importing.count("consent") == 993
    assert len(await importing.service.outbox(REGISTERED)) == 993
    refused = await importing.rows(done, outcome="refused")
    assert [(one["row"], one["problem"]["code"]) for one in refused] == [
        (12, "validation-failed"),
        (202, "validation-failed"),
        (501, "validation-failed"),
        (502, "direction-unknown"),
        (702, "validation-failed"),
        (802, "guardian-consent-missing"),
        (1001, "already-registered"),
    ]
    # And the seven come back as they were, with what is wrong
    answer = await importing.service.client.get(done["errors_url"], headers={"Accept-Language": "ru"})
    assert answer.headers["content-type"] == XLSX_TYPE
    assert "attachment" in answer.headers["content-disposition"]
    sheet = cells_of(answer.content)
    assert sheet[0] == [*HEADING, "Ошибка"]
    assert [line[:4] for line in sheet[1:]] == [rows[n] for n in (10, 200, 499, 500, 700, 800, 999)]
    assert str(sheet[1][4]).startswith("ФИО: ")
    assert str(sheet[2][4]).startswith("Дата рождения: ")


async def test_the_same_file_twice_adds_nobody(importing: Importing) -> None:
    rows = [row(number) for number in range(600)]
    rows[5] = row(5, phone="")

    first = await importing.done(csv_of(rows))
    again = await importing.done(csv_of(rows))
    as_workbook = await importing.done(xlsx_of(rows))

    assert first["outcomes"] == {"added": 600}
    assert again["outcomes"] == as_workbook["outcomes"] == {"already_there": 600}
    assert again["progress"]["failed"] == 0
    assert "errors_url" not in again or again["errors_url"] is None
    assert await importing.count() == len(await importing.service.outbox(REGISTERED)) == 600
    assert [one["id"] for one in await importing.rows(first)] == [one["id"] for one in await importing.rows(again)]


async def test_who_stands_in_a_file_twice_is_one_person(importing: Importing) -> None:
    rows = [row(number) for number in range(505)]
    rows[3] = row(1)
    rows[504] = row(2)
    rows[7] = row(7, phone=rows[6][2])

    done = await importing.done(csv_of(rows))

    found = {one["row"]: one for one in await importing.rows(done)}
    assert done["outcomes"] == {"added": 502, "already_there": 2, "refused": 1}
    assert (found[5]["outcome"], found[5]["id"]) == ("already_there", found[3]["id"])
    assert (found[506]["outcome"], found[506]["id"]) == ("already_there", found[4]["id"])
    assert found[9]["problem"]["code"] == "already-registered"


async def test_the_corrected_rows_are_sent_as_they_came_back(importing: Importing) -> None:
    done = await importing.done(csv_of([row(1), row(2, born_on="?"), row(3, name="=Әли")]))
    heading, refused = await importing.refused(done, "kk", "csv")
    refused[1] = "1990-05-17"

    again = await importing.done(csv_of([refused], heading))

    assert heading[-1] == "Қате"
    assert again["outcomes"] == {"added": 1}
    assert again["ignored"] == ["Қате"]
    # What our own file guards with an apostrophe is read without it.
    third = await importing.done(csv_of([row(3, name="'=Әли")]))
    assert third["outcomes"] == {"already_there": 1}


async def test_numbers_and_days_of_a_workbook_are_taken_as_they_were_meant(importing: Importing) -> None:
    heading = ["ФИО", "ИИН", "Сотовый телефон", "Дата рождения (дд.мм.гггг)", "Язык", "Кто дал согласие", "Примечание"]
    # Of 1805, so that nobody has it; a spreadsheet program takes its first digit for nothing.
    iin = f"05051710001{check_digit('05051710001')}"
    rows = [["Мысалова Дана", int(iin), 77011234567, date(1990, 5, 17), "русский", "сам(а)", "x"]]

    done = await importing.done(xlsx_of(rows, heading), language="")

    [one] = await importing.rows(done)
    assert one["outcome"] == "added", one
    volunteer = (await importing.service.client.get(f"/v1/volunteers/{one['id']}")).json()
    assert (volunteer["born_in"], volunteer["language"]) == ("1990-05", "ru")
    assert volunteer["iin"] == masked_iin(iin)
    found = await importing.service.post("/v1/volunteers/searches", {"phone": "+77011234567"})
    assert [item["id"] for item in found.json()["items"]] == [one["id"]]
    assert done["columns"]["born_on"] == "Дата рождения (дд.мм.гггг)"
    assert done["ignored"] == ["Примечание"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_template_is_recognised_in_each_language(importing: Importing, language: str) -> None:
    for format_ in ("xlsx", "csv"):
        answer = await importing.service.client.get(
            "/v1/volunteers/import-templates", params={"format": format_}, headers={"Accept-Language": language}
        )
        [heading] = cells_of(answer.content)
        said = {"full_name": "Әли Мысал", "born_on": "1990-05-17"}
        fields = [column.field for column in COLUMNS if column.in_template]
        cells = [said.get(field, "") for field in fields]

        done = await importing.done(csv_of([cells], heading))

        assert answer.headers["content-disposition"].endswith(f'volunteers.{format_}"')
        assert list(done["columns"]) == fields
        assert done["ignored"] == []
        assert done["progress"]["failed"] == 0


async def test_a_formula_is_refused_where_it_matters_and_ignored_elsewhere(importing: Importing) -> None:
    heading = [*HEADING, "Жасы"]
    computed = [[*row(1), 30], [*row(2), 31]]

    done = await importing.done(xlsx_of(computed, heading, formulas={(1, 4): "=2020-1990", (2, 2): "=A1"}))

    added, refused = await importing.rows(done)
    assert added["outcome"] == "added"
    assert (refused["problem"]["code"], refused["problem"]["errors"][0]["pointer"]) == ("formula-in-cell", "#/phone")


async def test_a_centre_is_named_as_people_call_it(importing: Importing) -> None:
    heading = [*HEADING, "Дом дружбы"]
    rows = [[*row(1), "орталық"], [*row(2), "Жоқ орталық"], [*row(3), ""], [*row(4), importing.defaults["centre_id"]]]

    done = await importing.done(csv_of(rows, heading))

    outcomes = [one["outcome"] for one in await importing.rows(done)]
    assert outcomes == ["added", "refused", "added", "added"]
    assert (await importing.rows(done, outcome="refused"))[0]["problem"]["code"] == "centre-unknown"


async def test_parts_of_a_name_are_put_together_and_lost_letters_are_noticed(importing: Importing) -> None:
    heading = ["Фамилия", "Имя", "Отчество", "Дата рождения"]

    done = await importing.done(
        csv_of([["Ким", "Елена", "", "1.2.1990"], ["?асымова", "Айг?л", "", "1.2.1990"]], heading)
    )

    added, lost = await importing.rows(done)
    assert (await importing.service.client.get(f"/v1/volunteers/{added['id']}")).json()["full_name"] == "Ким Елена"
    assert lost["problem"]["code"] == "letters-lost"


@pytest.mark.parametrize(
    ("language", "heading", "says"),
    [("kk", "Қате", "Туған күні"), ("ru", "Ошибка", "Дата рождения"), ("en", "Error", "Date of birth")],
)
async def test_refused_rows_are_explained_in_the_reader_s_language(
    importing: Importing, language: str, heading: str, says: str
) -> None:
    done = await importing.done(csv_of([row(1, born_on="")]))

    first, refused = await importing.refused(done, language)
    [told] = (await importing.service.client.get(done["result_url"], headers={"Accept-Language": language})).json()[
        "items"
    ]

    assert first[-1] == heading
    assert refused[-1].startswith(f"{says}: ")
    assert told["problem"]["errors"][0]["message"] in refused[-1]


async def test_a_dry_run_tells_what_would_happen_and_changes_nothing(importing: Importing) -> None:
    pool = importing.service.database.pool
    await importing.done(csv_of([row(1)]))
    rows = [row(number) for number in range(1100)]
    rows[9], rows[700], rows[1000] = row(9, born_on="?"), row(3), row(1000, phone=rows[4][2])
    before = await pool.fetchval("SELECT last_value FROM volunteer_number"), await importing.count("outbox")

    dry = await importing.done(csv_of(rows), validate_only="true")

    assert dry["validate_only"] is True
    assert (await pool.fetchval("SELECT last_value FROM volunteer_number"), await importing.count("outbox")) == before
    assert await importing.count() == await importing.count("consent") == await importing.count("statuschange") == 1
    # And the import does what was told, though the repeats are pages apart
    told = [(one["row"], one["outcome"]) for one in await importing.rows(dry)]
    done = await importing.done(csv_of(rows))
    assert [(one["row"], one["outcome"]) for one in await importing.rows(done)] == told
    assert dry["outcomes"] == done["outcomes"] == {"added": 1096, "already_there": 2, "refused": 2}
    assert all(one.get("id") is None for one in await importing.rows(dry, outcome="added"))


async def test_t9_no_formula_comes_back_whatever_was_typed_into_the_sheet(importing: Importing) -> None:
    rows = [row(number, name=text, born_on="?") for number, text in enumerate([*PAYLOADS, *NUMBERS], 1)]

    done = await importing.done(xlsx_of(rows))

    answer = await importing.service.client.get(done["errors_url"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    workbook = [cells[0] for cells in (await importing.refused(done, "kk"))[1:]]
    assert workbook == [text.strip() for text in [*PAYLOADS, *NUMBERS]]
    for cells in (await importing.refused(done, "kk", "csv"))[1:]:
        assert cells[0][0] not in "=@|%＝＋－＠" or cells[0] in NUMBERS


# --- at the door ----------------------------------------------------------------------------------------------------


async def test_t10_hostile_files_are_refused_at_the_door(importing: Importing) -> None:
    for name, (make, refusal) in HOSTILE.items():
        content = make()
        media_type = XLSX_TYPE if content.startswith(BINARY) else CSV_TYPE

        answer = await importing.send(content, headers={"Content-Type": media_type})

        assert 400 <= answer.status_code < 500, name
        # A sheet that goes on for too long is not read to its end if it does not begin as one of volunteers.
        assert answer.json()["code"] in (refusal.code(), "headings-not-recognised"), name
    assert await importing.count("job") == 0


async def test_what_cannot_be_an_import_is_refused_with_its_reason(importing: Importing) -> None:
    sheet = csv_of([row(1)])
    by_answer = {
        "sheet-expected": await importing.send(sheet, headers={"Content-Type": "application/json"}),
        "sheet-unreadable": await importing.send(sheet, headers={"Content-Type": XLSX_TYPE}),
        "headings-not-recognised": await importing.send(csv_of([row(1)], ["a", "b", "c", "d"])),
        "sheet-empty": await importing.send(csv_of([])),
        "payload-too-large": await importing.send(b"a" * (32 * 1024 * 1024 + 1)),
        "validation-failed": await importing.send(sheet, centre_id="none"),
    }

    assert {code: answer.json()["code"] for code, answer in by_answer.items()} == {code: code for code in by_answer}
    assert [answer.status_code for answer in by_answer.values()] == [415, 400, 422, 422, 413, 422]
    assert await importing.count("job") == 0


async def test_the_gateway_lets_through_what_the_service_takes(importing: Importing) -> None:
    assert importing.service.process.larger_bodies == LARGER_BODIES


async def test_only_who_may_write_volunteers_may_import_them(importing: Importing) -> None:
    auditor = importing.service.as_principal(person("person:auditor", Role.AUDITOR))

    answer = await importing.send(csv_of([row(1)]), headers=auditor)

    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")


async def test_few_files_are_taken_at_a_time_and_none_of_who_may_not_send_one(importing: Importing) -> None:
    arrived = asyncio.Event()
    begun: list[None] = []

    async def slowly() -> AsyncIterator[bytes]:
        begun.append(None)
        await arrived.wait()
        yield csv_of([row(1)])

    def send(who: dict[str, str]) -> Any:
        headers = {"Content-Type": CSV_TYPE, "Idempotency-Key": "one", **who}
        return importing.service.client.post(IMPORTS, content=slowly(), params=importing.defaults, headers=headers)

    nobody = importing.service.as_principal(ANYONE)
    sent = [asyncio.create_task(send({"Idempotency-Key": f"{n}"})) for n in range(FILES_AT_ONCE)]
    await until(lambda: len(begun) == FILES_AT_ONCE)
    busy = await send({})
    unknown = await send(nobody)
    arrived.set()

    assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (503, "busy", "1")
    assert unknown.status_code == 401
    assert [answer.status_code for answer in await asyncio.gather(*sent)] == [202] * FILES_AT_ONCE
    assert (await send({})).status_code == 202


async def test_a_request_that_is_sent_again_begins_one_import(importing: Importing) -> None:
    headers = {"Idempotency-Key": "sheet-1"}
    first, again = [await importing.send(csv_of([row(1)]), headers=headers) for _ in range(2)]

    assert first.status_code == again.status_code == 202
    assert first.headers["location"] == again.headers["location"]
    assert await importing.count("job") == 1
    assert first.headers["retry-after"] == "1"


async def test_one_s_own_imports_are_listed(importing: Importing) -> None:
    address = await importing.begin(csv_of([row(1)]))
    listed = (await importing.service.client.get(IMPORTS)).json()["items"]

    assert [f"{IMPORTS}/{one['id']}" for one in listed] == [address]
    assert (listed[0]["status"], listed[0]["progress"]) == ("queued", {"done": 0, "total": 1, "failed": 0})
