"""`python -m bench.crowd read|serve …`: thousands of watchers that discard what they get, and a bare server for them.

Each in a process of its own, so that its time is not taken for anybody else's.
"""

import asyncio
import mmap
import os
import select
import socket
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import uvloop

from shared.server import raise_open_files

COUNTERS = struct.Struct("=QQ")
"""Watchers connected, and pieces that all of them have got."""
_GREETED_EVERY = 200


def read(port: int, number: int, counters: Path) -> None:
    """Watch `/v1/live` with so many connections until the standard input ends; count in a file what comes."""
    with counters.open("r+b") as file, mmap.mmap(file.fileno(), COUNTERS.size) as told, select.epoll() as ready:
        request = b"GET /v1/live HTTP/1.1\r\nhost: here\r\naccept-encoding: gzip\r\n\r\n"
        watchers: dict[int, socket.socket] = {}
        pieces = 0
        ready.register(0, select.EPOLLIN | select.EPOLLHUP)
        while True:
            if len(watchers) < number:
                for _ in range(min(_GREETED_EVERY, number - len(watchers))):
                    watcher = socket.create_connection(("127.0.0.1", port))
                    watcher.sendall(request)
                    watchers[watcher.fileno()] = watcher
                    ready.register(watcher, select.EPOLLIN)
            for descriptor, _ in ready.poll(0.05 if len(watchers) < number else 1):
                if descriptor == 0:
                    return
                if os.read(descriptor, 65536):
                    pieces += 1
                else:
                    ready.unregister(descriptor)
            told[:] = COUNTERS.pack(len(watchers), pieces)


class Watcher(asyncio.Protocol):
    """One of them, as little as there can be of it."""

    everyone: set["Watcher"] = set()  # noqa: RUF012  # all of this process
    head = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP has no other
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self.everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own name
        self.everyone.discard(self)


async def serve(port: int, frame: bytes) -> None:
    """Send everybody a frame for each line of the standard input, until that ends."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Watcher, "127.0.0.1", port, backlog=2048)
    chunk = b"%x\r\n%s\r\n" % (len(frame), frame)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        for watcher in Watcher.everyone:
            watcher.transport.write(chunk)


def main(arguments: Iterable[str]) -> None:
    raise_open_files()
    match list(arguments):
        case ["read", port, number, counters]:
            read(int(port), int(number), Path(counters))
        case ["serve", port, frame]:
            uvloop.run(serve(int(port), Path(frame).read_bytes()))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
