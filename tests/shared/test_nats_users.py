"""NATS lets each service do what its parts do, and nothing else (T14).

The server runs with the users and accounts of the product. What is promised: `docs/decisions/0017-nats-accounts.md`.
"""

import asyncio
import contextlib
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from deploy.local.nats import EmbeddedNats
from services.charity.consumers import consumer as charity_consumer
from services.events.consumers import consumer as events_consumer
from services.gateway.consumers import consumer as gateway_consumer
from services.volunteers.consumers import consumer as volunteers_consumer
from shared.database import Database
from shared.messaging import audit
from shared.messaging.permissions import OPERATOR, User, users
from shared.messaging.pull import UNREADABLE, Delivery, Puller
from shared.messaging.subjects import LISTENERS, PUBLISHERS, durables_of, hint_subject, stream_name
from shared.messaging.topology import Subscription
from tests.gateway import facts
from tests.shared.callers import (
    OURS,
    USERS,
    announce,
    calling,
    everything_one_might_publish,
    matches,
    relaying,
    said_by,
    stored,
)
from tests.shared.conftest import until
from tests.shared.streams import unsent

# --- what has to work -------------------------------------------------------------------------------------------------


def test_what_the_users_may_hear_is_what_the_consumers_hear() -> None:
    consumers = (volunteers_consumer, events_consumer, charity_consumer, gateway_consumer)

    heard = {
        consumer.name: {service: tuple(sorted(nouns)) for service, nouns in consumer.nouns.items()}
        for consumer in consumers
    }

    assert heard == LISTENERS


@pytest.mark.parametrize("service", PUBLISHERS)
async def test_a_service_can_announce_audit_and_make_good_what_its_stream_has_lost(
    service: str, guarded: EmbeddedNats, operator: Client, database: Database, tmp_path: Path
) -> None:
    listening = Subscription(durables_of("gateway")[0], service)
    await announce(database, *said_by(service))
    async with relaying(guarded, service, database, tmp_path) as relay, calling(guarded, "gateway") as gateway:
        assert await relay.relay_batch() == len(said_by(service))
        async with Puller(gateway.client, listening) as puller:
            assert await puller.page()
        async with calling(guarded, service) as own:
            assert await audit.missing(service, database, own.client) == []
        assert await audit.missing(service, database, operator) == []

        await operator.jetstream().delete_stream(stream_name(service))
        task = asyncio.create_task(relay.run())
        try:
            await until(lambda: _holds(operator, service, len(said_by(service))))
            # A hint from another process of this service is let through, too.
            await announce(database, *said_by(service))
            async with calling(guarded, service) as own:
                await own.client.publish(hint_subject(service))
            await until(lambda: _all_sent(database))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with Puller(gateway.client, listening), calling(guarded, service) as own:
            await audit.forget_consumers(own.client, service)
            assert await operator.jetstream().consumers_info(stream_name(service)) == []


async def _holds(operator: Client, service: str, messages: int) -> bool:
    with contextlib.suppress(NotFoundError):
        return (await stored(operator))[service] == messages
    return False


async def _all_sent(database: Database) -> bool:
    return await unsent(database) == 0


@pytest.mark.parametrize("listener", LISTENERS)
async def test_a_service_can_hear_what_it_listens_to(
    listener: str, guarded: EmbeddedNats, operator: Client, database: Database, tmp_path: Path
) -> None:
    for service in LISTENERS[listener]:
        await database.pool.execute("DELETE FROM outbox")
        await announce(database, *said_by(service))
        async with relaying(guarded, service, database, tmp_path) as relay:
            await relay.relay_batch()
    async with calling(guarded, listener) as caller:
        for durable in durables_of(listener):
            for service, nouns in LISTENERS[listener].items():
                async with Puller(caller.client, Subscription(durable, service, nouns)) as puller:
                    waiting, _ = await _left(caller.client, service, durable)
                    assert waiting
                    # A page is what has arrived by then.
                    while waiting > 0:
                        page = await puller.page()
                        assert {delivery.type.split(".")[0] for delivery in page} == {service}
                        waiting -= len(page)
                        await puller.acknowledge(page)
                    await until(lambda s=service, d=durable: _nothing_is_left(caller.client, s, d))
                await caller.client.jetstream().delete_consumer(stream_name(service), durable)


