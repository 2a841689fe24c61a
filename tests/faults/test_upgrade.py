"""`asar upgrade` under load: other code, other messages and other tables take over, and nobody is turned away."""

import asyncio
import re
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from alembic.script import ScriptDirectory

from deploy.local.installation import CODE, SERVICES
from tests.faults.behind import database_of
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.faults.watching import all_greeted, watchers
from tests.running import RunningSystem

pytestmark = pytest.mark.faults
WATCHERS = 5
MIGRATION = '''"""A gift has a column that later versions use."""

from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE donation ADD COLUMN of_later INTEGER")


def downgrade() -> None:
    op.execute("ALTER TABLE donation DROP COLUMN of_later")
'''


@pytest.fixture(scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[RunningSystem]:
    """A system that runs from a copy of the code, which can become another version under its hands."""
    folder = tmp_path_factory.mktemp("an upgraded system")
    without = shutil.ignore_patterns("dashboard", "__pycache__")
    for part in ("services", "shared", "deploy"):
        shutil.copytree(CODE / part, folder / "code" / part, ignore=without)
    system = RunningSystem(folder, code=folder / "code")
    await system.start()
    yield system
    await system.stop()


@pytest.mark.fault(17, "all tables of all services taken anew")
async def test_nobody_waits_longer_than_a_second_for_a_migration(system: RunningSystem, verdict: Verdict) -> None:
    # Given a database that writes down which service waits for a lock for longer than that
    async with _administrator(system) as administrator:
        for service in SERVICES:
            await administrator.execute(f"ALTER ROLE {service} SET log_lock_waits = on")
            await administrator.execute(f"ALTER ROLE {service} SET deadlock_timeout = '1s'")
    await system.asar("upgrade")
    assert _waits(system) == 0
    await _wait_for_a_lock(system)
    assert _waits(system) == 1

    # When the policies of all their tables are made anew, and those who read and write go on
    async with under_load(system, verdict) as life:
        for service in SERVICES:
            connection = await asyncpg.connect(system.installation.database_url(service, as_owner=True))
            await connection.execute("COMMENT ON TABLE alembic_version IS 'of another version'")
            await connection.close()
        (system.data_dir / "migrated.json").unlink()
        await system.asar("upgrade")

        # Then nothing failed, and nobody waited so long
        assert life.history.failures() == []
    assert _waits(system) == 1


@pytest.mark.fault(16, "one version upgraded to the next")
async def test_an_upgrade_turns_nobody_away(system: RunningSystem, verdict: Verdict) -> None:
    before = {part: system.pid_of(part) for part in ("supervisor", "postgres", "nats", *SERVICES)}
    async with under_load(system, verdict) as life, watchers(system, WATCHERS) as watching, newcomers(system) as new:
        _become_another_version(system.code)
        said = await system.asar("upgrade")
        await life.goes_on()
        await all_greeted(watching, 2)

        assert life.history.failures() == []
        assert new == {"answered": new["answered"], "failed": 0}
    assert [watcher.failures for watcher in watching] == [[]] * WATCHERS
    assert all(watcher.told_to_come_again for watcher in watching)

    after = {part: system.pid_of(part) for part in before}
    assert {part for part in before if before[part] != after[part]} == set(SERVICES)
    assert [name for name in SERVICES if f"{name} is replaced" not in said] == []
    assert [await _code_of(system, name) for name in SERVICES] == ["new"] * len(SERVICES)
    old, new_ = await _versions_of_messages(system)
    assert (old > 0, new_ > 0) == (True, True)
    assert "goes on as it was started" not in said


def _become_another_version(code: Path) -> None:
    """Another column, another field in a message, another answer to who asks for its life."""
    charity = code / "services" / "charity" / "migrations"
    head = ScriptDirectory(str(charity)).get_current_head()
    (charity / "versions" / "9001_a_column_of_later.py").write_text(MIGRATION.format(head=head), encoding="utf-8")
    _edit(code / "shared" / "contracts" / "charity.py", r'(type: .* = "charity\.donation\.received\.v1"\n)',
          r"\1    of_later: int = 7\n")  # fmt: skip
    _edit(code / "shared" / "health.py", r'\{"status": "live"\}', '{"status": "live", "code": "new"}')


def _edit(file: Path, pattern: str, becomes: str) -> None:
    text, times = re.subn(pattern, becomes, file.read_text(encoding="utf-8"))
    assert times == 1, file
    file.write_text(text, encoding="utf-8")


@asynccontextmanager
async def newcomers(system: RunningSystem) -> AsyncGenerator[dict[str, int]]:
    """Callers who make a connection for each request: how many were answered, and how many were not."""
    counted = {"answered": 0, "failed": 0}

    async def come() -> None:
        async with httpx.AsyncClient(base_url=system.address, timeout=30, headers={"Connection": "close"}) as client:
            while True:
                try:
                    answer = await client.get("/v1/dashboard", params={"scope": "kz"})
                except httpx.HTTPError:
                    counted["failed"] += 1
                else:
                    # Who comes too often hears so, which is an answer.
                    counted["failed" if answer.is_server_error else "answered"] += 1
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(come()) for _ in range(3)]
    try:
        yield counted
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _code_of(system: RunningSystem, service: str) -> str | None:
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{system.installation.port_of(service)}/health/live")
    told: dict[str, str] = answer.json()
    return told.get("code")


async def _versions_of_messages(system: RunningSystem) -> tuple[int, int]:
    """How many gifts were announced without and with the new field."""
    connection = await asyncpg.connect(system.installation.database_url("charity", as_owner=True))
    try:
        rows = await connection.fetch("SELECT body FROM outbox WHERE type = 'charity.donation.received.v1'")
        new = sum('"of_later":7' in row["body"] for row in rows)
        return len(rows) - new, new
    finally:
        await connection.close()


@asynccontextmanager
async def _administrator(system: RunningSystem) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await system.installation.postgres.connect()
    try:
        yield connection
    finally:
        await connection.close()


def _waits(system: RunningSystem) -> int:
    """How many waits for a table, of more than a second, the database has written down."""
    log = (system.installation.logs / "postgres.log").read_text(encoding="utf-8")
    return len(re.findall(r" still waiting for \w+ on relation ", log))


async def _wait_for_a_lock(system: RunningSystem) -> None:
    """Have a statement of charity's wait for so long that it is written down."""
    waiting = {"lock_timeout": "3s"}
    async with database_of(system, "charity") as holder, holder.transaction():
        await holder.execute("LOCK TABLE campaign")
        waiter = await asyncpg.connect(system.installation.database_url("charity"), server_settings=waiting)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await waiter.execute("SELECT FROM campaign")
        await waiter.close()
