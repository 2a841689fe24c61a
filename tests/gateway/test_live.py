"""The stream: whole states, the same bytes for all, nobody lost, nobody left behind."""

import asyncio
import socket
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from services.gateway import live, states
from services.gateway.consumers import consumer
from services.gateway.settings import GatewaySettings
from services.gateway.states import Mark
from shared import server as shared_server
from shared.contracts import charity
from shared.ids import new_id
from shared.server import WRITE
from tests.gateway import facts
from tests.gateway.facts import ALMATY, Announcer
from tests.gateway.serving import Listening, RunningGateway, until, unused_settings
from tests.gateway.watching import Watching


@pytest.fixture
def announce() -> Announcer:
    return Announcer()


async def fold(gateway: RunningGateway, *messages: Any) -> None:
    await consumer.apply(gateway.process.generations.active, messages)


async def give(gateway: RunningGateway, announce: Announcer, amount: int = 1, **fields: Any) -> None:
    await fold(gateway, announce(facts.donation(amount_minor=amount, **fields)))


def watchers(gateway: RunningGateway) -> int:
    return gateway.process.live.watchers


@asynccontextmanager
async def watching(
    gateway: RunningGateway, number: int, query: str = "", **options: Any
) -> AsyncGenerator[list[Watching]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Watching(gateway, query, **options)) for _ in range(number)]


async def test_a_fact_reaches_every_watcher_with_the_same_bytes(gateway: RunningGateway, announce: Announcer) -> None:
    async with watching(gateway, 5) as plain, watching(gateway, 5, gzip=True) as packed:
        await until(lambda: all(len(one.states) == 1 for one in plain + packed))

        await give(gateway, announce, 700)
        await until(lambda: all(len(one.states) == 2 for one in plain + packed))

        assert len({one.raw for one in plain}) == len({one.raw for one in packed}) == 1
        assert plain[0].text == packed[0].text
        assert len(packed[0].raw) < len(plain[0].raw) / 3
        status, _, document = await gateway.get("/v1/dashboard")
        assert (status, plain[0].states[-1][1]) == (200, document)
        assert document["figures"]["money_net_minor"] == 700


async def test_who_joins_late_decodes_all_that_follows(gateway: RunningGateway, announce: Announcer) -> None:
    async with AsyncExitStack() as stack:
        joined: list[Watching] = []
        for number in range(1, 4):
            joined.append(await stack.enter_async_context(Watching(gateway, gzip=True)))
            await give(gateway, announce)
            for one in joined:
                await one.until_figure("donations", number)

        ids = [[mark for mark, _ in one.states] for one in joined]
        assert ids[1] == ids[0][-len(ids[1]) :]
        assert ids[2] == ids[0][-len(ids[2]) :]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, gzip;q=0.8", True), ("gzip;q=0", False), ("gzip; q=0.0", False), ("identity", False)],
)
async def test_gzip_is_sent_to_who_takes_it(gateway: RunningGateway, accepted: str, packed: bool) -> None:
    async with Watching(gateway, accept_encoding=accepted) as one:
        assert ("content-encoding: gzip" in one.head) is packed
        assert "content-type: text/event-stream" in one.head
        assert "cache-control: no-store" in one.head
        assert "x-accel-buffering: no" in one.head


async def test_an_event_s_id_says_where_the_read_model_was(gateway: RunningGateway, announce: Announcer) -> None:
    await give(gateway, announce)
    async with Watching(gateway) as one:
        await until(lambda: one.states)

    [(mark, state)] = one.states
    assert mark == f"1.1.{state['today']}"
    assert state["revision"] == 1


# --- coming back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("says", [lambda mark: ("", {"last_event_id": mark}), lambda mark: (f"?last={mark}", {})])
async def test_who_has_the_newest_state_is_not_sent_it_again(
    gateway: RunningGateway, announce: Announcer, says: Callable[[str], tuple[str, dict[str, Any]]]
) -> None:
    await give(gateway, announce)
    async with Watching(gateway) as before:
        await until(lambda: before.states)
    query, headers = says(before.states[0][0])

    async with Watching(gateway, query, **headers) as again:
        await until(lambda: again.blocks)
        assert again.blocks == [b": nothing new"]

        await give(gateway, announce)
        await again.until_figure("donations", 2)


