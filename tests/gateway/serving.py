"""Real web servers on loopback ports: the gateway, and a service behind it that tells what it was asked."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.app import Gateway
from services.gateway.commands import keys
from services.gateway.schemas.access import MakeKey
from services.gateway.settings import GatewaySettings
from shared import clock
from shared.access.permissions import Role
from shared.access.principal import EVERYTHING
from shared.server import Server
from shared.settings import Settings

DEADLINE_S = 60.0


async def until(condition: Callable[[], Any], *, within_s: float = DEADLINE_S) -> Any:
    """Wait for a condition (or a coroutine's answer) to be true; returns what it became."""
    async with asyncio.timeout(within_s):
        while True:
            answer = condition()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(0.01)


def unused_settings(**those_that_matter: Any) -> Settings:
    """For a server that needs no more than a port."""
    unused: dict[str, Any] = {"database_url": "-", "nats_url": "-", "keys_dir": Path("-")}
    return Settings(**unused | those_that_matter)


class TestServer(Server):
    """The house's server, which leaves the test runner's signals alone."""

    __test__ = False

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Listening:
    """A server on a free port while it is entered."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._server = TestServer(app, settings)
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started or (self._task is not None and self._task.done()))
        if self._task.done():
            self._task.result()
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait_for(self._task, DEADLINE_S)
            self._task = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class RunningGateway(Listening):
    """A gateway with its web server, in this process."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.gateway = Gateway(settings)
        self.process = self.gateway.process
        super().__init__(self.gateway.application(), settings)
        self.client: aiohttp.ClientSession
        self.key = self.name = ""
        """The key with which `client` asks, and what its principal is called."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.key = await self.make_key()
        key_id = self.key.split("_")[2]
        named = "SELECT 'key:' || id FROM apikey WHERE key_id = $1"
        self.name = str(await self.process.database.pool.fetchval(named, key_id))
        self.client = self.calling(Authorization=f"Bearer {self.key}")
        return self

    def calling(self, **headers: str) -> aiohttp.ClientSession:
        """A client of this gateway; without headers it is anyone."""
        # Cookies are set by hand: over plain HTTP no client keeps one that is `Secure`.
        return aiohttp.ClientSession(
            self.url,
            timeout=aiohttp.ClientTimeout(DEADLINE_S),
            auto_decompress=True,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def make_key(self, role: Role | None = Role.ADMINISTRATOR, **form: Any) -> str:
        """A key as an operator makes one on the machine itself."""
        wanted = MakeKey(**{"name": "tests", "role": role, "centres": None} | form)
        async with self.process.database.transaction(EVERYTHING) as tx:
            _, text = await keys.make(
                tx, wanted, account_id=None, by="operator", environment="development", now=clock.now()
            )
        return text

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()
        await super().__aexit__(kind, error, trace)

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON (or bytes)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.get(path, headers=sent, allow_redirects=False) as answer:
            body = await answer.read()
            return answer.status, {n.lower(): v for n, v in answer.headers.items()}, _json_or(body)

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection, for what no client library would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes as they are, read the answer to the end of the connection; status and body."""
        async with self.connected() as (reader, writer), asyncio.timeout(DEADLINE_S):
            writer.write(request)
            await writer.drain()
            answer = await reader.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body


def _json_or(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


class UpstreamService:
    """A service that answers with what it was asked, unless told otherwise; it can be stopped and started again."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: ASGIApp = self.tell
        self._port = 0
        self._listening: Listening | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await self.answer(scope, receive, send)

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, complete = b"", False
        while not complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            complete = not message.get("more_body")
        asked = {
            "method": scope["method"],
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": {name.decode(): value.decode("latin-1") for name, value in scope["headers"]},
            "body": body.decode("latin-1"),
            "complete": complete,
        }
        self.asked.append(asked)
        if complete:
            await reply(send, 200, orjson.dumps(asked), (b"x-told", b"yes"))

    async def start(self) -> None:
        self._listening = Listening(self, unused_settings(port=self._port))
        await self._listening.start()
        self._port = self._listening.port

    async def stop(self) -> None:
        if self._listening is not None:
            await self._listening.stop()
            self._listening = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def reply(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
