"""The page of the commands: what is typed, from the commands themselves."""

import re
from collections.abc import Mapping
from typing import Any

import typer.main

from deploy.local.installation import CODE, SERVICES
from deploy.operate.cli import app
from deploy.reference import markdown

_TARGET = re.compile(r"^([a-z-]+):.*## (.+)$", re.MULTILINE)
OF_A_SERVICE = {
    "": "Web server, relay, consumer and regular jobs in one process.",
    "api": "The web server alone.",
    "relay": "The relay alone: what this service announces goes into the stream. (The gateway announces nothing.)",
    "consume": "The consumer and the regular jobs alone.",
    "worker": "Relay, consumer and regular jobs in one process.",
    "migrate": "Bring the database to its newest form, then exit; several at once are safe.",
    "audit": "Compare the stream with the outbox once, send again what was lost.",
    "parked": "List the messages that could not be applied.",
    "replay": "Hear the streams again from the beginning: what was applied is recognised, what was passed over is not.",
    "redrive": "Apply parked messages again; with an aggregate behind it, only that one's.",
    "rebuild": "The gateway only: fold the read model anew beside the one in use.",
}


def page() -> str:
    makefile = (CODE / "Makefile").read_text(encoding="utf-8")
    root: Any = typer.main.get_command(app)
    return markdown.page(
        "Commands",
        "## make",
        markdown.table(
            ("target", "what it does"), [(f"`make {name}`", says) for name, says in _TARGET.findall(makefile)]
        ),
        "`PORT=` and `DATA_DIR=` choose the port and the folder of `make demo` and `make up`; `TESTS=` what "
        "`make test` runs.",
        "## asar",
        root.help,
        "Exit status: 0 when all is well, 1 when something is not, with one sentence on standard error.",
        *_commands(root.commands, "asar"),
        "## One service",
        f"`python -m services.<name> [word]`, the name being one of {', '.join(SERVICES)}. It reads its "
        "[settings](settings.md) from the environment. `asar` runs these for you on one machine.",
        markdown.table(
            ("word", "what it does"), [(f"`{word}`" if word else "none", s) for word, s in OF_A_SERVICE.items()]
        ),
        "## Others",
        markdown.table(
            ("command", "what it does"),
            [
                (
                    "`python -m shared.access.keys FOLDER`",
                    "Make the key files that are missing; touch none that exist.",
                ),
                ("`python -m deploy.demo.load ADDRESS`", "Load the demo network through the API of a running system."),
                ("`python -m deploy.reference`", "Write these pages anew (`make docs`)."),
            ],
        ),
    )


def _commands(commands: Mapping[str, Any], before: str) -> list[list[str] | str]:
    parts: list[list[str] | str] = []
    for name, command in commands.items():
        within: Mapping[str, Any] | None = getattr(command, "commands", None)
        if within is not None:
            parts += _commands(within, f"{before} {name}")
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([f"{before} {name}", *(f"[{p.name.upper()}]" for p in arguments)])
        parts += [f"### `{usage}`", " ".join(str(command.help).split()), _parameters(command.params)]
    return parts


def _parameters(parameters: list[Any]) -> list[str]:
    rows = [
        (
            f"`{p.name.upper()}`" if p.param_type_name == "argument" else ", ".join(f"`{o}`" for o in p.opts),
            p.help or "",
            f"`{p.envvar}`" if p.envvar else "",
            "" if p.default in {None, False} else f"`{p.default}`",
        )
        for p in parameters
    ]
    return markdown.table(("option", "meaning", "variable", "default"), rows) if rows else []
