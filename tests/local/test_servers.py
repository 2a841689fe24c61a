"""The embedded servers: they start in awkward places, keep their data and guard their doors."""

import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import nats as nats_client
import psutil
import pytest

from deploy.bus.configuration import UNRESTRICTED
from deploy.local.nats import EmbeddedNats
from deploy.local.postgres import EmbeddedPostgres


async def test_each_test_finds_an_empty_database(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)

    tables = await connection.fetch("SELECT * FROM pg_tables WHERE schemaname = 'public'")
    provider = await connection.fetchval("SELECT datlocprovider FROM pg_database WHERE datname = current_database()")
    lower = await connection.fetchval("SELECT lower('ҚАЗАҚСТАН')")
    await connection.close()

    assert (tables, provider, lower) == ([], b"b", "қазақстан")


async def test_a_database_can_be_a_copy_of_another(fresh_database: Callable[..., Awaitable[str]]) -> None:
    first = await fresh_database()
    connection = await asyncpg.connect(first)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    name = await connection.fetchval("SELECT current_database()")
    await connection.close()

    connection = await asyncpg.connect(await fresh_database(template=name))

    assert await connection.fetchval("SELECT answer FROM kept") == 42
    await connection.close()


async def test_an_owner_reaches_its_own_database_only(postgres: EmbeddedPostgres) -> None:
    for name in ("ours", "theirs", "ours"):
        await postgres.ensure_role(name, password=f"it's {name}")
        await postgres.ensure_database(name, owner=name, service=name)

    connection = await asyncpg.connect(postgres.url("ours", user="ours", password="it's ours"))
    await connection.execute("CREATE TABLE own (id int)")
    await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url("theirs", user="ours", password="it's ours"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.url("ours", user="ours", password="guessed"))


async def test_what_a_service_owned_becomes_its_owners_and_its_own_schemas_stay(postgres: EmbeddedPostgres) -> None:
    """An installation of the time before there were owners."""
    for role in ("single", "single_owner"):
        await postgres.ensure_role(role, role)
    await postgres.ensure_database("single", owner="single", service="single", rights="CONNECT, CREATE")
    connection = await asyncpg.connect(postgres.url("single", user="single", password="single"))
    await connection.execute(
        "CREATE TABLE kept (id int GENERATED ALWAYS AS IDENTITY, n serial); CREATE SEQUENCE numbers;"
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE SCHEMA model; CREATE TABLE model.own (id int)"
    )
    await connection.close()

    for _ in range(2):
        await postgres.ensure_database("single", owner="single_owner", service="single", rights="CONNECT, CREATE")

    connection = await postgres.connect("single")
    rows = await connection.fetch(
        "SELECT oid::regclass::text, relowner::regrole::text FROM pg_class WHERE relkind IN ('r', 'S')"
        " AND relnamespace IN ('public'::regnamespace, 'model'::regnamespace)"
        " UNION SELECT proname, proowner::regrole::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " UNION SELECT datname, datdba::regrole::text FROM pg_database WHERE datname = 'single'"
    )
    owners: dict[str, str] = {row[0]: row[1] for row in rows}
    await connection.close()
    assert owners.pop("model.own") == "single"
    assert {"kept", "kept_id_seq", "kept_n_seq", "numbers", "one", "single"} == owners.keys()
    assert set(owners.values()) == {"single_owner"}


def test_the_folders_are_closed_to_others(postgres: EmbeddedPostgres, nats: EmbeddedNats) -> None:
    folders = [postgres.home, postgres.data, postgres.sockets, nats.home / "streams"]
    secrets = [postgres.password_file, nats.password_file(UNRESTRICTED.name), nats.config]

    assert [oct(folder.stat().st_mode & 0o777) for folder in folders] == ["0o700"] * 4
    assert [oct(file.stat().st_mode & 0o777) for file in secrets] == ["0o600"] * 3


async def test_postgres_starts_again_although_a_child_of_the_killed_one_lives_on(tmp_path: Path) -> None:
    def server() -> EmbeddedPostgres:
        return EmbeddedPostgres(tmp_path / "pg", password_file=tmp_path / "password")

    # Given a server that was killed while one of its children was busy, and has not noticed
    killed = server().start()
    connection = await killed.connect()
    busy = await connection.fetchval("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    os.kill(busy, signal.SIGSTOP)
    assert killed.process is not None
    killed.process.kill()
    killed.process.wait()
    connection.terminate()

    # When another one is started, then it finds the folder free
    again = server().start()
    connection = await again.connect()
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    again.stop()
    assert not psutil.pid_exists(busy)


async def test_the_log_of_postgres_has_room_ahead_that_it_keeps(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg", password_file=tmp_path / "password").start()
    connection = await server.connect()
    ahead = "SELECT count(*) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn())"
    assert await connection.fetchval(ahead) == 0

    for _ in range(2):
        await server.reserve_log()
        assert await connection.fetchval(ahead) >= 3

    await connection.close()
    server.stop()


async def test_postgres_starts_again_with_its_data_after_kill_9(tmp_path: Path) -> None:
    def server() -> EmbeddedPostgres:
        return EmbeddedPostgres(tmp_path / "a b" / "pg", password_file=tmp_path / "password")

    killed = server().start()
    connection = await killed.connect()
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert killed.process is not None
    killed.process.kill()
    killed.process.wait()
    connection.terminate()

    again = server().start()
    connection = await again.connect()
    answer = await connection.fetchval("SELECT answer FROM kept")
    fsync = await connection.fetchval("SHOW fsync")
    await connection.close()
    again.stop()

    assert (answer, fsync) == (42, "on")


async def test_an_orphaned_postgres_is_stopped_before_the_next_start(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "pg", password_file=tmp_path / "password", durable=False).start()
    second = EmbeddedPostgres(tmp_path / "pg", password_file=tmp_path / "password", durable=False).start()

    assert first.process is not None
    assert first.process.wait(10) is not None
    assert second.is_ready()
    second.stop()


@pytest.mark.parametrize("number", [1, 2])
async def test_each_test_finds_no_streams(nats_url: str, number: int) -> None:
    client = await nats_client.connect(nats_url)
    jetstream = client.jetstream()

    before = await jetstream.streams_info()
    await jetstream.add_stream(name=f"S{number}", subjects=["s.>"])
    await client.close()

    assert before == []


def test_nats_refuses_a_stranger(nats: EmbeddedNats) -> None:
    with socket.create_connection(("127.0.0.1", nats.port), timeout=5) as stranger:
        stranger.sendall(b'CONNECT {"user": "unrestricted", "pass": "guess"}\r\nPING\r\n')
        answer = b"".join(iter(lambda: stranger.recv(4096), b""))

    assert b"-ERR 'Authorization Violation'" in answer


def test_nats_syncs_always_and_has_a_limit(nats: EmbeddedNats) -> None:
    config = nats.config.read_text(encoding="utf-8")

    assert "sync_interval: always" in config
    assert "max_file_store: " in config
