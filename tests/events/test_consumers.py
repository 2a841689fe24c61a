"""What the events service hears, and that hearing it twice changes nothing."""

from datetime import date
from typing import Any

from services.events.consumers import consumer
from shared.contracts.volunteers import VolunteerActivated, VolunteerLeft, VolunteerRegistered
from shared.ids import new_id
from shared.messaging.pull import Delivery
from tests.events import factories
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

    first = await consumer.apply(events.database, stream)
    once = await known(events)
    second = await consumer.apply(events.database, stream)
    one_by_one = [await consumer.apply(events.database, [delivery]) for delivery in reversed(stream)]

    assert (first, second, sum(one_by_one)) == (6, 0, 0)
    assert await known(events) == once
    [centre] = once["knowncentre"]
    assert (centre["id"], centre["region"], centre["closed_on"]) == (centre_id, "KZ-75", date(2021, 12, 31))
    [volunteer] = once["knownvolunteer"]
    assert (volunteer["status"], volunteer["born_in"], volunteer["consent"]) == ("active", "1990-05", True)
    assert [campaign["status"] for campaign in once["knowncampaign"]] == ["open"]


async def test_a_younger_message_waits_for_the_older_one(events: ServiceUnderTest) -> None:
    volunteer_id = new_id()
    left = factories.volunteer_fact(VolunteerLeft, volunteer_id, was="approved", status="left")

    early = await consumer.apply(events.database, [factories.delivery(left, version=2)])
    nothing = (await known(events))["knownvolunteer"]
    both = await consumer.apply(events.database, [factories.delivery(factories.volunteer_approved(volunteer_id))])

    assert (early, nothing, both) == (0, [], 2)
    assert [v["status"] for v in (await known(events))["knownvolunteer"]] == ["left"]
