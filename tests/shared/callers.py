"""Somebody at a connection to NATS, as a service's user or with a subscriber's key, and all that they might try."""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import nats as nats_client
import nkeys
import orjson
from nats.aio.client import Client

from deploy.local.nats import EmbeddedNats
from shared.access.principal import EVERYTHING
from shared.contracts import charity, events
from shared.contracts.envelope import DomainEvent
from shared.database import Database
from shared.ids import new_id
from shared.messaging.connection import Bus, connect
from shared.messaging.permissions import users
from shared.messaging.relay import Relay
from shared.messaging.subjects import LISTENERS, PUBLISHERS, durables_of, stream_name
from tests.gateway import facts
from tests.shared.conftest import until
from tests.shared.streams import NOW
from tests.systems import make_settings

USERS = {user.name: user for user in users()}
ALMATY, ASTANA = "KZ-75", "KZ-71"
OURS, THEIRS = new_id(), new_id()


class Caller:
    """Somebody at a connection, and what the server has refused them."""

    def __init__(self, client: Client, refused: set[str]) -> None:
        self.client = client
        self.heard: list[tuple[str, str]] = []
        self.refused = refused

    async def publishes(self, *subjects: str) -> list[str]:
        """Which of these get through when one publishes there and asks for an answer into somebody's stream."""
        for subject in subjects:
            await self.client.publish(subject, b"{}", reply="asar.charity.donation.forged.kz-75.-")
        return await self._all_but_those_refused("publish", subjects)

    async def hears(self, *subjects: str) -> list[str]:
        """To which of these one may listen."""
        for subject in subjects:
            await self.client.subscribe(subject, cb=self._hear)
        return await self._all_but_those_refused("subscription", subjects)

    async def _all_but_those_refused(self, what: str, subjects: Sequence[str]) -> list[str]:
        await self.client.flush(timeout=30)
        left = set(subjects)

        def none_is_left() -> bool:
            left.difference_update({s for s in left if f'{what} to "{s.lower()}"' in self.refused})
            return not left

        # A refusal may come after the answer to what was sent later.
        with contextlib.suppress(TimeoutError):
            await until(none_is_left, within_s=30)
        return sorted(left)

    async def listen(self, subject: str = "asar.>") -> None:
        await self.client.subscribe(subject, cb=self._hear)
        await self.client.flush(timeout=30)

    async def _hear(self, message: Any) -> None:
        self.heard.append((message.subject, (message.headers or {}).get("Nats-Msg-Id", "")))


@contextlib.asynccontextmanager
async def calling(server: EmbeddedNats, user: str = "", *, seed: str = "") -> AsyncIterator[Caller]:
    """A connection as a service's user, or with a subscriber's key."""
    refused: set[str] = set()

    async def note(error: Exception) -> None:
        refused.add(str(error).lower().removeprefix("nats: permissions violation for "))

    if user:
        client = await connect(server.url(user), error_cb=note)
    else:
        address = f"nats://127.0.0.1:{server.port}"
        client = await nats_client.connect(address, nkeys_seed_str=seed, error_cb=note, allow_reconnect=False)
    try:
        yield Caller(client, refused)
    finally:
        await client.close()


async def answer_to(server: EmbeddedNats, seed: str) -> bytes:
    """What the server says to who comes in with this key. The client would leave the refused connection open."""
    pair: Any = nkeys.from_seed(bytearray(seed.encode()))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        nonce = orjson.loads((await reader.readline()).removeprefix(b"INFO "))["nonce"]
        signed = base64.urlsafe_b64encode(pair.sign(nonce.encode())).rstrip(b"=").decode()
        told = orjson.dumps({"nkey": pair.public_key.decode(), "sig": signed, "verbose": False, "protocol": 1})
        writer.write(b"CONNECT " + told + b"\r\nPING\r\n")
        return (await reader.readline()).strip()
    finally:
        writer.close()
        await writer.wait_closed()


def new_key() -> tuple[str, str]:
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    pair: Any = nkeys.from_seed(bytearray(seed))
    return seed.decode(), pair.public_key.decode()


async def let_in(server: EmbeddedNats, name: str, **granted: list[str]) -> str:
    """Add a subscriber to the running server; returns its seed."""
    seed, public_key = new_key()
    server.subscribers.add(name, public_key, **granted)
    await reload(server)
    return seed