async def test_who_has_seen_what_changed_elsewhere_has_the_newest_state(
    gateway: RunningGateway, announce: Announcer
) -> None:
    """A fact of another region moves the revision on, but changes nothing in this one."""
    async with Watching(gateway, f"?scope={ALMATY}") as before:
        await until(lambda: before.states)
        await give(gateway, announce, region="KZ-71")
        mark = (await gateway.get(f"/v1/dashboard?scope={ALMATY}"))[1]["etag"].strip('"')
        assert mark.startswith("1.1.")
        await until(lambda: {str(w.mark) for w in gateway.process.live._topics.values()} == {mark})  # noqa: SLF001

        async with Watching(gateway, f"?scope={ALMATY}&last={mark}") as again:
            await until(lambda: again.blocks)
            assert again.blocks == [b": nothing new"]
        assert len(before.states) == 1


@pytest.mark.parametrize("last", ["1.0", "0.0.2020-01-01", "9.9.2099-01-01", "x", "1.0.2026-99-99", "-", "1.5"])
async def test_who_has_another_state_is_sent_the_newest(
    gateway: RunningGateway, announce: Announcer, last: str
) -> None:
    await give(gateway, announce)

    async with Watching(gateway, last_event_id=last) as one:
        await until(lambda: one.states)


async def test_no_frame_is_lost_between_arriving_and_being_there(
    gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watchers arrive while facts do; whatever the order, each ends with the last state."""
    monkeypatch.setattr(live, "TICK_S", 0.0)
    monkeypatch.setattr(live, "LEADING_S", 0.0)

    async def facts_come() -> None:
        for _ in range(25):
            await give(gateway, announce)

    async with AsyncExitStack() as stack:
        coming = asyncio.create_task(facts_come())
        joined = [
            await stack.enter_async_context(Watching(gateway, gzip=bool(number % 2), last_event_id=f"1.{number}"))
            for number in range(40)
        ]
        await coming
        await asyncio.gather(*(one.until_figure("donations", 25) for one in joined))


async def test_midnight_is_news(gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch) -> None:
    await fold(gateway, announce(facts.assignment_made()))
    async with Watching(gateway) as one:
        await until(lambda: one.states)
        monkeypatch.setattr(states.clock, "now", lambda: datetime.now(UTC) + timedelta(days=1))

        await until(lambda: len(one.states) == 2)

    (first, before), (second, after) = one.states
    assert before["revision"] == after["revision"]
    assert (Mark.parse(first), Mark.parse(second)) == tuple(
        Mark(1, 1, datetime.fromisoformat(state["today"]).date()) for state in (before, after)
    )
    async with Watching(gateway, last_event_id=first) as again:
        await until(lambda: again.states)


# --- how often --------------------------------------------------------------------------------------------------------


async def test_a_burst_is_a_frame_or_two_and_the_last_of_it_is_seen(
    gateway: RunningGateway, announce: Announcer
) -> None:
    async with Watching(gateway) as one:
        await until(lambda: one.states)
        began = time.monotonic()
        for _ in range(20):
            await give(gateway, announce)
        await one.until_figure("donations", 20)

        # The first at once, then at most one in so many seconds.
        assert len(one.states) - 1 <= 2 + (time.monotonic() - began) / live.TICK_S


async def test_what_takes_long_is_sent_less_often_and_a_second_later_at_the_most(
    gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_REST", 10**6)
    async with Watching(gateway) as one:
        await until(lambda: one.states)
        began = time.monotonic()
        for _ in range(20):
            await give(gateway, announce)
        await one.until_figure("donations", 20)

        assert len(one.states) - 1 <= 2 + (time.monotonic() - began) / live.TICK_MAX_S


async def test_a_fact_after_silence_is_seen_at_once(
    gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing but a fact wakes the hub now.
    monkeypatch.setattr(live, "_POLL_S", 3600.0)
    async with Watching(gateway) as one:
        await until(lambda: one.states)
        await give(gateway, announce)
        await one.until_figure("donations", 1)


async def test_what_is_not_shown_makes_no_frame(gateway: RunningGateway, announce: Announcer) -> None:
    async with Watching(gateway, "?to=2021-01-31") as january, Watching(gateway) as everything:
        await until(lambda: january.states and everything.states)
        shown_nowhere = facts.family(charity.FamilyRegistered, None, "draft")
        await fold(gateway, announce(shown_nowhere))
        await give(gateway, announce)
        await everything.until_figure("donations", 1)

        # The ticker is of now, whatever the period; all else in January stays as it was.
        assert [s["figures"]["donations"] for _, s in january.states] == [0] * len(january.states)
        assert len(everything.states) == 2


async def test_a_silent_line_shows_that_it_is_open_even_where_the_rest_of_the_country_is_busy(
    gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(live, "TICK_S", 0.0)
    beat = b"event: hb\ndata: {}"
    async with (
        Watching(gateway, f"?scope={ALMATY}") as plain,
        Watching(gateway, f"?scope={ALMATY}", gzip=True) as packed,
    ):
        while min(one.blocks.count(beat) for one in (plain, packed)) < 3:
            await give(gateway, announce, region="KZ-71")
            assert len(plain.blocks) < 100


# --- slow ones and lost ones ------------------------------------------------------------------------------------------


@pytest.fixture
def big_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that fill any socket's buffer soon."""
    small = live.Event.of

    def padded(state: Any) -> live.Event:
        return live.Event(b": " + b"x" * 3_000_000 + b"\n" + small(state).first(packed=False)["body"])

    monkeypatch.setattr(live.Event, "of", padded)
    monkeypatch.setattr(live, "TICK_S", 0.0)


def last_donations(one: Watching) -> int:
    found = one.text.rfind(b'"donations":')
    return -1 if found < 0 else int(one.text[found + 12 :].split(b",")[0])


@pytest.mark.usefixtures("big_frames")
async def test_a_slow_watcher_holds_nobody_up_and_gets_the_newest_state_in_the_end(
    gateway: RunningGateway, announce: Announcer
) -> None:
    async with Watching(gateway, sleeps=True) as slow, Watching(gateway) as quick:
        for number in range(1, 9):
            await give(gateway, announce)
            await until(lambda number=number: last_donations(quick) == number)
        await until(lambda: any(w.late for w in gateway.process.live._topics.values()))  # noqa: SLF001
        assert last_donations(slow) == -1

        slow.wake()

        # Nothing happens any more: the last state must come all the same.
        await until(lambda: last_donations(slow) == 8)
        assert slow.text.count(b"event: state") < quick.text.count(b"event: state")
        assert watchers(gateway) == 2


@pytest.mark.usefixtures("big_frames")
async def test_a_stuck_watcher_is_cut_and_the_others_go_on(
    gateway: RunningGateway, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STUCK_MAX_S", 0.3)
    async with Watching(gateway, sleeps=True) as stuck, Watching(gateway) as quick:
        # While it is still being greeted, it would be late itself.
        await until(lambda: last_donations(quick) == 0)
        for number in range(1, 9):
            await give(gateway, announce)
            await until(lambda number=number: last_donations(quick) == number)
        await until(lambda: watchers(gateway) == 1)

        stuck.wake()
        await until(lambda: stuck.ended)
        assert last_donations(stuck) < 8

        await give(gateway, announce)
        await until(lambda: last_donations(quick) == 9)


async def test_who_leaves_is_forgotten(gateway: RunningGateway) -> None:
    """uvicorn's `send` says nothing of a disconnect: who does not listen for it keeps all of them for ever."""
    async with watching(gateway, 300) as crowd:
        await until(lambda: watchers(gateway) == 300)
        for number, one in enumerate(crowd):
            if number % 2:
                one.drop()
            else:
                # Not even a goodbye: the connection is reset.
                raw: socket.socket = one._writer.get_extra_info("socket")  # noqa: SLF001
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                one.drop()

        await until(lambda: watchers(gateway) == 0)
        assert all(not watched.late for watched in gateway.process.live._topics.values())  # noqa: SLF001


async def test_a_topic_that_nobody_watches_is_forgotten(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Watching(gateway, "?from=2021-01-01"), Watching(gateway):
        await until(lambda: len(gateway.process.live._topics) == 2)  # noqa: SLF001
    await until(lambda: watchers(gateway) == 0)
    assert len(gateway.process.live._topics) == 2  # noqa: SLF001

    monkeypatch.setattr(live, "LINGER_S", 0.0)
    await until(lambda: not gateway.process.live._topics)  # noqa: SLF001


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_over_the_cap_one_is_told_to_come_back(settings: GatewaySettings) -> None:
    async with RunningGateway(settings.model_copy(update={"watchers_max": 2})) as gateway:
        async with Watching(gateway), Watching(gateway):
            await until(lambda: watchers(gateway) == 2)
            status, headers, problem = await gateway.get("/v1/live")

        assert (status, problem["code"]) == (503, "too-many-watchers")
        assert 1 <= int(headers["retry-after"]) <= 10
        assert headers["content-type"] == "application/problem+json"
        await until(lambda: watchers(gateway) == 0)
        async with Watching(gateway) as one:
            assert one.status == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?scope=KZ-99", 404, "scope-unknown"),
        ("?scope=volunteer:1", 404, "scope-unknown"),
        (f"?scope=centre:{facts.identity(1)}", 404, "scope-unknown"),
        ("?from=2021-02-30", 422, "day-unreadable"),
        ("?from=20210101", 422, "day-unreadable"),
        ("?to=1609459200", 422, "day-unreadable"),
        ("?from=2021-02-01&to=2021-01-01", 422, "period-backwards"),
    ],
)
async def test_what_cannot_be_shown_is_a_problem_here_as_at_the_dashboard(
    gateway: RunningGateway, query: str, status: int, code: str
) -> None:
    for path in ("/v1/live", "/v1/dashboard"):
        answer, headers, problem = await gateway.get(path + query)
        assert (answer, problem["code"]) == (status, code), path
        assert headers["content-type"] == "application/problem+json"
    assert not gateway.process.live._topics  # noqa: SLF001


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "DELETE"])
async def test_a_stream_is_read(gateway: RunningGateway, method: str) -> None:
    async with gateway.client.request(method, "/v1/live") as answer:
        assert (answer.status, answer.content_type) == (405, "application/problem+json")


