"""The trickle goes on with today's activity: in requests that the services take, on no day of the past year."""

import asyncio
import re
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from pydantic import BaseModel

from deploy.demo import trickle
from deploy.demo.network.days import ALMATY
from deploy.demo.trickle import Trickle
from services.charity import schemas as of_charity
from services.events import schemas as of_events
from services.volunteers import schemas as of_volunteers

FORMS: dict[str, type[BaseModel]] = {
    "volunteers": of_volunteers.RegisterVolunteer,
    "approvals": of_volunteers.Decide,
    "donations": of_charity.RecordDonation,
    "deliveries": of_charity.MakeDelivery,
    "events": of_events.CreateEvent,
    "holdings": of_events.HoldEvent,
    "headcounts": of_events.TakeHeadcount,
    "shifts": of_events.OpenShift,
    "sign-ups": of_events.SignUpForShift,
    "attendances": of_events.RecordAttendance,
}


class Gateway:
    """Has one thing of each kind, and takes what is posted."""

    def __init__(self) -> None:
        self.centre_id = str(uuid4())
        self.posted: list[tuple[str, Any]] = []
        self.keys: list[str] = []
        self.first_post = asyncio.Event()
        self.empty = False
        self.down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        noun = request.url.path.rpartition("/")[2]
        if request.method == "GET":
            thing = {"id": str(uuid4()), "centre_id": self.centre_id, "centre_ids": [self.centre_id], "region": "KZ-75"}
            return httpx.Response(200, json={"items": [] if self.empty else [thing]})
        FORMS[noun].model_validate_json(request.content)
        self.posted.append((noun, orjson.loads(request.content)))
        self.first_post.set()
        self.keys.append(request.headers["idempotency-key"])
        return httpx.Response(201, json={"id": str(uuid4())})

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://gateway")


async def test_all_kinds_of_things_happen_and_only_today() -> None:
    gateway = Gateway()
    activity = Trickle(gateway.client(), seed=1)

    for _ in range(400):
        await activity.act()

    happened = Counter(noun for noun, _ in gateway.posted)
    if datetime.now(ALMATY).hour >= 1:  # In the first minutes of a day no event of that day has ended yet.
        assert happened.keys() == FORMS.keys()
    assert activity.refused == 0
    assert len(set(gateway.keys)) == len(gateway.keys)
    today = datetime.now(ALMATY).date().isoformat()
    for _, body in gateway.posted:
        days = re.findall(
            rb'_(?:at|on)":"([0-9-]{10})', orjson.dumps({k: v for k, v in body.items() if k != "born_on"})
        )
        assert all(day.decode() == today for day in days)


async def test_an_empty_or_absent_network_is_waited_for() -> None:
    gateway = Gateway()
    activity = Trickle(gateway.client(), seed=1)

    gateway.empty = True
    await activity.act()
    gateway.empty, gateway.down = False, True
    await activity.act()
    refused = activity.refused
    gateway.down = False
    await activity.act()

    assert (refused, activity.done) == (2, 1)


async def test_it_stops_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway()
    monkeypatch.setattr(trickle, "client_of", lambda *_: gateway.client())
    stop = asyncio.Event()

    running = asyncio.create_task(trickle.trickle("http://gateway", "a key", stop))
    await asyncio.wait_for(gateway.first_post.wait(), timeout=2)
    stop.set()

    await asyncio.wait_for(running, timeout=2)
