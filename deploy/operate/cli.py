"""`asar`: what an operator types."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy.local import installation as places
from deploy.local.installation import CODE, SERVICES, Installation
from deploy.local.refusals import CannotRun
from deploy.operate import subscribers_cli
from deploy.operate.options import DataDir, Json, console, existing

if TYPE_CHECKING:
    from deploy.operate.access import Known

Port = Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="Port of the page and the API.")]
Host = Annotated[str, typer.Option(envvar="ASAR_HOST", help="Address to listen on; 0.0.0.0 lets others in.")]
Archive = Annotated[
    Path | None,
    typer.Option(
        envvar="ASAR_ARCHIVE",
        file_okay=False,
        help="Folder, best on another disk, where every change is kept as it is made, so that `asar restore --until` "
        "can go to any moment after a backup.",
    ),
]
Service = Annotated[str | None, typer.Option(help=f"One of {', '.join(SERVICES)}; all of them without it.")]

app = typer.Typer(
    help="Run and operate Asar on this machine: its databases, its message bus and its four services.\n\n"
    "`asar demo` starts it with a made-up network in it; `asar up` with your own data, empty at first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
messages = typer.Typer(
    help="Messages between the services: find and put right what did not arrive.", no_args_is_help=True
)
projection = typer.Typer(help="The dashboard's read model.", no_args_is_help=True)
app.add_typer(messages, name="messages")
app.add_typer(projection, name="projection")
app.add_typer(subscribers_cli.group, name="subscribers")
access = typer.Typer(
    help="Who may come in. Whoever can read the data folder may settle it; everybody else asks an administrator.",
    no_args_is_help=True,
)
app.add_typer(access, name="access")
keys = typer.Typer(help="The keys with which personal data is sealed.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@app.command()
def up(data_dir: DataDir = None, port: Port = 8080, host: Host = "127.0.0.1", archive: Archive = None) -> None:
    """Start everything on your own data and stay; Ctrl-C stops it."""
    _run(Installation(data_dir or places.own_data_dir(), host=host, port=port), demo=False, archive=archive)


@app.command()
def demo(data_dir: DataDir = None, port: Port = 8080) -> None:
    """Start everything with a made-up network's year in it, and keep it moving; Ctrl-C stops it."""
    _run(Installation(data_dir or places.demo_data_dir(), port=port), demo=True, archive=None)


@app.command()
def backup(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the backups, best on another disk; beside the data without it.")
    ] = None,
    data_dir: DataDir = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove older ones, and what only they need of the archive.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy all databases, keys and secrets, while everything goes on; the copy is read again before it counts.

    Whoever has a backup has everything: guard it like the data folder. Streams are not in it, they are filled again
    from the databases.
    """
    from deploy.operate import backup as backup_
    from deploy.operate import backups

    installation = existing(data_dir)
    quiet = Console(quiet=True) if as_json else console
    made = backup_.take(installation, folder or backup_.default_folder(installation), quiet, keep=keep)
    if as_json:
        typer.echo(json.dumps({"backup": str(made), **backups.read(made).model_dump(mode="json")}, indent=1))


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup, or a folder of them: then the newest that fits.")],
    data_dir: Annotated[Path, typer.Option(file_okay=False, help="An empty folder, or one that is not there yet.")],
    until: Annotated[
        str | None,
        typer.Option(
            help="A moment such as 2026-11-26T14:30:00+05:00, or `latest`: what the archive has until then is added. "
            "Without it: the moment of the backup."
        ),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the archive, where it is not in its old place.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an installation of a backup, in an empty folder; `asar up` then starts it. Says what is not in it."""
    from deploy.operate import backups
    from deploy.operate import restore as restore_

    moment = until if until is None or until == restore_.LATEST else backups.parse_moment(until)
    quiet = Console(quiet=True) if as_json else console
    done = restore_.restore(source, data_dir, quiet, until=moment, archived=archive)
    if as_json:
        typer.echo(done.model_dump_json(indent=1))
    else:
        console.print(done)
        console.print(f"Start it with `asar up --data-dir '{data_dir}'`.", soft_wrap=True)


