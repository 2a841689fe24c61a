"""`asar keys`: change the key of what is sealed, while everything goes on."""

import subprocess
from collections import Counter

import orjson
from pydantic import BaseModel
from rich.console import Console

from deploy.local.installation import CODE, SERVICES, Installation
from deploy.local.refusals import CannotRun
from shared.access import keys
from shared.sealed import Seal

SETTLED_AFTER_S = 60.0
"""By then every service writes with the new key, and no transaction of before is still open."""


class Ring(BaseModel):
    """The keys of what is sealed, and how many values each of them has sealed."""

    current: str
    values: dict[str, int]

    @property
    def is_changing(self) -> bool:
        """Whether something is still sealed with another key than the current one."""
        return any(number for kid, number in self.values.items() if kid != self.current)


def look(installation: Installation) -> Ring:
    """Count in every service what is sealed with which key."""
    seal, values = Seal(installation.keys), Counter[str]()
    values.update(dict.fromkeys(seal.kids, 0))
    for service in SERVICES:
        values.update(orjson.loads(_ask(installation, service, "seals")))
    return Ring(current=seal.current, values=dict(values))


def rotate(installation: Installation, console: Console) -> None:
    """Seal with a new key from now on, and everything of before again with it. Run again, it goes on where it was."""
    if not look(installation).is_changing:
        console.print(f"New things are sealed with key {keys.add_sealing_key(installation.keys)} from now on.")
    for service in SERVICES:
        _run(installation, service, "reseal")


def retire(installation: Installation) -> list[str]:
    """Forget all keys but the current one. Answers which they were.

    Raises:
        CannotRun: something is still sealed with one of them, or may be in a moment.
    """
    if keys.sealing_key_age_s(installation.keys) < SETTLED_AFTER_S:
        raise CannotRun("The keys were changed a moment ago, and requests of before may not have ended. Wait a minute.")
    if look(installation).is_changing:
        raise CannotRun(
            "Some things are still sealed with an old key. Run `asar keys rotate`: it goes on where it was."
        )
    return keys.drop_other_sealing_keys(installation.keys)


def _ask(installation: Installation, service: str, word: str) -> bytes:
    asked = subprocess.run(
        installation.command(service, word),
        env=installation.environment(service),
        cwd=CODE,
        check=False,
        stdout=subprocess.PIPE,
    )
    if asked.returncode:
        raise CannotRun(f"The {service} service did not answer.")
    return asked.stdout


def _run(installation: Installation, service: str, word: str) -> None:
    command, environment = installation.command(service, word), installation.environment(service)
    if subprocess.run(command, env=environment, cwd=CODE, check=False).returncode:
        raise CannotRun(f"Not everything of {service} was sealed anew. Run it again: it goes on where it was.")
