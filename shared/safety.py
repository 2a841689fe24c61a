"""What a production system must not be started with: a sentence for each, which names the setting, never its value."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg

from shared.settings import Settings

_FOR_TRYING = frozenset(
    {"", "admin", "asar", "changeme", "dev", "development", "password", "postgres", "secret", "test"}
)
_OTHERS = 0o007
_ROLE = """
SELECT rolsuper, rolbypassrls, NOT rolsuper AND EXISTS (
    SELECT FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_has_role(relowner, 'USAGE')
) AS owns FROM pg_roles WHERE rolname = current_user
"""
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})


def faults(settings: Settings) -> list[str]:
    """Why this must not run in production; nothing elsewhere."""
    return list(_faults(settings)) if settings.environment == "production" else []


def require(faults: list[str]) -> None:
    """Raises: SystemExit, with all that is wrong at once."""
    if faults:
        raise SystemExit("Not in production:\n" + "\n".join(f"  {fault}" for fault in faults))


async def faults_of_role(pool: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
    """Why a service must not use its database as the role that it does: row-level security would not hold it."""
    row = await pool.fetchrow(_ROLE)
    said = {
        "rolsuper": "is a superuser",
        "rolbypassrls": "has BYPASSRLS",
        "owns": "owns the tables",
    }
    found = [words for name, words in said.items() if row is not None and row[name]]
    return [f"The role in ASAR_DATABASE_URL {words}: nothing would be kept from anybody." for words in found]


def is_open_to_listeners(url: str) -> bool:
    """Whether what goes to this address goes unencrypted over a network."""
    address = urlsplit(url)
    return address.scheme != "https" and address.hostname not in _HERE


def _faults(settings: Settings) -> Iterator[str]:
    for name in ("database_url", "owner_database_url", "nats_url"):
        for url in str(getattr(settings, name)).split(","):
            address = urlsplit(url.strip())
            if address.password is not None and address.password.lower() in {*_FOR_TRYING, address.username}:
                yield f"ASAR_{name.upper()} has a password that is for trying things out."
    if settings.failpoint:
        yield "ASAR_FAILPOINT has the process die on purpose."
    if settings.clock_ahead_s:
        yield "ASAR_CLOCK_AHEAD_S has the process be wrong about the time."
    if settings.keys_dir.is_dir():
        for path in sorted(settings.keys_dir.iterdir()):
            if path.is_file() and path.stat().st_mode & _OTHERS:
                yield f"{path.name} in ASAR_KEYS_DIR can be read or changed by everybody on this machine."
