"""A small life of the network, and what was promised to it: a client that remembers every answer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from shared.ids import new_id
from tests.running import RunningSystem, until

DAY = "2021-06-09"


@dataclass
class History:
    """What was answered: `ok` was promised; `refused` must not exist; the rest was asked again until it was known."""

    donations: dict[UUID, int] = field(default_factory=dict)
    """Amounts in tiyn, by id."""
    volunteers: set[UUID] = field(default_factory=set)
    deliveries: set[UUID] = field(default_factory=set)
    unknown: int = 0
    """How often an answer did not come, so that the same request was sent again."""


class Life:
    """Registers, gives and helps without end, asking again with the same ids when it hears nothing."""

    def __init__(self, system: RunningSystem) -> None:
        self._client = system.client(timeout_s=10)
        self.history = History()
        self._serial = count(1)
        self.centre_id = self.campaign_id = self.family_id = UUID(int=0)

    async def settle_in(self) -> None:
        """The centre, campaign and family that everything else needs."""
        self.centre_id = await self._make(
            "/v1/centres",
            {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"},
        )
        campaign = {"title": {"kk": "Керуен"}, "starts_on": "2021-01-01", "centre_ids": [str(self.centre_id)]}
        self.campaign_id = await self._make("/v1/campaigns", campaign)
        await self._ask(f"/v1/campaigns/{self.campaign_id}/openings", {})
        member = {"full_name": "Отағасы", "born_on": "1980-01-01", "relation": "head"}
        family = {"centre_id": str(self.centre_id), "categories": [], "members": [member], "registered_on": DAY}
        self.family_id = await self._make("/v1/families", family)
        await self._ask(f"/v1/families/{self.family_id}/verifications", {})

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncGenerator[History]:
        """Life while the block runs."""
        tasks = [asyncio.create_task(work()) for work in (self._register, self._give, self._give, self._help)]
        try:
            yield self.history
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        await self._client.aclose()

    async def _register(self) -> None:
        while True:
            n = next(self._serial)
            volunteer_id = new_id()
            form = {
                "id": str(volunteer_id), "full_name": f"Ерікті {n}", "language": "kk", "born_on": "1990-05-17",
                "centre_id": str(self.centre_id), "directions": ["ecology"], "applied_on": DAY,
                "consent": {"version": "1", "given_on": DAY, "how": "paper"},
            }  # fmt: skip
            await self._kept("/v1/volunteers", form, volunteer_id)
            self.history.volunteers.add(volunteer_id)
            await self._ask(f"/v1/volunteers/{volunteer_id}/approvals", {"decided_on": DAY})
            await asyncio.sleep(0.05)

    async def _give(self) -> None:
        while True:
            n = next(self._serial)
            donation_id = new_id()
            form = {
                "id": str(donation_id), "campaign_id": str(self.campaign_id), "centre_id": str(self.centre_id),
                "kind": "money", "method": "bank", "amount": {"amount": f"{n}.37"}, "donor": {"anonymous": True},
                "occurred_on": DAY,
            }  # fmt: skip
            await self._kept("/v1/donations", form, donation_id)
            self.history.donations[donation_id] = n * 100 + 37
            await asyncio.sleep(0.05)

    async def _help(self) -> None:
        while True:
            delivery_id = new_id()
            form = {
                "id": str(delivery_id), "campaign_id": str(self.campaign_id), "family_id": str(self.family_id),
                "centre_id": str(self.centre_id), "kind": "service", "occurred_on": DAY,
            }  # fmt: skip
            await self._kept("/v1/deliveries", form, delivery_id)
            if next(self._serial) % 5 == 0:
                await self._ask(f"/v1/deliveries/{delivery_id}/voids", {"reason": "қате"})
            else:
                self.history.deliveries.add(delivery_id)
            await asyncio.sleep(0.05)

    async def _make(self, path: str, form: dict[str, Any]) -> UUID:
        identity = new_id()
        await self._kept(path, {"id": str(identity), **form}, identity)
        return identity

    async def _kept(self, path: str, form: dict[str, Any], identity: UUID) -> None:
        await self._ask(path, form, key=str(identity))

    async def _ask(self, path: str, form: dict[str, Any], *, key: str | None = None) -> None:
        """Ask with one key until it is known: done, or refused for a reason that asking again cannot mend."""
        key = key or str(new_id())

        async def once() -> bool:
            try:
                answer = await self._client.post(path, json=form, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                self.history.unknown += 1
                return False
            retryable = {"centre-unknown", "family-unknown", "campaign-unknown"}
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.json().get("code") in retryable:
                self.history.unknown += 1
                return False
            if answer.is_success:
                return True
            raise AssertionError(f"{path} answered {answer.status_code}: {answer.text}")

        await until(f"an answer of {path}", once)
