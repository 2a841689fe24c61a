"""T12: who holds a connection without using it loses it, and what never becomes a request gets a problem document."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from shared import server
from tests.gateway.serving import DEADLINE_S, Listening, until, unused_settings

HEAD = b"POST /x HTTP/1.1\r\nhost: here\r\n"


class Application:
    """Reads the whole body and answers with its length, or with as much as it is asked for."""

    headers = (("X-Guard", "yes"),)

    def __init__(self) -> None:
        self.begun = 0
        self.left = 0
        self.answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.begun += 1
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            size, more = size + len(message["body"]), message.get("more_body", False)
        body = b"x" * int(scope["query_string"] or 0) or b"%d" % size
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.answers += 1


@pytest.fixture
def app() -> Application:
    return Application()


@pytest.fixture
async def port(app: Application, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that is as patient as is good for a test."""
    monkeypatch.setattr(server, "BODY_WITHIN_S", 0.5)
    monkeypatch.setattr(server, "READ_WITHIN_S", 0.5)
    async with Listening(app, unused_settings(port=0)) as listening:
        yield listening.port


class Caller:
    """One connection, used badly."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body, when the connection has been closed."""
        head, _, body = (await asyncio.wait_for(self.reader.read(), DEADLINE_S)).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines), body

    async def send_until_closed(self, piece: bytes) -> int:
        """Send a piece again and again, slowly; returns how many were sent."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(DEADLINE_S):
                while not self.reader.at_eof():
                    self.writer.write(piece)
                    await self.writer.drain()
                    sent += 1
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self.reader.read(100), 0.05)
        return sent


@pytest.fixture
def waits_for_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who do not finish one: from the opening of the connection on, so others had better have more time."""
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.5)


@pytest.fixture
async def caller(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Caller(reader, writer)
    writer.close()


@pytest.mark.usefixtures("waits_for_no_head")
@pytest.mark.parametrize("sent", [b"", b"GET", HEAD, b"\r\n"], ids=["nothing", "a word", "half a head", "a line"])
async def test_slowloris_who_does_not_finish_a_head_is_sent_away(caller: Caller, app: Application, sent: bytes) -> None:
    caller.writer.write(sent)

    status, headers, body = await caller.answer()

    assert (status, headers["content-type"], headers["x-guard"]) == (408, "application/problem+json", "yes")
    assert orjson.loads(body)["code"] == "request-timeout"
    assert app.begun == 0


@pytest.mark.usefixtures("waits_for_no_head")
async def test_slowloris_who_sends_a_header_now_and_then_is_sent_away_as_well(caller: Caller, app: Application) -> None:
    caller.writer.write(HEAD)

    assert await caller.send_until_closed(b"x-more: 1\r\n") < 100
    assert app.begun == 0


@pytest.mark.usefixtures("waits_for_no_head")
async def test_empty_lines_after_a_request_keep_no_connection(caller: Caller, app: Application) -> None:
    caller.writer.write(HEAD + b"content-length: 0\r\n\r\n")
    await until(lambda: app.answers == 1)

    assert await caller.send_until_closed(b"\r\n") < 100


@pytest.mark.parametrize("how", [b"content-length: 100000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n"])
async def test_who_sends_a_body_a_byte_at_a_time_is_cut_off_and_the_application_hears_of_it(
    caller: Caller, app: Application, how: bytes
) -> None:
    caller.writer.write(HEAD + how)

    assert await caller.send_until_closed(b"1\r\nx\r\n" if b"chunked" in how else b"x") < 100
    await until(lambda: app.left == 1)


async def test_a_large_body_may_take_its_time(caller: Caller, app: Application) -> None:
    pieces, size = 25, 4096
    caller.writer.write(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % (pieces * size))
    for _ in range(pieces):
        caller.writer.write(b"x" * size)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(caller.reader.read(1), 0.05)

    assert (await caller.answer())[0] == 200


async def test_an_answer_that_is_not_read_ends_the_connection(caller: Caller, app: Application) -> None:
    caller.writer.write(b"GET /x?50000000 HTTP/1.1\r\nhost: here\r\n\r\n")

    await until(lambda: app.begun == 1)
    # Its sender is let go once the connection has been given up.
    await until(lambda: app.answers == 1)
    with contextlib.suppress(ConnectionError):
        assert len(await caller.reader.read()) < 50_000_000


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: here\r\n\r\n", 431),
        (b"GET /x HTTP/1.1\r\nx: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /x HTTP/1.1\r\n" + b"x: y\r\n" * 7_000 + b"\r\n", 431),
        (b"GET /x HTTP/1.1\r\nx: " + b"x" * 40_000, 431),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET /x HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\nx\n\n", 400),
    ],
)
async def test_what_cannot_be_read_is_a_problem_document_and_the_end(
    caller: Caller, app: Application, request_: bytes, status: int
) -> None:
    caller.writer.write(request_)

    got, headers, body = await caller.answer()

    assert (got, headers["content-type"], headers["x-guard"]) == (status, "application/problem+json", "yes")
    assert orjson.loads(body)["status"] == status
    assert "server" not in headers
    assert app.begun == 0


async def test_one_who_comes_back_after_a_while_is_welcome(
    caller: Caller, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 1.0)
    for number in range(1, 4):
        caller.writer.write(HEAD + b"content-length: 2\r\n\r\n{}")
        await until(lambda expected=number: app.answers == expected)
        assert b"200 OK" in await caller.reader.readuntil(b"0\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(caller.reader.read(1), 1.5)
