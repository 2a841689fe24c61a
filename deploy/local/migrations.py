"""Brings the services' databases to their newest form; asks a service only where there may be something to do."""

import asyncio
import contextlib
import hashlib
import json

import asyncpg

from deploy.local import files, logs, processes
from deploy.local.installation import CODE, SERVICES, Installation
from deploy.local.refusals import CannotRun

_ACCESS = [CODE / "shared" / name for name in ("protection.py", "reach.py", "messaging/tables.py")]


async def migrate(installation: Installation) -> None:
    """Run `migrate` of the services whose migrations or databases are not as they were after the last time.

    Raises:
        CannotRun: a database cannot be brought to its newest form.
    """
    # Starting Python four times only to hear that nothing is to be done would double the time of every start.
    file = installation.data_dir / "migrated.json"
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(file.read_bytes())
    standing = {name: await _standing(installation, name) for name in SERVICES}
    stale = [name for name in SERVICES if standing[name] != known.get(name)]
    if not stale:
        return
    await asyncio.gather(*(_migrate(installation, name) for name in stale))
    files.write_private(file, json.dumps({name: await _standing(installation, name) for name in SERVICES}, indent=1))


async def _standing(installation: Installation, service: str) -> str:
    """The migrations and tables that this code has, and the revision at which the database says to be."""
    digest = hashlib.sha256()
    home = CODE / "services" / service
    # What tables say of access is put on the database by `migrate` as well.
    scripts = [*home.glob("migrations/**/*.py"), *home.glob("tables*/**/*.py"), *home.glob("tables.py")]
    for script in sorted({*scripts, *_ACCESS}):
        digest.update(script.name.encode() + b"\0" + script.read_bytes() + b"\0")
    connection = await asyncpg.connect(installation.database_url(service, as_owner=True))
    try:
        at = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        at = None
    finally:
        await connection.close()
    return f"{digest.hexdigest()} {at}"


async def _migrate(installation: Installation, service: str) -> None:
    file = installation.logs / f"{service}.log"
    command = installation.command(service, "migrate")
    environment = installation.environment(service) | {
        "ASAR_OWNER_DATABASE_URL": installation.database_url(service, as_owner=True)
    }
    with logs.open_log(file) as log:
        status = await processes.run_to_end(command, env=environment, cwd=CODE, output=log)
    if status != 0:
        words = logs.last_words(file)
        raise CannotRun(f"The database of {service} could not be migrated. Its last words were: {words} (see {file})")
