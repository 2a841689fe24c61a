"""What several commands of `asar` ask for in the same way."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local import installation as places
from deploy.local.installation import Installation
from deploy.local.refusals import CannotRun

DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="ASAR_DATA_DIR",
        file_okay=False,
        show_default=False,
        help="Folder with all data of one installation. Without it: the demo for `asar demo`, your own for `asar up`, "
        "and for every other command the one that is running.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For scripts: one JSON object on standard output.")]

console = Console()


def existing(data_dir: Path | None) -> Installation:
    """Open an installation that has been started before.

    Raises:
        CannotRun: there is none.
    """
    folder = data_dir or places.current_data_dir()
    if not (folder / "ports.json").exists():
        raise CannotRun(f"There is no installation in {folder} yet. `asar up` or `asar demo` makes one.")
    return Installation(folder)
