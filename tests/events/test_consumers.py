"""What the events service hears, and that hearing it twice changes nothing."""

from datetime import date
from typing import Any
from uuid import UUID

from services.events.consumers import consumer
from shared.contracts.volunteers import VolunteerActivated, VolunteerErased, VolunteerLeft, VolunteerRegistered
from shared.ids import new_id
from shared.messaging.pull import Delivery
from tests.events import factories
from tests.events.conftest import Make
from tests.systems import ServiceUnderTest


async def known(events: ServiceUnderTest) -> dict[str, list[dict[str, Any]]]:
    """All that the service has heard."""
    tables = ("knowncentre", "knownvolunteer", "knowncampaign", "inbox")
    return {
        table: [dict(row) for row in await events.database.pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]  # noqa: S608
        for table in tables
    }


async def test_the_whole_stream_delivered_twice_is_heard_once(events: ServiceUnderTest) -> None:
    centre_id, volunteer_id, campaign_id = new_id(), new_id(), new_id()
    registered = factories.volunteer_fact(VolunteerRegistered, volunteer_id, status="applied")
    activated = factories.volunteer_fact(VolunteerActivated, volunteer_id, was="approved", status="active")
    stream: list[Delivery] = [
        factories.delivery(factories.centre_opened(centre_id)),
        factories.delivery(factories.centre_closed(centre_id, date(2021, 12, 31)), version=2),
        factories.delivery(registered),
        factories.delivery(factories.volunteer_approved(volunteer_id), version=2),
        factories.delivery(activated, version=3),
        factories.delivery(factories.campaign_opened(campaign_id)),
    ]

    first = await consumer.apply(events.process.database, stream)
    once = await known(events)
    second = await consumer.apply(events.process.database, stream)
    one_by_one = [await consumer.apply(events.process.database, [delivery]) for delivery in reversed(stream)]

    assert (first, second, sum(one_by_one)) == (6, 0, 0)
    assert await known(events) == once
    [centre] = once["knowncentre"]
    assert (centre["id"], centre["region"], centre["closed_on"]) == (centre_id, "KZ-75", date(2021, 12, 31))
    [volunteer] = once["knownvolunteer"]
    assert (volunteer["status"], volunteer["born_in"], volunteer["consent"]) == ("active", "1990-05", True)
    assert [campaign["status"] for campaign in once["knowncampaign"]] == ["open"]


async def test_of_who_is_erased_only_the_past_is_kept(
    events: ServiceUnderTest, event: Make, shift: Make, volunteer: Make
) -> None:
    volunteer_id, other = await volunteer(), await volunteer()
    ahead = {"starts_at": factories.FUTURE_STARTS_AT, "ends_at": factories.FUTURE_ENDS_AT}
    past, future = await shift(), await shift(await event(**ahead), **ahead)
    for shift_id in (past, future):
        for who in (volunteer_id, other):
            answer = await events.post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": who})
            assert answer.status_code == 201, answer.text
    erased = VolunteerErased(
        volunteer_id=UUID(volunteer_id), was="approved", status="erased", on=date(2026, 1, 1), region="KZ-75"
    )
    page = [factories.delivery(erased, version=2)]

    applied = [await consumer.apply(events.database, page) for _ in range(2)]

    assert applied == [1, 0]
    assert [str(row["id"]) for row in (await known(events))["knownvolunteer"]] == [other]
    [withdrawn] = await events.outbox("events.signup.withdrawn.v1")
    assert (withdrawn["data"]["shift_id"], withdrawn["data"]["volunteer_id"]) == (future, volunteer_id)
    taken = [(await events.client.get(f"/v1/shifts/{shift_id}")).json()["taken"] for shift_id in (past, future)]
    assert taken == [2, 1]
    refused = await events.post("/v1/sign-ups", {"shift_id": future, "volunteer_id": volunteer_id})
    assert refused.json()["code"] == "volunteer-unknown"


async def test_who_is_told_of_and_erased_in_one_page_is_not_known(events: ServiceUnderTest) -> None:
    volunteer_id = new_id()
    erased = VolunteerErased(volunteer_id=volunteer_id, was="approved", status="erased", on=date(2026, 1, 1))

    await consumer.apply(
        events.database,
        [
            factories.delivery(factories.volunteer_approved(volunteer_id)),
            factories.delivery(erased, version=2),
        ],
    )

    assert (await known(events))["knownvolunteer"] == []


async def test_a_younger_message_waits_for_the_older_one(events: ServiceUnderTest) -> None:
    volunteer_id = new_id()
    left = factories.volunteer_fact(VolunteerLeft, volunteer_id, was="approved", status="left")

    early = await consumer.apply(events.process.database, [factories.delivery(left, version=2)])
    nothing = (await known(events))["knownvolunteer"]
    both = await consumer.apply(
        events.process.database, [factories.delivery(factories.volunteer_approved(volunteer_id))]
    )

    assert (early, nothing, both) == (0, [], 2)
    assert [v["status"] for v in (await known(events))["knownvolunteer"]] == ["left"]