async def test_without_a_database_the_stream_is_unavailable(gateway: RunningGateway) -> None:
    await gateway.process.generations.close()

    status, headers, problem = await gateway.get("/v1/live")

    assert (status, problem["code"]) == (503, "database-unavailable")
    assert "retry-after" in headers


async def test_a_scope_that_a_new_read_model_does_not_know_ends_its_streams(
    settings: GatewaySettings, announce: Announcer
) -> None:
    opened = facts.centre_opened()
    query = f"?scope=centre:{opened.centre_id}"
    async with RunningGateway(settings) as gateway:
        await fold(gateway, announce(opened))
        async with Watching(gateway, query) as gone, Watching(gateway) as country:
            await until(lambda: gone.states and country.states)
            generations = gateway.process.generations
            await generations._activate(await generations.rebuild())  # noqa: SLF001

            await until(lambda: gone.ended)
            await country.until_figure("volunteer_centres", 0)
            assert country.states[-1][0].startswith("2.0.")
        assert gone.blocks[-1].startswith(b"retry: ")
        assert (await gateway.get("/v1/live" + query))[0] == 404


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_at_shutdown_everyone_is_told_to_come_back_at_another_time(settings: GatewaySettings) -> None:
    async with (
        RunningGateway(settings) as gateway,
        watching(gateway, 20) as plain,
        watching(gateway, 20, gzip=True) as packed,
    ):
        await until(lambda: watchers(gateway) == 40)
        await gateway.stop()

        # Whose stream is broken off, and not ended, is told nothing.
        await until(lambda: all(one.ended for one in plain + packed))
        said = [one.blocks[-1] for one in plain + packed]
        retries = {int(block.removeprefix(b"retry: ")) for block in said}
        assert all(1000 <= ms <= 10_000 for ms in retries)
        assert len(retries) > 5


