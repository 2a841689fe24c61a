"""Made-up activity of today, one small thing every few seconds, so that the page of the demo moves.

Acts through the public API like anybody else, on what it finds there, and never touches a day of the past year.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.load import client_of
from deploy.demo.names import Names
from deploy.demo.network import gifts, vocabulary
from deploy.demo.network.days import ALMATY
from deploy.demo.network.dice import Dice, Weighted
from deploy.demo.network.giving import money
from deploy.demo.network.places import BY_CODE

PAUSES_S = (1.0, 4.0)
_LOOK_AROUND_EVERY_S = 300.0

Step = Callable[[], Awaitable[None]]
Found = list[dict[str, Any]]


class Refused(Exception):
    """The API said no to a step: the next one may fare better."""


class Trickle:
    """A network at work today."""

    def __init__(self, client: httpx.AsyncClient, *, seed: int | None = None) -> None:
        self._client = client
        self._dice = Dice(random.SystemRandom().getrandbits(64) if seed is None else seed, "trickle")
        self._names = Names(self._dice)
        self._follow_ups: deque[Step] = deque()
        self._centres: Found = []
        self._campaigns: Found = []
        self._volunteers: Found = []
        self._families: Found = []
        self._looked_at: float | None = None
        self._steps: Weighted[Step] = Weighted(
            [
                (self._somebody_gives, 40),
                (self._a_delivery_is_made, 28),
                (self._an_event_takes_place, 18),
                (self._somebody_registers, 14),
            ]
        )
        self.done = 0
        self.refused = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Act until `stop` is set. What is refused or does not answer is let go."""
        while not stop.is_set():
            await self.act()
            pause_s = PAUSES_S[0] + (PAUSES_S[1] - PAUSES_S[0]) * self._dice.share()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=pause_s)

    async def act(self) -> None:
        """Do one thing."""
        try:
            await self._look_around()
            step = (
                self._follow_ups.popleft()
                if self._follow_ups and self._dice.chance(0.6)
                else self._dice.draw(self._steps)
            )
            await step()
            self.done += 1
        except (Refused, httpx.HTTPError):
            self.refused += 1

    async def _look_around(self) -> None:
        """Learn whom and what there is, now and then."""
        if self._looked_at is not None and monotonic() - self._looked_at < _LOOK_AROUND_EVERY_S:
            return
        houses = await self._list("/v1/centres", kind="friendship_house")
        self._centres = [*houses, *await self._list("/v1/centres", kind="volunteer_centre")]
        self._campaigns = await self._list("/v1/campaigns", status="open")
        self._volunteers = await self._list("/v1/volunteers", status="active")
        self._families = await self._list("/v1/families", status="verified")
        if self._centres and self._campaigns:
            self._looked_at = monotonic()

    async def _somebody_gives(self) -> None:
        dice = self._dice
        campaign = dice.pick(_some(self._campaigns))
        organisation = dice.chance(0.15)
        donor: dict[str, Any] = {"anonymous": True}
        if organisation:
            donor = {"kind": "organisation", "name": gifts.organisation_name(dice)}
        elif dice.chance(0.5):
            donor = {"kind": "person", "name": self._names.full(self._names.kin(0.7), male=dice.chance(0.5))}
        tenge = dice.draw(gifts.LARGE_AMOUNTS if organisation else gifts.SMALL_AMOUNTS)
        gift = {
            "campaign_id": campaign["id"],
            "centre_id": dice.pick(campaign["centre_ids"] or [centre["id"] for centre in _some(self._centres)]),
            "kind": "money",
            "amount": money(tenge * 100),
            "method": dice.draw(gifts.METHODS_OF_ORGANISATIONS if organisation else gifts.METHODS_OF_PERSONS),
            "donor": donor,
        }
        await self._post("/v1/donations", gift)

    async def _a_delivery_is_made(self) -> None:
        dice = self._dice
        family = dice.pick(_some(self._families))
        delivery: dict[str, Any] = {"family_id": family["id"], "centre_id": family["centre_id"], "kind": "service"}
        if dice.chance(0.7):
            delivery |= {
                "kind": "goods",
                "value": money(dice.between(16, 120) * 50_000),
                "description": "Азық-түлік себеті",
            }
        fitting = [c for c in self._campaigns if not c["centre_ids"] or family["centre_id"] in c["centre_ids"]]
        if fitting and dice.chance(0.7):
            delivery["campaign_id"] = dice.pick(fitting)["id"]
        await self._post("/v1/deliveries", delivery)

    async def _somebody_registers(self) -> None:
        dice = self._dice
        centre = dice.pick(_some(self._centres))
        kin = self._names.kin(BY_CODE[centre["region"]].kazakh_share if centre["region"] in BY_CODE else 0.7)
        born_on = _today() - timedelta(days=dice.between(18 * 366, 45 * 366))
        application = {
            "full_name": self._names.full(kin, male=dice.chance(0.4)),
            "language": "kk" if kin.kazakh else "ru",
            "born_on": born_on.isoformat(),
            "phone": f"+7764{dice.below(10_000_000):07d}",
            "centre_id": centre["id"],
            "directions": dice.some(vocabulary.DIRECTIONS, 2),
            "consent": {"version": "2026-1", "given_on": _today().isoformat(), "how": "online", "by": "self"},
        }
        volunteer = await self._post("/v1/volunteers", application)

        async def approve() -> None:
            await self._post(f"/v1/volunteers/{volunteer['id']}/approvals", {})

        self._follow_ups.append(approve)

    async def _an_event_takes_place(self) -> None:
        """An event that has just ended is written down; sign-ups, attendance, its being held and a headcount follow."""
        dice = self._dice
        centre = dice.pick(_some(self._centres))
        format_ = dice.draw(Weighted((format_, format_.weight) for format_ in vocabulary.FORMATS))
        ends_at = datetime.now(ALMATY).replace(microsecond=0)
        # Near midnight an event of today is a short one.
        starts_at = max(ends_at - timedelta(hours=2), datetime.combine(ends_at.date(), time(), ALMATY))
        if ends_at - starts_at < timedelta(minutes=5):
            return
        when = {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}
        event: dict[str, Any] = {
            "centre_id": centre["id"],
            "format": format_.code,
            "title": dice.pick(format_.titles).payload(),
            "status": "published",
            **when,
        }
        if format_.direction:
            event["direction"] = format_.direction
        event_id = (await self._post("/v1/events", event))["id"]

        async def hold() -> None:
            await self._post(f"/v1/events/{event_id}/holdings", {})

        async def count_heads() -> None:
            heads = {"helpers": dice.below(10), "guests": dice.between(*format_.guests), "counted_by": "Координатор"}
            await self._post("/v1/headcounts", {"event_id": event_id, **heads})

        async def open_shift() -> None:
            shift = await self._post("/v1/shifts", {"event_id": event_id, "role": "Көмекші", "needed": 6, **when})
            for volunteer in dice.some(self._volunteers, dice.between(1, 3)):
                self._follow_ups.append(lambda v=volunteer["id"]: self._serve(shift["id"], v))

        if dice.chance(format_.shifts):
            self._follow_ups.append(open_shift)
        self._follow_ups.append(hold)
        if dice.chance(0.7):
            self._follow_ups.append(count_heads)

    async def _serve(self, shift_id: str, volunteer_id: str) -> None:
        sign_up = await self._post("/v1/sign-ups", {"shift_id": shift_id, "volunteer_id": volunteer_id})

        async def attend() -> None:
            await self._post(f"/v1/sign-ups/{sign_up['id']}/attendances", {"attendance": "present"})

        self._follow_ups.append(attend)

    async def _list(self, path: str, **filters: str) -> Found:
        response = await self._client.get(path, params={**filters, "limit": "200"})
        if not response.is_success:
            raise Refused(f"{path}: {response.status_code}")
        return response.json()["items"]

    async def _post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        response = await self._client.post(path, json=request, headers={"idempotency-key": str(uuid4())})
        if not response.is_success:
            raise Refused(f"{path}: {response.status_code} {response.text[:300]}")
        return response.json()


def _today() -> date:
    return datetime.now(ALMATY).date()


def _some(found: Found) -> Found:
    if not found:
        raise Refused("there is nothing to act on yet")
    return found


async def trickle(address: str, key: str, stop: asyncio.Event) -> None:
    """Keep the system at this address moving until `stop` is set."""
    async with client_of(address, key) as client:
        await Trickle(client).run(stop)