async def _nothing_is_left(client: Client, service: str, durable: str) -> bool:
    return await _left(client, service, durable) == (0, 0)


async def _left(client: Client, service: str, durable: str) -> tuple[int, int]:
    """Messages that were not delivered yet, and those that were not acknowledged."""
    info = await client.jetstream().consumer_info(stream_name(service), durable)
    return info.num_pending or 0, info.num_ack_pending or 0


# --- attacks ---------------------------------------------------------------------------------------------------------


def may_publish(user: User, subject: str) -> bool:
    return any(matches(pattern, subject) for pattern in user.publish)


@pytest.mark.parametrize("name", USERS)
async def test_what_a_user_may_not_publish_is_refused(name: str, guarded: EmbeddedNats, operator: Client) -> None:
    attacks = [subject for subject in everything_one_might_publish() if not may_publish(USERS[name], subject)]
    before = await stored(operator)

    async with calling(guarded, name) as caller:
        got_through = await caller.publishes(*attacks)

    assert got_through == []
    assert await stored(operator) == before
    assert len(attacks) > 200


@pytest.mark.parametrize("name", USERS)
async def test_what_a_user_may_not_hear_is_refused(name: str, guarded: EmbeddedNats) -> None:
    everywhere = [">", "_INBOX.>", "$JS.>", "$JS.EVENT.>", "$SYS.>", "asar.>", "pub.>", "hint.>", "hint.asar.*", "*.>"]
    others = [subject for user in users() if user.name != name for subject in user.subscribe]

    async with calling(guarded, name) as caller:
        assert await caller.hears(*everywhere, *others) == []


def test_a_user_may_read_its_own_stream_and_take_from_its_own_durables_only() -> None:
    """The rules themselves: no wildcard stands where a stream or a durable is named, but to forget one's listeners."""
    for name, user in USERS.items():
        for subject in user.publish:
            if not subject.startswith("$JS."):
                assert subject in {f"asar.{name}.>", f"hint.asar.{name}"}
            elif "*" in subject:
                assert subject.startswith(("$JS.API.CONSUMER.DELETE.", "$JS.API.CONSUMER.INFO."))
                assert name == OPERATOR or subject == f"$JS.API.CONSUMER.DELETE.{stream_name(name)}.*"
            elif "MSG.NEXT" in subject or "ACK" in subject:
                assert set(subject.split(".")) & set(durables_of(name))
            elif "DIRECT.GET" in subject:
                assert name == OPERATOR or subject.endswith(stream_name(name))


async def test_an_answer_that_is_led_into_another_s_stream_is_no_message_to_its_listeners(
    guarded: EmbeddedNats, operator: Client
) -> None:
    """The server asks nobody whether they may publish where they want an answer."""
    [fact] = [fact for fact in said_by("charity") if fact.centre_id == OURS]
    made_up = facts.Announcer()(fact)
    forged = {
        "Nats-Msg-Id": made_up.message_id,
        "Asar-Type": made_up.type,
        "Asar-Aggregate": made_up.aggregate,
        "Asar-Version": "1",
    }
    async with calling(guarded, "volunteers") as attacker, calling(guarded, "events") as listener:
        own = attacker.client.jetstream()
        await own.publish("asar.volunteers.centre.opened.-.-", made_up.body.encode(), headers=forged)
        # The acknowledgement of the next one, and the copy of the first one, end where they do not belong.
        await attacker.client.publish("asar.volunteers.centre.opened.-.-", b"x", reply="asar.charity.campaign.x.-.-")
        ask = b'{"seq": 1, "batch": 1, "next_by_subj": ">"}'
        await attacker.client.publish("$JS.API.DIRECT.GET.ASAR_VOLUNTEERS", ask, reply="asar.charity.campaign.x.-.-")
        await attacker.client.flush()
        await until(lambda: _holds(operator, "charity", 3))

        led_astray = await _pages(listener.client, Subscription("events", "charity", ("campaign",)), 3)
        in_own_stream = await _pages(listener.client, Subscription("events", "volunteers", ("centre", "volunteer")), 2)

    assert {delivery.type for delivery in (*led_astray, *in_own_stream)} == {UNREADABLE}


async def _pages(client: Client, subscription: Subscription, messages: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with Puller(client, subscription) as puller:
        while len(found) < messages:
            page = await puller.page()
            found += page
            await puller.acknowledge(page)
    return found