@pytest.mark.usefixtures("big_frames")
async def test_a_stuck_watcher_does_not_keep_the_gateway_from_stopping(
    settings: GatewaySettings, announce: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_server, "GRACE_S", 1)
    async with RunningGateway(settings) as gateway, watching(gateway, 3, sleeps=True):
        await until(lambda: watchers(gateway) == 3)
        topics = gateway.process.live._topics  # noqa: SLF001
        while not any(len(watched.late) == 3 for watched in topics.values()):
            await give(gateway, announce)
        # It would wait for ever, and this with it until its own deadline.
        await gateway.stop()


# --- what the hub relies on -------------------------------------------------------------------------------------------


async def test_chunks_are_written_beside_send_while_the_socket_has_room_and_are_part_of_the_answer() -> None:
    """The hub writes to connections by itself (decision 0008). Should uvicorn frame answers otherwise, it must too."""
    had_room: list[bool] = []
    may_end = asyncio.Event()
    chunk = b"10000\r\n%b\r\n" % (b"x" * 65_536)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                await send({"type": f"{(await receive())['type']}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        write = scope["extensions"][WRITE]["write"]
        while len(had_room) < 2000 and all(had_room):
            had_room.append(write(chunk))
            await asyncio.sleep(0)
        await may_end.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async with Listening(app, unused_settings(port=0)) as server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**16)
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
        await until(lambda: not all(had_room))
        may_end.set()
        _, body = (await reader.read()).split(b"\r\n\r\n", 1)
        writer.close()

    assert had_room[:2] == [True, True]
    assert body == b"5\r\nfirst\r\n" + chunk * sum(had_room) + b"4\r\nlast\r\n0\r\n\r\n"


async def test_any_piece_of_a_packed_stream_may_be_the_first() -> None:
    events = [live.Event(f"id: {new_id()}\n\n".encode()) for _ in range(5)]
    for first in range(5):
        unzip = zlib.decompressobj(31)
        read = unzip.decompress(events[first].first(packed=True)["body"])
        for event in events[first + 1 :]:
            read += unzip.decompress(event.last(packed=True)["body"])
        assert read == b"".join(event.last(packed=False)["body"] for event in events[first:])
