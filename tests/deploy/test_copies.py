"""The copies that the how-tos take and put back, by the very words that stand there."""

import re
import shlex
import subprocess
from pathlib import Path

from deploy.local.installation import CODE
from deploy.local.postgres import EmbeddedPostgres, program
from tests.deploy.programs import run

HOW_TO = CODE / "docs" / "how-to" / "run-with-compose.md"


def words_of_the_copy() -> list[str]:
    """What follows `exec -T postgres` in the how-to, up to where it is written to a file."""
    text = HOW_TO.read_text(encoding="utf-8").replace("\\\n", " ")
    [words] = re.findall(r"exec -T postgres (pg_basebackup [^\n]*) > ", text)
    return shlex.split(words)


def copy(server: EmbeddedPostgres, into: Path) -> "subprocess.CompletedProcess[bytes]":
    """Take one, with the server's address in place of the container's own."""
    name, *words = words_of_the_copy()
    there = [f"--host={server.sockets}" if word == "--host=127.0.0.1" else word for word in words]
    password = server.password_file.read_text(encoding="utf-8").strip()
    with into.open("wb") as file:
        return subprocess.run(
            [program(name), *there], env={"PGPASSWORD": password}, stdout=file, stderr=subprocess.PIPE, check=False
        )


async def test_a_copy_through_a_pipe_is_a_whole_server(tmp_path: Path) -> None:
    before = EmbeddedPostgres(tmp_path / "before", password_file=tmp_path / "password", durable=False).start()
    connection = await before.connect()
    await connection.execute("CREATE DATABASE charity")
    await connection.execute("CREATE TABLE given AS SELECT generate_series(1, 1000) AS id")

    copied = copy(before, tmp_path / "copy.tar.gz")

    # Behind the copy's back: it must not be in it.
    await connection.execute("DELETE FROM given")
    await connection.close()
    before.stop()
    assert copied.returncode == 0, copied.stderr

    after = EmbeddedPostgres(tmp_path / "after", password_file=tmp_path / "password", durable=False)
    after.home.mkdir()
    after.data.mkdir(mode=0o700)
    # As whoever runs the server, like the how-to: as root it would belong to the number that is in the copy.
    unpacked = run("tar", "--no-same-owner", "-xzf", tmp_path / "copy.tar.gz", "-C", after.data)
    assert unpacked.returncode == 0, unpacked.stderr
    after.start()
    connection = await after.connect()
    try:
        assert await connection.fetchval("SELECT count(*) FROM given") == 1000
        assert await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'charity'") == 1
    finally:
        await connection.close()
        after.stop()
