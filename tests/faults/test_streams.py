"""JetStream loses a stream, its tail or a consumer, or delivers everything again: the outbox is the truth."""

import shutil
from pathlib import Path

import pytest
from nats.aio.client import Client

from deploy.bus.configuration import APP
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import PUBLISHERS, stream_name
from tests.faults.checker import BACK_WITHIN_S
from tests.faults.trial import under_load
from tests.faults.verdict import Verdict
from tests.running import RunningSystem, until

pytestmark = pytest.mark.faults
NOTICED_WITHIN_S = 10


@pytest.mark.fault(14, "deleted under load")
async def test_a_stream_that_is_lost_under_load_is_found_and_filled_again(
    running_system: RunningSystem, verdict: Verdict
) -> None:
    republished = await running_system.republished()
    client = await connect(running_system.nats_url(OPERATOR))
    async with under_load(running_system, verdict) as life:
        await client.jetstream().delete_stream(stream_name("charity"))
        await _noticed(running_system, republished)
        assert life.history.failures() == []
    await client.close()


@pytest.mark.slow
@pytest.mark.fault(14, "put back as it was before")
@pytest.mark.parametrize("what", ["streams and consumers", "messages alone"])
async def test_a_stream_that_was_put_back_is_found_and_filled_again(
    running_system: RunningSystem, verdict: Verdict, tmp_path: Path, what: str
) -> None:
    """With its consumers ahead of it, a stream would pass over what comes now under numbers used before."""
    republished = await running_system.republished()
    stream = running_system.installation.nats.home / "streams" / "jetstream" / APP / "streams" / stream_name("charity")
    kept = stream if what == "streams and consumers" else stream / "msgs"
    async with under_load(running_system, verdict) as life:
        with running_system.held():
            await running_system.kill_all_of("nats")
            shutil.copytree(kept, tmp_path / "older")
        await running_system.ready_again("nats")
        await life.goes_on(more=20)
        # Its relay may wait for seconds for the answer of a server that is dead. Until then there is nothing to lose.
        await running_system.drained(patience_s=BACK_WITHIN_S)
        with running_system.held():
            await running_system.kill_all_of("nats")
            shutil.rmtree(kept)
            shutil.copytree(tmp_path / "older", kept)
        await running_system.ready_again("nats")
        await _noticed(running_system, republished)
        assert life.history.failures() == []


async def _noticed(system: RunningSystem, republished: int) -> None:
    async def more() -> bool:
        return await system.republished() > republished

    await until("the loss is noticed", more, patience_s=NOTICED_WITHIN_S)


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
