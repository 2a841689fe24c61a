"""A small life of the network, as its callers see it: they give, register, help, gather and read, without end.

Whoever hears nothing asks again with the same key, as people do; and, as people do, one in three gives up, and never
knows what became of it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from itertools import count
from typing import Any
from uuid import UUID

import httpx

from shared.ids import new_id
from tests.faults.history import Attempt, History, Operation, Outcome
from tests.running import RunningSystem, until

DAY = "2021-06-09"
_TIMES = {"starts_at": f"{DAY}T10:00:00+06:00", "ends_at": f"{DAY}T12:00:00+06:00"}
PAUSE_S = 0.05
"""Between two requests of one caller; five callers then stay far below what one key may ask in a minute."""
KINDS = ("donation", "volunteer", "delivery", "event", "read")
"""What callers do all the time; now and then an `approval` or a `void` follows."""
_GIVES_UP_EVERY = 3
_NOT_HEARD_YET = {"centre-unknown", "family-unknown", "campaign-unknown"}


class Life:
    """Callers, and the centre, campaign and family that are theirs alone."""

    def __init__(self, system: RunningSystem) -> None:
        # A caller waits longer than the gateway may take for an answer.
        self._client = system.client(timeout_s=40)
        self.history = History()
        self._serial = count(1)
        self._unheard = count(1)
        self.centre_id = self.campaign_id = self.family_id = UUID(int=0)
        self.furniture: set[UUID] = set()
        """Records that were made before the history began."""

    async def settle_in(self) -> None:
        """Make what everything else needs, and wait until every service has heard of it."""
        self.centre_id = await self._make(
            "/v1/centres",
            {"kind": "volunteer_centre", "name": {"kk": "Орталық"}, "region": "KZ-75", "opened_on": "2020-01-01"},
        )
        campaign = {"title": {"kk": "Керуен"}, "starts_on": "2021-01-01", "centre_ids": [str(self.centre_id)]}
        self.campaign_id = await self._make("/v1/campaigns", campaign)
        await self._for_sure(f"/v1/campaigns/{self.campaign_id}/openings", {})
        member = {"full_name": "Отағасы", "born_on": "1980-01-01", "relation": "head"}
        family = {"centre_id": str(self.centre_id), "categories": [], "members": [member], "registered_on": DAY}
        self.family_id = await self._make("/v1/families", family)
        await self._for_sure(f"/v1/families/{self.family_id}/verifications", {})
        self.furniture.add(await self._make("/v1/events", self._event()))

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncGenerator[History]:
        """Life while the block runs."""
        tasks = [
            asyncio.create_task(_for_ever(work), name=work.__name__)
            for work in (self._give, self._register, self._help, self._gather, self._read)
        ]
        try:
            yield self.history
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def goes_on(self, *, more: int = 3, kinds: Collection[str] = KINDS, patience_s: float = 60) -> None:
        """Until so many more requests of each of these kinds were answered as they should be.

        Raises:
            TimeoutError: some kind was not, in time.
        """
        before = self.history.counts()

        async def all_more() -> bool:
            now = self.history.counts()
            return all(now.get(kind, 0) >= before.get(kind, 0) + more for kind in kinds)

        await until(f"{more} more good answers of every kind", all_more, patience_s=patience_s)

    async def give(self, *, through: httpx.AsyncClient | None = None, amount: str = "5.37") -> Operation:
        """Give once, perhaps through another process than callers use, and do not ask again."""
        identity = new_id()
        form = {"id": str(identity), **self._gift(self.campaign_id, amount)}
        gift = self.history.begin(Operation("donation", "/v1/donations", form, str(identity), identity))
        await self.ask(gift, through=through)
        return gift

    async def ask(self, operation: Operation, *, through: httpx.AsyncClient | None = None) -> Attempt:
        """Ask once."""
        began_s = time.monotonic()
        try:
            answer = await (through or self._client).request(
                "POST" if operation.form else "GET",
                operation.path,
                json=operation.form or None,
                headers={"Idempotency-Key": operation.key} if operation.form else {},
            )
        except httpx.HTTPError:
            attempt = Attempt(began_s, time.monotonic(), None)
        else:
            again = answer.headers.get("Retry-After")
            attempt = Attempt(began_s, time.monotonic(), answer.status_code, answer.content, again)
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(again or 1))
                return await self.ask(operation, through=through)
        operation.attempts.append(attempt)
        return attempt

    async def close(self) -> None:
        await self._client.aclose()

    # --- what callers do --------------------------------------------------------------------------------------------

    async def _give(self) -> None:
        n = next(self._serial)
        # Now and then for something that nobody has announced.
        campaign_id = new_id() if n % 7 == 0 else self.campaign_id
        await self._do("donation", "/v1/donations", self._gift(campaign_id, f"{n}.37"))

    async def _register(self) -> None:
        form = {
            "full_name": f"Ерікті {next(self._serial)}", "language": "kk", "born_on": "1990-05-17",
            "centre_id": str(self.centre_id), "directions": ["ecology"], "applied_on": DAY,
            "consent": {"version": "1", "given_on": DAY, "how": "paper"},
        }  # fmt: skip
        made = await self._do("volunteer", "/v1/volunteers", form)
        if made.outcome is Outcome.OK:
            await self._do(
                "approval", f"/v1/volunteers/{made.identity}/approvals", {"decided_on": DAY}, to=made.identity
            )

    async def _help(self) -> None:
        form = {
            "campaign_id": str(self.campaign_id), "family_id": str(self.family_id), "centre_id": str(self.centre_id),
            "kind": "service", "occurred_on": DAY,
        }  # fmt: skip
        made = await self._do("delivery", "/v1/deliveries", form)
        if made.outcome is Outcome.OK and next(self._serial) % 5 == 0:
            await self._do("void", f"/v1/deliveries/{made.identity}/voids", {"reason": "қате"}, to=made.identity)

    async def _gather(self) -> None:
        await self._do("event", "/v1/events", self._event())

    async def _read(self) -> None:
        """Read one of the last gifts that was promised: a 404 would be a loss."""
        promised = self.history.of(Outcome.OK, "donation")[-20:]
        if promised:
            read = self.history.begin(Operation("read", f"/v1/donations/{promised[0].identity}", {}, key=""))
            await self.ask(read)

    def _gift(self, campaign_id: UUID, amount: str) -> dict[str, Any]:
        return {
            "campaign_id": str(campaign_id), "centre_id": str(self.centre_id), "kind": "money", "method": "bank",
            "amount": {"amount": amount}, "donor": {"anonymous": True}, "occurred_on": DAY,
        }  # fmt: skip

    def _event(self) -> dict[str, Any]:
        return {"centre_id": str(self.centre_id), "format": "clean_up", "title": {"kk": "Сенбілік"}, **_TIMES}

    async def _do(self, kind: str, path: str, form: dict[str, Any], *, to: UUID | None = None) -> Operation:
        """Make a record, or do something `to` one: ask until it is known what became of it; some give up before."""
        key = new_id()
        form = {"id": str(key), **form} if to is None else form
        operation = self.history.begin(Operation(kind, path, form, str(key), to or key))
        while (await self.ask(operation)).outcome is Outcome.UNKNOWN:
            if next(self._unheard) % _GIVES_UP_EVERY == 0:
                break
            await asyncio.sleep(PAUSE_S * 2)
        return operation

    async def _make(self, path: str, form: dict[str, Any]) -> UUID:
        identity = new_id()
        await self._for_sure(path, {"id": str(identity), **form})
        return identity

    async def _for_sure(self, path: str, form: dict[str, Any]) -> None:
        """Ask until it is done, however long the services take to hear of each other."""
        key = str(new_id())

        async def once() -> bool:
            try:
                answer = await self._client.post(path, json=form, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                return False
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or answer.json().get("code") in _NOT_HEARD_YET:
                return False
            assert answer.is_success, f"{path} answered {answer.status_code}: {answer.text}"
            return True

        await until(f"an answer of {path}", once)


async def _for_ever(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(PAUSE_S)
