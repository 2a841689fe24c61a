"""The means by which faults are made do what they say: otherwise nothing that survives them has survived anything."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults import power
from tests.faults.power import PowerFS
from tests.faults.proxy import Proxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
A_MOMENT_S = 0.3


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


@pytest.fixture
async def way(anyio_backend: str) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy to a server that echoes, and the proxy's port."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    proxy = Proxy(to=int(server.sockets[0].getsockname()[1]))
    yield proxy, proxy.port
    proxy.close()
    server.close()
    await server.wait_closed()


async def _answer(line: Line, said: bytes) -> bytes:
    reader, writer = line
    writer.write(said)
    return await asyncio.wait_for(reader.readexactly(len(said)), timeout=10)


async def test_a_healthy_way_passes_everything_on(way: tuple[Proxy, int]) -> None:
    line = await asyncio.open_connection("127.0.0.1", way[1])

    assert await _answer(line, b"x" * 300_000) == b"x" * 300_000
    line[1].close()


async def test_a_cut_breaks_what_there_is_and_refuses_what_comes(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    line = await asyncio.open_connection("127.0.0.1", port)
    await _answer(line, b"a")

    proxy.cut()

    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _answer(line, b"b")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    proxy.heal()
    again = await asyncio.open_connection("127.0.0.1", port)
    assert await _answer(again, b"c") == b"c"
    for _, writer in (line, again):
        writer.close()


async def test_who_waits_hears_that_the_server_has_reset_its_end(anyio_backend: str) -> None:
    """As that of a process does which is killed with something unread."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger_for_nothing = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        proxy = Proxy(to=int(server.sockets[0].getsockname()[1]))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

        writer.write(b"a")
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

        writer.close()
        proxy.close()


async def test_silence_takes_connections_and_delivers_later(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    proxy.silence()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    writer.write(b"a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), timeout=A_MOMENT_S)
    proxy.heal()

    assert await asyncio.wait_for(reader.readexactly(1), timeout=10) == b"a"
    writer.close()


async def test_a_dripping_way_is_slow_and_complete(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    line = await asyncio.open_connection("127.0.0.1", port)

    proxy.drip(10)
    began = asyncio.get_running_loop().time()
    assert await _answer(line, b"0123456789" * 4) == b"0123456789" * 4

    # It cannot be quicker: four pieces, three pauses.
    assert asyncio.get_running_loop().time() - began > A_MOMENT_S
    line[1].close()


async def test_what_dripped_is_let_through_once_the_way_is_healed(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    line = await asyncio.open_connection("127.0.0.1", port)

    proxy.drip(1)
    line[1].write(b"x" * 1000)
    await asyncio.sleep(A_MOMENT_S)
    proxy.heal()

    # At a tenth of a second for each it would take longer than a minute.
    assert await asyncio.wait_for(line[0].readexactly(1000), timeout=10) == b"x" * 1000
    line[1].close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerFS]:
    if not power.is_possible():
        # Nobody else may mount.
        pytest.skip("needs root")
    disk = PowerFS(tmp_path / "disk", tmp_path / "image", megabytes=32)
    yield disk
    disk.close()
    assert not disk.folder.is_mount()


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(disk: PowerFS) -> None:
    with (disk.folder / "synced").open("wb") as file:
        file.write(b"kept")
        file.flush()
        os.fsync(file.fileno())
    (disk.folder / "hoped for").write_bytes(b"lost")

    disk.cut()
    disk.restore()

    assert (disk.folder / "synced").read_bytes() == b"kept"
    assert not (disk.folder / "hoped for").exists() or not (disk.folder / "hoped for").read_bytes()


def test_a_full_disk_takes_nothing_until_there_is_room(disk: PowerFS) -> None:
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        (disk.folder / "more").write_bytes(b"x" * 10_000)

    disk.make_room()

    (disk.folder / "more").write_bytes(b"x" * 10_000)
