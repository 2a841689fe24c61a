"""The supervisor's ear: a private socket on which the operator's commands ask it for something and hear how it goes."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from pathlib import Path

from deploy.local import files
from deploy.local.refusals import CannotRun

Say = Callable[[str], None]
Request = Callable[[Say], Awaitable[None]]
"""Does what is asked for, and says how it goes."""


@contextlib.asynccontextmanager
async def listening(data_dir: Path, requests: Mapping[str, Request]) -> AsyncGenerator[None]:
    """Do what the owner of this data folder asks for, by name."""
    answering: set[asyncio.Task[None]] = set()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            answering.add(task)
            task.add_done_callback(answering.discard)

        def tell(kind: str, words: str) -> None:
            writer.write(json.dumps({kind: words}).encode() + b"\n")

        try:
            name = (await reader.readline()).decode(errors="replace").strip()
            if name not in requests:
                raise CannotRun(f"The running Asar does not know what {name} is: stop it and start it again.")  # noqa: TRY301
            await requests[name](lambda words: tell("says", words))
        except (CannotRun, OSError) as reason:
            tell("cannot", str(reason))
        else:
            tell("done", name)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    address = _address(files.private_folder(files.socket_folder(data_dir)))
    address.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(hear, address)
    try:
        yield
    finally:
        server.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        with contextlib.suppress(OSError):
            address.unlink()
            address.parent.rmdir()


def ask(data_dir: Path, name: str) -> Generator[str]:
    """Have the supervisor of a data folder do something; gives what it says meanwhile, and ends when it is done.

    Raises:
        CannotRun: it cannot be done, or nobody listens.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(_address(files.socket_folder(data_dir))))
        except OSError as error:
            raise CannotRun(
                f"The Asar that runs on {data_dir} cannot be asked: it is of an earlier version, or was started in "
                "another environment. Stop it and start it again."
            ) from error
        connection.sendall(name.encode() + b"\n")
        for line in connection.makefile("rb"):
            [(kind, words)] = json.loads(line).items()
            if kind == "cannot":
                raise CannotRun(words)
            if kind == "done":
                return
            yield words
    raise CannotRun("Asar was stopped meanwhile.")


def _address(folder: Path) -> Path:
    return folder / "control"
