"""Messages are counted as they are announced and applied: the totals are what the rows add up to, whatever happens."""

from shared.ids import new_id
from shared.messaging import audit, totals
from shared.messaging.connection import Bus
from shared.messaging.relay import Relay
from shared.messaging.topology import assert_stream
from tests.shared.kites import SERVICE, Listener
from tests.shared.streams import history, make_anew
from tests.systems import ServiceUnderTest

NOUN = "kites.kite"


async def miscounted(kites: ServiceUnderTest) -> list[object]:
    pool = kites.database.pool
    return [
        *await pool.fetch(totals.MISCOUNTED_SENT),
        *await pool.fetch(totals.MISCOUNTED_APPLIED.format(schema="")),
    ]


async def announced(kites: ServiceUnderTest) -> int:
    return (await totals.announced(kites.process.database)).get(NOUN, 0)


async def test_a_message_is_announced_once_whether_it_is_sent_or_not(kites: ServiceUnderTest, bus: Bus) -> None:
    for name in "abc":
        await kites.post("/v1/kites", {"name": name})
    assert await announced(kites) == 3

    await assert_stream(bus.client, SERVICE, replicas=1)
    await Relay(SERVICE, kites.process.database, bus).relay_batch()

    assert await announced(kites) == 3
    await kites.post("/v1/kites", {"name": "d"})
    assert await announced(kites) == 4
    assert await miscounted(kites) == []


async def test_what_the_stream_has_lost_and_is_sent_again_was_announced_once(kites: ServiceUnderTest, bus: Bus) -> None:
    relay = Relay(SERVICE, kites.process.database, bus)
    await assert_stream(bus.client, SERVICE, replicas=1)
    for name in "ab":
        await kites.post("/v1/kites", {"name": name})
    await relay.relay_batch()
    await make_anew(bus)

    assert await audit.republish_missing(SERVICE, kites.process.database, bus.client) == 2
    assert await announced(kites) == 2

    await relay.relay_batch()
    assert await announced(kites) == 2
    assert await miscounted(kites) == []


async def test_what_is_applied_is_counted_once_however_it_comes(kites: ServiceUnderTest, listener: Listener) -> None:
    database, apply = kites.process.database, listener.consumer.apply
    first, second = history(new_id(), 4), history(new_id(), 3)

    await apply(database, [*first[:2], *second[:1]])
    assert await totals.applied(database, "watchers") == {NOUN: 3}

    # Again, with a gap, and then what fills it
    await apply(database, [*first[:2], *second[2:]])
    assert await totals.applied(database, "watchers") == {NOUN: 3}
    await apply(database, [*second[1:2], *first])

    assert await totals.applied(database, "watchers") == {NOUN: 7}
    assert await miscounted(kites) == []


async def test_each_consumer_is_counted_by_itself(kites: ServiceUnderTest) -> None:
    database = kites.process.database
    await Listener("watchers").consumer.apply(database, history(new_id(), 2))
    await Listener("others").consumer.apply(database, history(new_id(), 1))

    assert await totals.applied(database, "watchers") == {NOUN: 2}
    assert await totals.applied(database, "others") == {NOUN: 1}


async def test_a_total_that_is_wrong_is_found(kites: ServiceUnderTest, listener: Listener) -> None:
    await listener.consumer.apply(kites.process.database, history(new_id(), 2))

    await kites.database.pool.execute("UPDATE inbox_total SET messages = messages + 1")

    [[noun, rows, told]] = await kites.database.pool.fetch(totals.MISCOUNTED_APPLIED.format(schema=""))
    assert (noun, rows, told) == (NOUN, 2, 3)
