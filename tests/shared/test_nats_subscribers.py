"""Those outside hear the facts that they were granted, and whatever they try, nothing else (T14)."""

import contextlib
from pathlib import Path

import pytest
from nats.aio.client import Client

from deploy.bus.subscribers import Subscriber
from deploy.local.nats import EmbeddedNats
from shared.database import Database
from shared.messaging.permissions import users
from shared.messaging.subjects import PUBLISHERS
from tests.shared.callers import (
    ALMATY,
    ASTANA,
    OURS,
    THEIRS,
    announce,
    answer_to,
    calling,
    everything_one_might_publish,
    let_in,
    matches,
    relaying,
    reload,
    said_by,
    stored,
)
from tests.shared.conftest import until
from tests.shared.streams import NOW

GRANTS: dict[str, dict[str, list[str]]] = {
    "of-a-centre": {"centres": [str(OURS)]},
    "of-a-region": {"regions": [ALMATY]},
    "of-a-service": {"services": ["charity"]},
    "of-both": {"regions": [ALMATY, ASTANA], "services": ["events", "charity"]},
    "of-everything": {},
}


def is_granted(subject: str, granted: dict[str, list[str]]) -> bool:
    _, service, _, _, region, centre = subject.split(".")
    return (
        service in (granted.get("services") or PUBLISHERS)
        and region.upper() in (granted.get("regions") or [region.upper()])
        and centre in (granted.get("centres") or [centre])
    )


@pytest.fixture
async def outside(guarded: EmbeddedNats, operator: Client) -> dict[str, str]:
    """The seed of a subscriber with each kind of grant."""
    return {name: await let_in(guarded, name, **granted) for name, granted in GRANTS.items()}


async def test_each_hears_its_own_facts_once_and_in_order(
    outside: dict[str, str], guarded: EmbeddedNats, operator: Client, database: Database, tmp_path: Path
) -> None:
    """Also when a batch is refused because some of it is stored already, and its rest goes one by one."""
    async with contextlib.AsyncExitStack() as stack:
        callers = {name: await stack.enter_async_context(calling(guarded, seed=seed)) for name, seed in outside.items()}
        for caller in callers.values():
            await caller.listen()
        sent: list[tuple[str, str]] = []
        for service in PUBLISHERS:
            await database.pool.execute("DELETE FROM outbox")
            for _ in range(3):
                await announce(database, *said_by(service))
            rows = await database.pool.fetch("SELECT subject, message_id, body FROM outbox ORDER BY position")
            sent += [(row["subject"], str(row["message_id"])) for row in rows]
            relay = await stack.enter_async_context(relaying(guarded, service, database, tmp_path))
            async with calling(guarded, service) as crashed:
                first = rows[0]
                headers = {"Nats-Msg-Id": str(first["message_id"])}
                await crashed.client.jetstream().publish(first["subject"], first["body"].encode(), headers=headers)
            assert await relay.relay_batch() == len(rows)

        for name, caller in callers.items():
            granted = [(subject, message_id) for subject, message_id in sent if is_granted(subject, GRANTS[name])]
            await until(lambda one=caller, known=granted: len(one.heard) >= len(known))
            await caller.client.flush()
            assert caller.heard == granted, name


@pytest.mark.parametrize("name", GRANTS)
async def test_someone_outside_can_publish_nothing(
    name: str, outside: dict[str, str], guarded: EmbeddedNats, operator: Client
) -> None:
    before = await stored(operator)

    async with calling(guarded, seed=outside[name]) as caller:
        got_through = await caller.publishes(*everything_one_might_publish())

    assert got_through == []
    assert await stored(operator) == before


@pytest.mark.parametrize("name", GRANTS)
async def test_someone_outside_hears_nothing_else(
    name: str, outside: dict[str, str], guarded: EmbeddedNats, operator: Client, database: Database, tmp_path: Path
) -> None:
    tempting = [
        *(">", "*.>", "_INBOX.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$SYS.>", "pub.>", "hint.>", "pub.asar.>"),
        *(subject for user in users() for subject in user.subscribe),
    ]
    async with calling(guarded, seed=outside[name]) as caller:
        assert await caller.hears(*tempting) == []
        # What another was granted can be asked for, and nothing comes.
        for subject in (f"asar.*.*.*.*.{THEIRS}", f"asar.*.*.*.{ASTANA.lower()}.*", "asar.*.*.*.-.-", "asar.>"):
            await caller.listen(subject)
        for service in PUBLISHERS:
            await database.pool.execute("DELETE FROM outbox")
            await announce(database, *said_by(service))
            async with relaying(guarded, service, database, tmp_path) as relay:
                await relay.relay_batch()
        await until(lambda: any(is_granted(subject, GRANTS[name]) for subject, _ in caller.heard))
        await caller.client.flush()

        assert [subject for subject, _ in caller.heard if not is_granted(subject, GRANTS[name])] == []


async def test_one_who_is_revoked_is_put_out_and_the_others_are_not_disturbed(
    outside: dict[str, str], guarded: EmbeddedNats, operator: Client
) -> None:
    async with (
        calling(guarded, seed=outside["of-everything"]) as revoked,
        calling(guarded, seed=outside["of-a-region"]) as stays,
        calling(guarded, "charity") as service,
    ):
        numbers = [caller.client.client_id for caller in (stays, service)]
        for caller in (revoked, stays):
            await caller.listen()

        guarded.subscribers.revoke("of-everything")
        await reload(guarded)
        await until(lambda: not revoked.client.is_connected)
        subject = f"asar.charity.donation.received.{ALMATY.lower()}.{OURS}"
        await service.client.jetstream().publish(subject, b"{}", headers={"Nats-Msg-Id": "1"})
        await until(lambda: stays.heard == [(subject, "1")])

        assert revoked.heard == []
        assert [caller.client.client_id for caller in (stays, service)] == numbers
        assert await answer_to(guarded, outside["of-a-region"]) == b"PONG"
        assert await answer_to(guarded, outside["of-everything"]) == b"-ERR 'Authorization Violation'"


def test_grants_of_one_subscriber_never_overlap() -> None:
    """Two imports that one message fits would have it come twice."""
    one = {"name": "x", "account": "EXT_1", "public_key": "U", "added_at": NOW, "services": list(PUBLISHERS)}
    for granted in ({}, {"regions": [ALMATY, ASTANA]}, {"centres": [str(OURS), str(THEIRS)]}):
        subjects = Subscriber.model_validate(one | granted).subjects
        assert len(subjects) == len(PUBLISHERS) * max(1, len(next(iter(granted.values()), [])))
        for subject in (s.replace("*", "x") for s in subjects):
            assert sum(matches(pattern, subject) for pattern in subjects) == 1
