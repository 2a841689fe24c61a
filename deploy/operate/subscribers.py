"""`asar subscribers`: whom outside NATS tells of what happens, kept for the server here or for one in a container."""

import os
from pathlib import Path
from typing import Any, Protocol

import nkeys  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table

from deploy.bus.subscribers import Subscriber, Subscribers
from deploy.local import installation as places
from deploy.local import state
from deploy.local.installation import Installation
from deploy.local.refusals import CannotRun


class Place(Protocol):
    """Where subscribers are kept, and how the server there learns of a change."""

    @property
    def subscribers(self) -> Subscribers: ...

    def take_effect(self) -> None: ...

    @property
    def address(self) -> str | None: ...


class Here:
    """The NATS of an installation on this machine."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    @property
    def subscribers(self) -> Subscribers:
        return self._installation.nats.subscribers

    @property
    def address(self) -> str:
        return f"nats://127.0.0.1:{self._installation.nats.port}"

    def take_effect(self) -> None:
        """Have the server read its subscribers anew. One that does not run does so when it starts."""
        if not places.is_running(self._installation.data_dir):
            return
        found = state.read(self._installation.state_file)
        process_id = found.parts["nats"].pid if found and "nats" in found.parts else None
        if process_id is not None:
            self._installation.nats.reload(process_id)


class InContainer:
    """A file that the configuration of a NATS in a container includes."""

    address = None

    def __init__(self, file: Path) -> None:
        self.subscribers = Subscribers(file)

    def take_effect(self) -> None:
        """Let the server read the file: there it is another user, and nothing in it is secret."""
        self.subscribers.file.chmod(0o644)


class Added(BaseModel):
    """A subscriber that has just been added, with what is shown this once."""

    subscriber: Subscriber
    seed: str
    address: str | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield f"[bold]{self.subscriber.name}[/] may hear"
        for subject in self.subscriber.subjects:
            yield f"  {escape(subject)}"
        yield f"at {self.address}" if self.address else "as soon as NATS has read its configuration again"
        yield f"with the key [bold]{self.seed}[/]"
        yield "The key is shown only now and kept nowhere here: hand it over as you would a password."


def add(place: Place, name: str, *, services: list[str], regions: list[str], centres: list[str]) -> Added:
    """Let somebody hear facts, from now on.

    Raises:
        CannotRun: see `Subscribers.add`.
    """
    seed, public_key = _new_key()
    made = place.subscribers.add(name, public_key, services=services, regions=regions, centres=centres)
    try:
        place.take_effect()
    except CannotRun:
        # Its key would be shown to nobody.
        place.subscribers.revoke(name)
        raise
    return Added(subscriber=made, seed=seed, address=place.address)


def revoke(place: Place, name: str) -> None:
    """Let somebody hear nothing any more.

    Raises:
        CannotRun: there is no such subscriber.
    """
    place.subscribers.revoke(name)
    place.take_effect()


def show(subscribers: list[Subscriber]) -> RenderableType:
    """For a person at a terminal."""
    if not subscribers:
        return "Nobody outside is told of anything by NATS."
    table = Table("name", "hears", "since", box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for one in subscribers:
        table.add_row(one.name, "\n".join(map(escape, one.subjects)), f"{one.added_at:%Y-%m-%d}")
    return table


def _new_key() -> tuple[str, str]:
    """Seed and public key of a new NATS user."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)  # pyright: ignore[reportUnknownMemberType]
    pair: Any = nkeys.from_seed(bytearray(seed))  # pyright: ignore[reportUnknownMemberType]
    return seed.decode(), pair.public_key.decode()
