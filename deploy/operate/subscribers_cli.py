"""`asar subscribers`: what an operator types about those outside."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.local.installation import OWNERS
from deploy.local.refusals import CannotRun
from deploy.operate.options import DataDir, Json, console, existing

if TYPE_CHECKING:
    from deploy.operate.subscribers import Place

Config = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        show_default=False,
        help="For a NATS in a container: the subscribers.conf that its configuration includes. Have it read that file "
        "afterwards. Without it: the installation's own.",
    ),
]

group = typer.Typer(
    help="Those outside who are told by NATS of what happens: each hears what it was granted, and can say nothing.",
    no_args_is_help=True,
)


@group.command("add")
def add_subscriber(
    name: Annotated[str, typer.Argument(help="What you call it: small letters, digits, hyphens.")],
    centre: Annotated[list[str] | None, typer.Option(help="Hear the facts of this centre; may be repeated.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Of a region, such as KZ-75; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Of the whole network.")] = False,
    service: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(OWNERS)}; all of them without it. May be repeated.")
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let an organisation hear facts. Its key is shown once, and kept nowhere."""
    from deploy.operate import subscribers as subscribers_

    if sum(map(bool, (centre, region, everything))) != 1:
        raise CannotRun("Say what it may hear: --centre, --region or --everything, and only one of these.")
    added = subscribers_.add(
        _at(data_dir, config), name, services=service or [], regions=region or [], centres=centre or []
    )
    if as_json:
        typer.echo(added.model_dump_json(indent=1))
    else:
        console.print(added)


@group.command("list")
def list_subscribers(data_dir: DataDir = None, config: Config = None, as_json: Json = False) -> None:
    """Show who hears what."""
    from deploy.operate import subscribers as subscribers_

    known = _at(data_dir, config).subscribers.all()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in known], indent=1))
    else:
        console.print(subscribers_.show(known))


@group.command("revoke")
def revoke_subscriber(name: str, data_dir: DataDir = None, config: Config = None) -> None:
    """Let it hear nothing any more; it is disconnected at once."""
    from deploy.operate import subscribers as subscribers_

    subscribers_.revoke(_at(data_dir, config), name)
    console.print(f"{name} is revoked.")


def _at(data_dir: Path | None, config: Path | None) -> "Place":
    from deploy.operate import subscribers as subscribers_

    return subscribers_.InContainer(config) if config else subscribers_.Here(existing(data_dir))
