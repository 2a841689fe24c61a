"""What production refuses to start with, each thing by itself; and that development does not mind."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.gateway.app import Gateway
from services.gateway.settings import GatewaySettings
from services.volunteers.app import Volunteers
from shared import safety
from shared.access import keys
from shared.settings import Settings
from tests.shared.kites import Kites
from tests.systems import BEHIND_ROLE, OWNER_ROLE, SERVICE_ROLE, as_role

Change = Callable[[dict[str, Any]], None]


def _readable(file: str) -> Change:
    def change(settings: dict[str, Any]) -> None:
        (settings["keys_dir"] / file).chmod(0o644)

    return change


def _set(**values: Any) -> Change:
    return lambda settings: settings.update(values)


DB = "postgresql://gateway:"
UNSAFE: dict[str, tuple[Change, str]] = {
    "a database password for trying": (_set(database_url=f"{DB}postgres@db/gateway"), "ASAR_DATABASE_URL"),
    "the database role as its password": (_set(database_url=f"{DB}gateway@db/gateway"), "ASAR_DATABASE_URL"),
    "an empty database password": (_set(database_url=f"{DB}@db/gateway"), "ASAR_DATABASE_URL"),
    "a NATS password for trying": (_set(nats_url="nats://asar:s3cret@one,nats://asar:asar@two"), "ASAR_NATS_URL"),
    "a signing key for everybody": (_readable(keys.INTERNAL_PRIVATE), keys.INTERNAL_PRIVATE),
    "sealing keys for everybody": (_readable(keys.SEALING), keys.SEALING),
    "a page without TLS": (_set(public_url="http://asar.example"), "ASAR_PUBLIC_URL"),
    "an issuer without TLS": (_set(oidc_issuer="http://login.example"), "ASAR_OIDC_ISSUER"),
    "a process that is to die": (_set(failpoint="api.before_commit"), "ASAR_FAILPOINT"),
    "a process that is wrong about the time": (_set(clock_ahead_s=1), "ASAR_CLOCK_AHEAD_S"),
    "any proxy at all": (_set(trusted_proxies="10.0.0.1, *"), "ASAR_TRUSTED_PROXIES"),
    "any network at all": (_set(trusted_proxies="0.0.0.0/0"), "ASAR_TRUSTED_PROXIES"),
}  # fmt: skip


@pytest.fixture
def safe(tmp_path: Path) -> dict[str, Any]:
    """Settings of a production gateway with nothing wrong."""
    keys.make_missing(tmp_path / "keys")
    return {
        "environment": "production",
        "database_url": "postgresql://gateway:Zk3-word@db/gateway",
        "nats_url": "nats://asar:Zk3-word@nats:4222",
        "keys_dir": tmp_path / "keys",
        "public_url": "https://asar.example",
        "oidc_issuer": "https://login.example",
        "oidc_client_id": "asar",
        "volunteers_url": "http://volunteers:8000",
        "events_url": "http://events:8000",
        "charity_url": "http://charity:8000",
    }


def made(settings: dict[str, Any]) -> GatewaySettings:
    return GatewaySettings.model_validate(settings)


@pytest.mark.parametrize("what", UNSAFE)
def test_production_does_not_start_with(safe: dict[str, Any], what: str) -> None:
    change, named = UNSAFE[what]
    change(safe)

    with pytest.raises(SystemExit) as refused:
        Gateway(made(safe))

    assert named in str(refused.value)
    # The setting is named, never its value.
    assert not any(
        secret in str(refused.value) for secret in ("postgres@", "s3cretpw", "asar.example", "login.example")
    )


@pytest.mark.parametrize("what", UNSAFE)
def test_development_does_not_mind(safe: dict[str, Any], what: str) -> None:
    UNSAFE[what][0](safe)

    Gateway(made(safe | {"environment": "development"}))


def test_what_is_safe_starts(safe: dict[str, Any]) -> None:
    Gateway(made(safe))
    Gateway(made(safe | {"public_url": "http://127.0.0.1:8080"}))


def test_the_other_services_look_as_well(safe: dict[str, Any]) -> None:
    (safe["keys_dir"] / keys.SEALING).chmod(0o604)

    with pytest.raises(SystemExit, match=keys.SEALING):
        Volunteers(made(safe))


def test_a_token_for_the_sign_in_page_never_opens_the_api(safe: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="ASAR_OIDC_AUDIENCE"):
        Gateway(made(safe | {"environment": "development", "oidc_audience": "asar"}))


@pytest.mark.parametrize(
    ("role", "words"), [(SERVICE_ROLE, []), (OWNER_ROLE, ["owns the tables"]), (BEHIND_ROLE, ["is a superuser"])]
)
async def test_a_service_that_row_level_security_would_not_hold_is_found(
    kites_url: str, role: str, words: list[str]
) -> None:
    async with asyncpg.create_pool(as_role(kites_url, role), min_size=1, max_size=1) as pool:
        assert [fault.partition("ASAR_DATABASE_URL ")[2] for fault in await safety.faults_of_role(pool)] == [
            f"{found}: nothing would be kept from anybody." for found in words
        ]


@pytest.mark.parametrize(("environment", "refused"), [("production", True), ("development", False)])
async def test_production_does_not_start_as_the_owner_of_the_tables(
    kites_url: str, settings: Settings, environment: str, refused: bool
) -> None:
    process = Kites(settings.model_copy(update={"database_url": as_role(kites_url, OWNER_ROLE)})).process
    process.settings = process.settings.model_copy(update={"environment": environment})

    with pytest.raises(SystemExit, match="owns the tables") if refused else contextlib.nullcontext():
        async with process.resources():
            pass