@app.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Let the code that lies on disk now take over in what is running, without refusing anybody.

    Put the new version in the place of the old one, then run this: it migrates the databases, and replaces each
    service's process by one that serves before the other goes. Make a backup first.
    """
    from deploy.operate import upgrade as upgrade_

    installation = _running(data_dir)
    if not upgrade_.upgrade(installation, console):
        console.print(
            "The services are upgraded. What stands under them has changed as well (the supervisor itself, Python, "
            "PostgreSQL or NATS): it goes on as it was started, until you stop Asar and start it again."
        )


@app.command()
def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show each part, and what waits between them. Exit status 1 unless all parts are ready."""
    from deploy.operate import status as status_

    seen = status_.look(existing(data_dir))
    if as_json:
        typer.echo(seen.model_dump_json(indent=1))
    else:
        console.print(status_.show(seen))
    raise typer.Exit(0 if seen.ready else 1)


@app.command()
def targets(data_dir: DataDir = None) -> None:
    """Print the addresses of all metrics, as Prometheus reads them from a file."""
    from deploy.operate import targets as targets_

    typer.echo(targets_.targets(_running(data_dir)))


@app.command()
def verify(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Recount every figure of the dashboard from the services' own tables. Exit status 1 when one differs."""
    from deploy.operate import verify as verify_

    installation = existing(data_dir)
    with installation.ask_for_quiet():
        report = verify_.verify(installation.data_dir)
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
    else:
        console.print(report)
    raise typer.Exit(0 if report.ok else 1)


@messages.command()
def redrive(
    aggregate: Annotated[str | None, typer.Argument(help="Such as charity.donation/<id>; all without it.")] = None,
    data_dir: DataDir = None,
    service: Service = None,
    as_json: Json = False,
) -> None:
    """Apply parked messages again, in their order, once their reason is mended. Harmless when done twice.

    Says of each service how many were applied, with those that waited behind them, and how many failed again.
    """
    _tell(data_dir, service, "redrive", *([aggregate] if aggregate else []), as_json=as_json)


@messages.command()
def parked(data_dir: DataDir = None, service: Service = None, as_json: Json = False) -> None:
    """List the messages that could not be applied: since when, which, why. Nothing is changed.

    `gap`: an earlier one of its aggregate is missing. `failed`: it could not be applied.
    """
    _tell(data_dir, service, "parked", as_json=as_json)


@messages.command()
def audit(data_dir: DataDir = None, service: Service = None, as_json: Json = False) -> None:
    """Compare the streams with what was sent, and send again what they have lost.

    Exit status 1 when a stream holds what its service does not know: each of those is listed.
    """
    _tell(data_dir, service, "audit", as_json=as_json)


@messages.command()
def replay(data_dir: DataDir = None, service: Service = None) -> None:
    """Have services hear their streams again from the beginning; what they have applied they recognise."""
    _tell(data_dir, service, "replay")


@projection.command()
def rebuild(data_dir: DataDir = None) -> None:
    """Fold the dashboard's figures anew from all messages, while the old ones go on serving; says how far it is."""
    _tell(data_dir, "gateway", "rebuild")


@keys.command("list")
def list_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show the keys, and how many values are sealed with each."""
    from deploy.operate import keys as keys_

    ring = keys_.look(_running(data_dir))
    if as_json:
        typer.echo(ring.model_dump_json(indent=1))
        return
    for kid, number in ring.values.items():
        console.print(f"{kid}  {number:>9,} values{'  (current)' if kid == ring.current else ''}", highlight=False)


@keys.command()
def rotate(data_dir: DataDir = None) -> None:
    """Seal everything with a new key, while the services go on. Stopped in the middle, it goes on when run again."""
    from deploy.operate import keys as keys_

    keys_.rotate(_running(data_dir), console)


@keys.command()
def retire(data_dir: DataDir = None) -> None:
    """Forget the old keys. Refused while anything is sealed with one of them."""
    from deploy.operate import keys as keys_

    gone = keys_.retire(_running(data_dir))
    console.print(f"Forgotten: {', '.join(gone)}" if gone else "There is only the current key.")


@access.command("link")
def make_link(data_dir: DataDir = None) -> None:
    """Print a link by which one person becomes an administrator: for half an hour, once."""
    from deploy.operate import access as access_

    typer.echo(access_.ask(_running(data_dir), lambda access: access.link()))


@access.command("key")
def make_api_key(
    data_dir: DataDir = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "operator",
    role: Annotated[str | None, typer.Option(help="Gives what this role may, without what is for people only.")] = None,
    permission: Annotated[list[str] | None, typer.Option(help="One permission, such as donations:write.")] = None,
    centre: Annotated[list[str] | None, typer.Option(help="Id of a centre; the whole republic without any.")] = None,
    direction: Annotated[list[str] | None, typer.Option(help="Code of a direction; all without any.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it works.")] = 90,
) -> None:
    """Print a new API key. It is kept nowhere: put it where it is used."""
    from deploy.operate import access as access_

    form = access_.wanted(name, role, permission or [], centre or [], direction or [], days)
    typer.echo(access_.ask(_running(data_dir), lambda access: access.key(form)))


@access.command("accounts")
def list_accounts(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List everybody who may sign in, with their roles."""
    from deploy.operate import access as access_

    _list(access_.ask(_running(data_dir), lambda access: access.accounts()), as_json=as_json)


@access.command("keys")
def list_api_keys(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the API keys that work, with what they may."""
    from deploy.operate import access as access_

    _list(access_.ask(_running(data_dir), lambda access: access.keys()), as_json=as_json)


@access.command("revoke")
def shut_out(
    what: Annotated[str, typer.Argument(help="The middle part of a key, or the id of an account.")],
    data_dir: DataDir = None,
) -> None:
    """Shut out a key, or somebody with all their sessions and keys. A running gateway heeds it within seconds."""
    from deploy.operate import access as access_

    access_.ask(_running(data_dir), lambda access: access.revoke(what))


def main() -> None:
    """Run the command; what cannot be done is one sentence and exit status 1."""
    try:
        app()
    except CannotRun as reason:
        _fail(str(reason))
    except OSError as error:
        # A full disk, a folder without rights: the system's words say it.
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")


def _run(installation: Installation, *, demo: bool, archive: Path | None) -> None:
    from deploy.operate import running

    running.run(installation, console, demo=demo, archive=archive)


def _running(data_dir: Path | None) -> Installation:
    """Open an installation whose databases answer.

    Raises:
        CannotRun: it is not running.
    """
    installation = existing(data_dir)
    if not places.is_running(installation.data_dir):
        raise CannotRun(f"Asar is not running on {installation.data_dir}. Start it with `asar up`.")
    return installation


def _list(known: "Sequence[Known]", *, as_json: bool) -> None:
    if as_json:
        rows = [one._asdict() | {"until": one.until and one.until.isoformat()} for one in known]
        typer.echo(json.dumps({"items": rows}, ensure_ascii=False))
        return
    for one in known:
        until = "" if one.until is None else f" until {one.until:%Y-%m-%d}"
        console.print(f"{one.id}  {one.name}{until}: {one.what}", markup=False, highlight=False, soft_wrap=True)


def _tell(data_dir: Path | None, service: str | None, *words: str, as_json: bool = False) -> None:
    """Run a command of one service or of all, with their settings here.

    Their output is ours; with `as_json` it is a line of JSON for each thing, and ours is one object of them all.
    """
    if service not in {None, *SERVICES}:
        raise CannotRun(f"There is no service {service}. The services are {', '.join(SERVICES)}.")
    installation = _running(data_dir)
    runs = [
        subprocess.run(
            installation.command(name, *words, *(["--json"] if as_json else [])),
            env=installation.environment(name),
            cwd=CODE,
            check=False,
            stdout=subprocess.PIPE if as_json else None,
        )
        for name in ([service] if service else SERVICES)
    ]
    if as_json:
        items = [json.loads(line) for run in runs for line in run.stdout.splitlines()]
        typer.echo(json.dumps({"items": items}, ensure_ascii=False, indent=1))
    raise typer.Exit(max(abs(run.returncode) for run in runs))


def _fail(sentence: str) -> None:
    Console(stderr=True).print(f"[bold red]asar:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
    sys.exit(1)
