"""`kill -9` of the service in the middle of an import that came through the one door: every person is there, once."""

from typing import Any
from uuid import UUID

import pytest

from tests.faults.behind import database_of
from tests.running import RunningSystem, until
from tests.volunteers.importing import HEADING, IMPORTS, csv_of, row

pytestmark = pytest.mark.faults
ROWS = 6_000


async def test_an_import_survives_the_death_of_its_service(running_system: RunningSystem) -> None:
    async with running_system.client(timeout_s=60) as client:
        # Given a sheet that is larger than other requests may be, sent to the gateway
        form = {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"}
        centre = (await client.post("/v1/centres", json=form)).raise_for_status().json()["id"]
        remark = "ескерту " * 60
        rows = [[*row(number), remark] for number in range(ROWS)]
        sheet = csv_of(rows, [*HEADING, "Ескерту"])
        assert len(sheet) > 4 * 1024 * 1024
        same = {
            "centre_id": centre, "language": "kk", "applied_on": "2021-03-01",
            "consent_version": "1", "consent_given_on": "2021-02-28", "consent_how": "paper",
        }  # fmt: skip
        answer = await client.post(IMPORTS, params=same, content=sheet, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 202, answer.text
        address = answer.headers["location"]

        async def progress() -> dict[str, Any] | None:
            told = await client.get(address)
            return dict(told.json()) if told.is_success else None

        # When the service is killed while it works
        async def begun() -> bool:
            told = await progress()
            return told is not None and told["progress"]["done"] > 0

        await until("the import has begun", begun)
        with running_system.held():
            await running_system.kill_all_of("volunteers")
            async with database_of(running_system, "volunteers") as database:
                done = await database.fetchval("SELECT count(*) FROM volunteer WHERE centre_id = $1", UUID(centre))
            assert 0 < done < ROWS
        await running_system.wait_ready()

        # Then it goes on where it stopped
        async def ended() -> dict[str, Any] | None:
            told = await progress()
            return told if told is not None and told["ended_at"] else None

        done = await until("the import has ended", ended)
        assert (done["status"], done["outcomes"]) == ("succeeded", {"added": ROWS})
        assert done["ignored"] == ["Ескерту"]
        again = await client.post(IMPORTS, params=same, content=sheet, headers={"Content-Type": "text/csv"})
        address = again.headers["location"]
        assert (await until("the second import has ended", ended))["outcomes"] == {"already_there": ROWS}
    await running_system.settled()
    report = await running_system.verify()
    assert report.ok, report.differences[:20]
