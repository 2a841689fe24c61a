"""Whether the dashboard shows what was loaded: scope by scope, figure by figure."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import httpx

from deploy.demo import patience
from deploy.demo.patience import CannotLoad, first_of, pausing
from deploy.demo.recount import COUNTRY, YEAR, Figures, Period, Recount

_ASKING_AT_ONCE = 4
_LINES_MAX = 20
_PUBLIC_FROM = 5


@dataclass(frozen=True)
class Difference:
    """A figure of the dashboard that is not what the requests add up to."""

    scope: str
    period: Period
    figure: str
    expected: int
    shown: int | None

    def __str__(self) -> str:
        return f"{self.scope} {self.period[0]}…{self.period[1]}: {self.figure} is {self.shown}, must be {self.expected}"


async def differences(client: httpx.AsyncClient, scope: str, period: Period, expected: Figures) -> list[Difference]:
    """What the dashboard shows otherwise than expected in one scope and period.

    Raises:
        CannotLoad: it does not answer.
    """
    asked_since = monotonic()
    async for _ in pausing():
        try:
            response = await client.get("/v1/dashboard", params={"scope": scope, "from": period[0], "to": period[1]})
            state = response.raise_for_status().json()
        except httpx.HTTPError as error:
            if monotonic() - asked_since > patience.PATIENCE_S:
                raise CannotLoad(f"The dashboard does not answer: {error}") from error
            continue
        # Below the country, figures that could point at somebody are withheld.
        withheld = {figure for figure in state["hidden"] if 1 <= expected.get(figure, 0) < _PUBLIC_FROM}
        shown: dict[str, int | None] = state["figures"]
        return [
            Difference(scope, period, figure, number, shown.get(figure))
            for figure, number in expected.items()
            if figure not in withheld and shown.get(figure) != number
        ]
    raise AssertionError


async def wait_for_figures(client: httpx.AsyncClient, recount: Recount) -> None:
    """Wait until the dashboard shows the country's year; gives up when it stands still on other figures.

    Raises:
        CannotLoad: which figures are not as they must be.
    """
    expected = recount.figures(COUNTRY)
    before: list[Difference] = []
    since = monotonic()
    async for _ in pausing():
        found = await differences(client, COUNTRY, YEAR, expected)
        if not found:
            return
        if found != before:
            before, since = found, monotonic()
        elif monotonic() - since > patience.PATIENCE_S / 3:
            raise CannotLoad(_report(found))


async def check_everything(client: httpx.AsyncClient, recount: Recount) -> None:
    """Compare the year of every region, centre and campaign, and the country's months.

    Raises:
        CannotLoad: which figures are not as they must be.
    """
    found: list[Difference] = []
    left = recount.expected()

    async def compare_in_turn() -> None:
        for scope, period, figures in left:
            found.extend(await differences(client, scope, period, figures))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_ASKING_AT_ONCE):
                group.create_task(compare_in_turn())
    except* CannotLoad as failures:
        raise first_of(failures) from None
    if found:
        raise CannotLoad(_report(found))


def _report(found: Sequence[Difference]) -> str:
    lines = [
        f"The dashboard shows {len(found)} figures otherwise than they were loaded:",
        *map(str, found[:_LINES_MAX]),
    ]
    return "\n  ".join([*lines, "…"] if len(found) > _LINES_MAX else lines)
