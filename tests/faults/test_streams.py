"""JetStream loses a stream or a consumer, or delivers everything again: the outbox is the truth, the figures stay."""

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS, stream_name
from tests.faults.load import Life
from tests.running import RunningSystem, until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("system")]


async def test_a_stream_that_is_lost_under_load_is_found_and_filled_again(running_system: RunningSystem) -> None:
    life = Life(running_system)
    await life.settle_in()
    client = await connect(running_system.installation.nats.url(OPERATOR))

    async with life.going_on() as history:
        await _until_some(history.donations)
        await client.jetstream().delete_stream(stream_name("charity"))
        so_far = len(history.donations)

        async def back() -> bool:
            try:
                await client.jetstream().stream_info(stream_name("charity"))
            except NotFoundError:
                return False
            return len(history.donations) > so_far + 10

        await until("the stream is there again, and life goes on", back)
    await life.close()
    await client.close()

    await running_system.settled()
    report = await running_system.verify()
    assert report.ok, report.differences[:20]


async def test_streams_delivered_a_second_time_change_no_figure(running_system: RunningSystem) -> None:
    await running_system.settled()
    before = await running_system.verify()
    client = await connect(running_system.installation.nats.url(OPERATOR))

    await _forget_consumers(client)
    await running_system.settled()

    after = await running_system.verify()
    [durable] = [
        consumer.name
        for consumer in await client.jetstream().consumers_info(stream_name("charity"))
        if consumer.name.startswith("gateway_")
    ]
    info = await client.jetstream().consumer_info(stream_name("charity"), durable)
    stored = (await client.jetstream().stream_info(stream_name("charity"))).state.messages
    await client.close()
    assert (after.ok, after.messages) == (True, before.messages), after.differences[:20]
    # They did come again.
    assert info.delivered is not None
    assert info.delivered.consumer_seq >= stored > 0


async def _until_some(things: object) -> None:
    async def some() -> bool:
        return bool(things)

    await until("life has begun", some)


async def _forget_consumers(client: Client) -> None:
    """A durable that is deleted is made anew, and begins at the stream's first message."""
    jetstream = client.jetstream()
    for service in PUBLISHERS:
        for consumer in await jetstream.consumers_info(stream_name(service)):
            if consumer.config.durable_name:
                await jetstream.delete_consumer(stream_name(service), consumer.config.durable_name)


async def test_through_all_of_this_no_service_was_refused_anything_by_nats(running_system: RunningSystem) -> None:
    """What each user may do is what its service does, also while it makes good what was lost."""
    log = (running_system.installation.logs / "nats.log").read_text(encoding="utf-8")

    assert [line for line in log.splitlines() if "Violation" in line] == []