async def reload(server: EmbeddedNats) -> None:
    assert server.process is not None
    await asyncio.to_thread(server.reload, server.process.pid)


async def stored(operator: Client) -> dict[str, int]:
    """How many messages each stream holds."""
    streams = {service: await operator.jetstream().stream_info(stream_name(service)) for service in PUBLISHERS}
    return {service: info.state.messages for service, info in streams.items()}


def said_by(service: str) -> list[DomainEvent]:
    """Facts of a service, of two centres in two regions and one of the whole network."""
    places: list[dict[str, Any]] = [
        {"region": ALMATY, "centre_id": OURS},
        {"region": ASTANA, "centre_id": THEIRS},
        {"region": None, "centre_id": None},
    ]
    match service:
        case "volunteers":
            return [facts.centre_opened(**place) for place in places[:2]]
        case "events":
            return [facts.sign_up(events.SignUpConfirmed, **place) for place in places]
        case _:
            return [facts.campaign(charity.CampaignOpened, "draft", "open", **place) for place in places]


@contextlib.asynccontextmanager
async def relaying(server: EmbeddedNats, service: str, database: Database, folder: Path) -> AsyncIterator[Relay]:
    """A service's relay as the service's own user, over a connection of its own."""
    bus = Bus(make_settings("postgresql://unused", server.url(service), folder / "keys"), name=service)
    await bus.open()
    try:
        yield Relay(service, database, bus)
    finally:
        await bus.close()


async def announce(database: Database, *told: DomainEvent) -> None:
    async with database.transaction(EVERYTHING) as tx:
        for fact in told:
            [[known]] = await tx.sql("SELECT count(*) FROM outbox WHERE aggregate = $1", fact.aggregate)
            tx.announce(fact, at=NOW, version=known + 1)


def everything_one_might_publish() -> list[str]:
    """What any user of ours may publish, and what no service may."""
    granted = {concrete(subject) for user in USERS.values() for subject in user.publish}
    streams = [stream_name(service) for service in PUBLISHERS]
    of_streams = {
        f"$JS.API.{act}.{stream}"
        for stream in streams
        for act in (
            *("STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.GET", "STREAM.MSG.DELETE"),
            *("STREAM.SNAPSHOT", "STREAM.RESTORE", "STREAM.PEER.REMOVE", "STREAM.LEADER.STEPDOWN"),
            *("CONSUMER.CREATE", "CONSUMER.LIST", "CONSUMER.NAMES", "DIRECT.GET", "STREAM.INFO"),
            *("CONSUMER.CREATE.stranger", "CONSUMER.DURABLE.CREATE", "CONSUMER.MSG.NEXT"),
        )
    }
    of_durables = {
        subject
        for stream in streams
        for listener in LISTENERS
        for durable in (*durables_of(listener), "stranger")
        for subject in (
            f"$JS.API.CONSUMER.CREATE.{stream}.{durable}",
            f"$JS.API.CONSUMER.CREATE.{stream}.{durable}.asar.x",
            f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
            f"$JS.API.CONSUMER.DELETE.{stream}.{durable}",
            f"$JS.API.CONSUMER.INFO.{stream}.{durable}",
            f"$JS.API.CONSUMER.PAUSE.{stream}.{durable}",
            f"$JS.ACK.{stream}.{durable}.1.1.1.1.0",
        )
    }
    others = {
        *("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.MINE"),
        *("$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING", "$SYS.REQ.USER.INFO", "$JS.FC.x"),
        *("_INBOX.x", *(f"_INBOX.{name}.x" for name in USERS), "anything"),
        *(f"pub.asar.{service}.x.y.kz-75.z" for service in PUBLISHERS),
    }
    return sorted(granted | of_streams | of_durables | others)


def concrete(subject: str) -> str:
    """One subject out of a pattern; a filter at the end of a request is written as it is."""
    if subject.startswith("$JS.API.CONSUMER.CREATE"):
        return subject
    return subject.replace("*", "x").replace(">", "x.y.kz-75.z" if subject.startswith("asar.") else "1.1.1.1.0")


def matches(pattern: str, subject: str) -> bool:
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given) >= len(wanted) and all(w in ("*", g) for w, g in zip(wanted[:-1], given, strict=False))
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))
