"""An import as a job: done whole whatever dies on the way, stopped when its maker says so, seen by nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from services.volunteers import commands
from shared.access.permissions import Permission, Role
from shared.access.principal import EVERYTHING, person
from shared.database import DatabaseUnavailable, Transaction
from shared.jobs.job import Job, Page, forget_expired
from shared.jobs.worker import ATTEMPTS_MAX, Kind, Worked, Worker
from tests.shared.conftest import until
from tests.systems import ServiceUnderTest
from tests.volunteers.importing import HEADING, IMPORTS, REGISTERED, Importing, csv_of, row

_WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is held up on purpose waits for as long as that takes; before the service opens its connections."""
    monkeypatch.setattr("shared.database.pool.LOCK_TIMEOUT", "120s")


@pytest.fixture
def importing(volunteers: ServiceUnderTest, centre: str) -> Importing:
    return Importing(volunteers, centre)


def worker_of(importing: Importing) -> Worker:
    worker = importing.service.process.worker
    assert worker is not None
    return worker


async def state(importing: Importing, address: str) -> dict[str, Any]:
    return (await importing.service.client.get(address)).json()


@asynccontextmanager
async def stopped_within_a_page(importing: Importing) -> AsyncIterator[asyncio.Task[bool]]:
    """A worker that has begun a page and gets no further than its consents while this is entered."""
    async with importing.service.database.pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("LOCK TABLE consent IN EXCLUSIVE MODE")
        turn = asyncio.create_task(worker_of(importing).turn(importing.service.process.database))
        await until(lambda: waiting(importing, 1))
        yield turn


async def waiting(importing: Importing, number: int) -> bool:
    return len(await importing.service.database.pool.fetch(f"SELECT pid {_WAITING}")) == number


async def test_a_worker_that_dies_within_a_page_neither_loses_nor_doubles_a_row(importing: Importing) -> None:
    # Given an import of which the first page is done
    address = await importing.begin(csv_of([row(number) for number in range(1200)]))
    await worker_of(importing).turn(importing.service.process.database)
    before = await state(importing, address)
    assert before["status"] == "running"

    # When its worker is stopped in the middle of the second, and when its connection is cut
    for ended in ("cancelled", "cut off"):
        async with stopped_within_a_page(importing) as turn:
            if ended == "cancelled":
                turn.cancel()
            else:
                await importing.service.database.pool.execute(f"SELECT pg_terminate_backend(pid) {_WAITING}")
            with pytest.raises((asyncio.CancelledError, DatabaseUnavailable)):
                await turn
        assert await state(importing, address) == before
        assert await importing.count() == before["progress"]["done"] < 600

    # Then who comes next goes on where it stopped
    await importing.work()
    assert (await state(importing, address))["outcomes"] == {"added": 1200}
    assert await importing.count() == len(await importing.service.outbox(REGISTERED)) == 1200


async def test_several_workers_share_jobs_and_never_a_page(importing: Importing) -> None:
    first = await importing.begin(csv_of([row(number) for number in range(1500)]))
    second = await importing.begin(csv_of([row(number) for number in range(2000, 3500)]))

    async def work() -> None:
        while None in [(await state(importing, address))["ended_at"] for address in (first, second)]:
            await worker_of(importing).turn(importing.service.process.database)

    await asyncio.gather(*(work() for _ in range(3)))

    assert [(await state(importing, address))["outcomes"] for address in (first, second)] == [{"added": 1500}] * 2
    assert await importing.count() == 3000


async def test_a_small_import_does_not_wait_for_a_large_one(importing: Importing) -> None:
    large = await importing.begin(csv_of([row(number) for number in range(2000)]))
    small = await importing.begin(csv_of([row(5000)]))

    for _ in range(2):
        await worker_of(importing).turn(importing.service.process.database)

    assert (await state(importing, small))["status"] == "succeeded"
    assert (await state(importing, large))["status"] == "running"


async def test_a_cancelled_import_stops_after_its_page_and_says_what_is_done(importing: Importing) -> None:
    address = await importing.begin(csv_of([row(number) for number in range(1200)]))
    await worker_of(importing).turn(importing.service.process.database)
    async with stopped_within_a_page(importing) as turn:
        asked = asyncio.create_task(importing.service.client.delete(address))
        await until(lambda: waiting(importing, 2))

    answer = await asked
    await turn
    await importing.work()

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "cancelled"
    # The heading was a row of the first page of five hundred.
    assert answer.json()["progress"]["done"] == await importing.count() == 999
    assert await state(importing, address) == answer.json()
    assert await importing.count("job_page") == 2


async def test_an_import_that_has_ended_is_deleted_with_its_file(importing: Importing) -> None:
    done = await importing.done(csv_of([row(1), row(2, born_on="?")]))
    address = f"{IMPORTS}/{done['id']}"

    answer = await importing.service.client.delete(address)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await importing.service.client.get(address)).status_code == 404
    assert await importing.count("job") == await importing.count("job_page") == 0
    assert await importing.count() == 1


