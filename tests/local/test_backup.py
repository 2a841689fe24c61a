"""Backups of a stopped installation, taken and restored by the commands that an operator types."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local import system
from deploy.local.installation import CODE, Installation
from deploy.operate import backups

ASAR = [sys.executable, "-c", "from deploy.operate.cli import main; main()"]
NUMBERS = "CREATE SEQUENCE volunteer_number INCREMENT 50; SELECT nextval('volunteer_number')"


def asar(*words: str | Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, *ASAR, *map(str, words)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=CODE, env=environment, capture_output=True, text=True, check=False, timeout=300)


def told(*words: str | Path) -> dict[str, Any]:
    done = asar(*words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
async def installation(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Installation:
    """One whose databases have something in them, and which does not run."""
    installation = Installation(tmp_path_factory.mktemp("it") / "the data")
    server = installation.postgres.start()
    try:
        await system.databases(installation)
        connection = await server.connect("charity")
        await connection.execute("CREATE TABLE kept (what text); INSERT INTO kept VALUES ('ақша')")
        await connection.close()
        connection = await server.connect("volunteers")
        await connection.execute(NUMBERS)
        await connection.close()
    finally:
        server.stop()
    return installation


@pytest.fixture(scope="module")
def backup(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(told("backup", tmp_path_factory.mktemp("backups"), "--data-dir", installation.data_dir)["backup"])


@pytest.fixture
def copy(backup: Path, tmp_path: Path) -> Iterator[Path]:
    """A backup that may be spoilt."""
    copy = Path(shutil.copytree(backup, tmp_path / "copy"))
    yield copy
    shutil.rmtree(copy)


async def test_what_was_copied_is_there_again(installation: Installation, backup: Path, tmp_path: Path) -> None:
    restored = asar("restore", backup, "--data-dir", tmp_path / "restored")

    assert restored.returncode == 0, restored.stderr
    again = Installation(tmp_path / "restored")
    assert {file.name: file.read_bytes() for file in again.keys.iterdir()} == {
        file.name: file.read_bytes() for file in installation.keys.iterdir()
    }
    again.postgres.start()
    try:
        connection = await asyncpg.connect(again.postgres.url("charity"))
        assert await connection.fetchval("SELECT what FROM kept") == "ақша"
        await connection.close()
        connection = await asyncpg.connect(again.postgres.url("volunteers"))
        # What was given out after the backup must not be given to somebody else.
        assert await connection.fetchval("SELECT nextval('volunteer_number')") > 10_000
        await connection.close()
    finally:
        again.postgres.stop()
    assert again.epoch != installation.epoch


def test_nobody_else_can_read_it(backup: Path) -> None:
    paths = [backup, *backup.rglob("*")]

    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}


def test_what_else_lies_in_the_folder_is_left_alone(installation: Installation, tmp_path: Path) -> None:
    others = tmp_path / "photographs"
    others.mkdir()
    tmp_path.chmod(0o755)
    others.chmod(0o755)

    told("backup", tmp_path, "--data-dir", installation.data_dir, "--keep", "1")

    assert [oct(folder.stat().st_mode & 0o777) for folder in (tmp_path, others)] == ["0o755"] * 2


def test_it_tells_what_is_in_it(backup: Path) -> None:
    manifest = backups.read(backup)

    assert manifest.postgres.startswith("18")
    assert {"postgres/base.tar.gz", "postgres/pg_wal.tar.gz", "installation/secrets/postgres.password"} <= set(
        manifest.files
    )
    assert any(name.startswith("installation/keys/") for name in manifest.files)
    assert manifest.began_at < manifest.made_at


def test_a_folder_that_is_not_empty_is_refused(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("is mine")

    refused = asar("restore", backup, "--data-dir", tmp_path)

    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "file", ["postgres/base.tar.gz", "postgres/backup_manifest", "installation/secrets/postgres.password"]
)
def test_a_damaged_one_is_refused_and_nothing_is_left_behind(copy: Path, file: str, tmp_path: Path) -> None:
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)

    refused = asar("restore", copy, "--data-dir", tmp_path / "restored")

    assert (refused.returncode, f"{file} is not as it was" in refused.stderr) == (1, True), refused.stderr
    assert list((tmp_path / "restored").iterdir()) == []


def test_a_file_that_differs_from_what_the_server_sent_is_found(copy: Path) -> None:
    manifest = (copy / backups.SERVERS_OWN).read_bytes()
    backups.check_base(copy, lambda _: None)
    (copy / backups.SERVERS_OWN).write_bytes(manifest.replace(b'"Size": 3,', b'"Size": 4,', 1))

    with pytest.raises(backups.CannotRun, match="manifest in the backup is damaged"):
        backups.check_base(copy, lambda _: None)


@pytest.mark.parametrize("what", ["nothing", "no backup"])
def test_what_is_no_backup_is_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "no backup").mkdir()

    refused = asar("restore", tmp_path / what, "--data-dir", tmp_path / "restored")

    assert (refused.returncode, "There is no" in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)


def test_a_moment_that_the_backup_is_younger_than_is_refused(backup: Path, tmp_path: Path) -> None:
    refused = asar("restore", backup, "--data-dir", tmp_path / "restored", "--until", "2020-01-01T00:00:00Z")

    assert (refused.returncode, "Choose an earlier backup" in refused.stderr) == (1, True)


@pytest.mark.parametrize("moment", ["yesterday", "2999-01-01T00:00:00Z"])
def test_a_moment_that_is_none_is_refused(backup: Path, moment: str, tmp_path: Path) -> None:
    refused = asar("restore", backup, "--data-dir", tmp_path / "restored", "--until", moment)

    assert (refused.returncode, moment in refused.stderr) == (1, True)


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk is made with Linux's namespaces")
def test_a_full_disk_is_said_and_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    small = tmp_path / "small disk"
    small.mkdir()
    mount = 'mount -t tmpfs -o size=2m tmpfs "$0" && "$@"; status=$?; ls -A "$0"; exit $status'
    as_root = ("unshare", "--mount", "--map-root-user") if os.geteuid() else ("unshare", "--mount")

    full = asar("backup", small, "--data-dir", installation.data_dir, before=(*as_root, "sh", "-c", mount, str(small)))

    assert (full.returncode, "is full" in full.stderr, "Traceback" in full.stderr) == (1, True, False), full.stderr
    assert full.stdout.split() == [".lock"]


def test_the_newest_of_a_folder_are_kept(installation: Installation, tmp_path: Path) -> None:
    for _ in range(3):
        told("backup", tmp_path, "--data-dir", installation.data_dir, "--keep", "2")
    other = tmp_path / "of another epoch"
    shutil.copytree(backups.all_in(tmp_path)[0], other)
    manifest = backups.read(other)
    backups.write(other, manifest.model_copy(update={"epoch": "another"}))

    last = told("backup", tmp_path, "--data-dir", installation.data_dir, "--keep", "1")

    assert {one.name for one in backups.all_in(tmp_path)} == {other.name, Path(last["backup"]).name}
