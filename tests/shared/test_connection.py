"""The connection to NATS leaves no socket behind, and ends when it is told to.

That a socket is forgotten is a warning, which fails a test.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.msg import Msg

from shared.messaging.connection import Client, connect

INFO = b'INFO {"server_id":"one","version":"2.12.0","max_payload":1048576}\r\n'


class FallingSilent:
    """A server that answers whoever comes first and then says nothing to anybody."""

    def __init__(self) -> None:
        self.came: list[asyncio.StreamWriter] = []
        self.came_often = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        async with server:
            yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.append(writer)
        if len(self.came) > 3:
            self.came_often.set()
        if len(self.came) == 1:
            writer.write(INFO)
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()


async def _unheard(_: Exception) -> None:
    return None


async def test_attempts_to_come_back_to_a_silent_server_close_their_sockets() -> None:
    server = FallingSilent()
    async with server.listening() as url, asyncio.timeout(60):
        client = await connect(
            url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, connect_timeout=20, error_cb=_unheard
        )
        client.options["connect_timeout"] = 0.2
        server.came[0].close()
        await server.came_often.wait()
        await client.close()


class Interrupted(Client):
    """Whoever asks is told to end just when the answer has come."""

    asks: "asyncio.Task[Msg]"

    async def _request_sub_callback(self, msg: Msg) -> None:
        await super()._request_sub_callback(msg)
        self.asks.cancel()


async def test_who_is_told_to_end_as_the_answer_comes_ends(nats_url: str) -> None:
    client = Interrupted()
    await client.connect(nats_url)  # pyright: ignore[reportUnknownMemberType]
    try:
        client.asks = asyncio.create_task(client.request("$JS.API.INFO", timeout=30))
        with pytest.raises(asyncio.CancelledError):
            await client.asks
    finally:
        await client.close()