async def test_nobody_else_sees_an_import_and_administrators_do(importing: Importing) -> None:
    maker = importing.service.as_principal(person("person:maker", Role.COORDINATOR))
    other = importing.service.as_principal(person("person:other", Role.COORDINATOR))
    answer = await importing.send(csv_of([row(1), row(2, born_on="?")]), headers=maker)
    address = answer.headers["location"]
    await importing.work()

    for path in (address, f"{address}/rows", f"{address}/refused-rows"):
        answers = [await importing.service.client.get(path, headers=who) for who in (maker, other, {})]
        # What lies in the sheet is personal, and an administrator has no purpose yet.
        opens = path.endswith("refused-rows")
        assert [answer.status_code for answer in answers] == [200, 404, 404 if opens else 200], path
        assert answers[1].json()["code"] == "job-not-found"
    assert (await importing.service.client.delete(address, headers=other)).status_code == 404
    assert (await importing.service.client.get(IMPORTS, headers=other)).json()["items"] == []
    assert await importing.count("job") == 1


async def test_an_import_reaches_as_far_as_its_maker(importing: Importing) -> None:
    # Given two centres, and a coordinator of one of them
    own, other = importing.defaults["centre_id"], str((await _open_centre(importing)).json()["id"])
    maker = importing.service.as_principal(person("person:maker", Role.COORDINATOR, centres=[UUID(own)]))
    known = await importing.done(csv_of([row(9)]), centre_id=other)

    # When their sheet has people for both
    sheet = csv_of([[*row(1), own], [*row(2), other], [*row(9), own]], [*HEADING, "Орталық"])
    answer = await importing.send(sheet, headers=maker)
    await importing.work()

    # Then only their own centre's are registered, and of another centre's people they hear no more than at the door
    address = f"{answer.headers['location']}/rows"
    rows = (await importing.service.client.get(address, headers=maker)).json()["items"]
    assert known["outcomes"] == {"added": 1}
    assert [one["outcome"] for one in rows] == ["added", "refused", "refused"]
    assert rows[2]["problem"]["code"] == "already-registered"
    assert await importing.count() == 2


async def _open_centre(importing: Importing) -> Any:
    form = {"kind": "volunteer_centre", "name": {"kk": "Басқа"}, "region": "KZ-71", "opened_on": "2020-01-01"}
    return await importing.service.post("/v1/centres", form)


async def test_a_job_of_a_maker_who_is_no_longer_understood_holds_up_no_other(importing: Importing) -> None:
    pool = importing.service.database.pool
    odd = await importing.begin(csv_of([row(1)]))
    await pool.execute("UPDATE job SET principal = jsonb_build_object('id', 'person:old')")

    fine = await importing.begin(csv_of([row(2)]))
    await importing.work()

    assert (await state(importing, fine))["status"] == "succeeded"
    assert (await state(importing, odd))["status"] == "queued"
    assert await pool.fetchval("SELECT attempts FROM job WHERE status = 'queued'") >= 1


async def test_a_dry_run_s_keys_and_a_job_s_rows_are_gone_when_it_expires(importing: Importing) -> None:
    dry = await importing.done(csv_of([row(1)]), validate_only="true")
    assert await importing.count("job_key") > 0
    await importing.service.database.pool.execute("UPDATE job SET expires_at = now() - interval '1 second'")

    async with importing.service.database.transaction(EVERYTHING) as tx:
        await forget_expired(tx)

    assert await importing.count("job") == await importing.count("job_page") == await importing.count("job_key") == 0
    assert (await importing.service.client.get(f"{IMPORTS}/{dry['id']}")).status_code == 404


async def test_nothing_of_a_person_lies_open_in_a_job(importing: Importing) -> None:
    rows = [row(1, name="Құпия Есім"), row(2, name="Құпия Есім", born_on="?")]
    await importing.done(csv_of(rows), validate_only="true")

    for table in ("job", "job_page", "job_key"):
        for record in await importing.service.database.pool.fetch(f"SELECT * FROM {table}"):  # noqa: S608
            kept = b"".join(v if isinstance(v, bytes) else str(v).encode() for v in record.values())
            assert "Құпия".encode() not in kept
            assert b"0000001" not in kept


async def test_a_job_that_cannot_be_done_is_given_up_and_holds_up_no_other(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody comes back to the broken one before it is due.
    monkeypatch.setattr("shared.jobs.worker._PAUSE_S", 3600.0)
    pool = importing.service.database.pool
    broken = await importing.begin(csv_of([row(1)]))

    async def fail(_: Transaction, __: Job, ___: Page) -> Worked:
        raise ZeroDivisionError

    failing = Worker({commands.IMPORT: Kind(fail, Permission.WRITE_VOLUNTEERS)}, lambda: importing.service.process.seal)
    await failing.turn(importing.service.process.database)
    other = await importing.begin(csv_of([row(2)]))
    await importing.work()
    assert (await state(importing, other))["status"] == "succeeded"
    assert (await state(importing, broken))["status"] == "queued"

    for _ in range(ATTEMPTS_MAX - 1):
        await pool.execute("UPDATE job SET due_at = now() WHERE ended_at IS NULL")
        await failing.turn(importing.service.process.database)

    assert (await state(importing, broken))["status"] == "failed"
    assert not await failing.turn(importing.service.process.database)
    assert await importing.count() == 1
