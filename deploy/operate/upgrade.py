"""`asar upgrade`: the newer code that lies on disk takes over in a running installation, and nobody is turned away."""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Awaitable, Callable, Generator

from rich.console import Console
from rich.markup import escape

from deploy.local import control, migrations, state, streams, system
from deploy.local.installation import Installation
from deploy.local.refusals import CannotRun


def upgrade(installation: Installation, console: Console) -> bool:
    """Bring databases and streams to what this code needs, then have the services replaced; may be run again.

    Returns whether all of the installation is now of this code: the supervisor, PostgreSQL and NATS are not replaced.

    Raises:
        CannotRun: the installation does not run, a step fails, or a new process does not start. What was not replaced
            goes on as before, and what was stays: each version reads what the one before it or after it has written.
    """
    with _alone(installation):
        asyncio.run(_prepare(installation, console))
        for words in control.ask(installation.data_dir, "replace"):
            console.print(f"  {escape(words)}", highlight=False)
    running = state.read(installation.state_file)
    return running is not None and running.foundation == system.foundation()


async def _prepare(installation: Installation, console: Console) -> None:
    steps: dict[str, Callable[[Installation], Awaitable[None]]] = {
        "databases": system.databases,
        "streams": streams.bring_up_to_date,
        "migrations": migrations.migrate,
    }
    for name, step in steps.items():
        began = time.monotonic()
        await step(installation)
        console.print(f"  {name} done ({time.monotonic() - began:.1f} s)", highlight=False)


@contextlib.contextmanager
def _alone(installation: Installation) -> Generator[None]:
    with (installation.data_dir / "upgrade").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun(f"{installation.data_dir} is being upgraded already.") from error
        yield
