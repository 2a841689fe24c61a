"""Loads a network through the public API, as another system would: in batches, a few at a time, safe to repeat.

Every created thing has an id made here, every request an Idempotency-Key made from its content: what was interrupted is
simply started again. `python -m deploy.demo.load http://127.0.0.1:8000` loads the network of 2021.
"""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.demo.network import Network
from deploy.demo.network.places import Payload
from deploy.demo.recount import COUNTRY, YEAR, Figures, Period, Recount
from deploy.demo.stages import STAGES, Stage
from deploy.local.refusals import CannotRun

REQUESTS_AT_ONCE = 4
PATIENCE_S = 90.0
"""How long nothing may move before we give up."""
_LONGEST_PAUSE_S = 2.0
_LINES_MAX = 20
_PUBLIC_FROM = 5
"""The dashboard withholds smaller figures below the country."""

NOT_THERE_YET = frozenset(
    {"centre-unknown", "campaign-unknown", "volunteer-unknown", "event-unknown", "volunteer-not-registered"}
)
"""Problem codes of a row whose message has not reached the other service yet."""
_BUSY = frozenset({429, 502, 503, 504})
_DONE_BEFORE = frozenset({"already-exists"})


class CannotLoad(CannotRun):
    """The network could not be loaded; the message says what stood in the way."""


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


def client_of(address: str) -> httpx.AsyncClient:
    """A client for the gateway at this address, such as http://127.0.0.1:8000."""
    return httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(60, connect=5), trust_env=False)


async def is_loaded(client: httpx.AsyncClient, network: Network) -> bool:
    """Whether the last things of a network are there, so that loading it again would change nothing."""
    try:
        loaded = [
            (await client.get(f"/v1/deliveries/{network.helping.deliveries[-1]['id']}")).is_success,
            (await client.get(f"/v1/sign-ups/{network.happenings.sign_ups[-1]['id']}")).is_success,
        ]
    except httpx.TransportError as error:
        raise CannotLoad(f"{client.base_url} does not answer: {error}") from error
    return all(loaded)


class Loader:
    """One loading of a network."""

    def __init__(self, client: httpx.AsyncClient, network: Network, progress: Progress | None = None) -> None:
        self._client = client
        self._network = network
        self._progress = progress or Progress(disable=True)
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._making = asyncio.Lock()
        self._through = {stage.name: asyncio.Event() for stage in STAGES}
        self._all = self._progress.add_task("the year 2021", total=None)
        self.sent = 0

    async def load(self) -> int:
        """Send everything; returns how many rows were sent.

        Raises:
            CannotLoad: a row was refused for good, or nothing moved for too long.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._announce_total())
                for stage in STAGES:
                    group.create_task(self._run(stage))
        except* CannotLoad as failures:
            # The others were only cancelled because of the first.
            raise _first_of(failures) from None
        return self.sent

    async def _announce_total(self) -> None:
        self._progress.update(self._all, total=sum([len(await self._rows_of(stage)) for stage in STAGES]))

    async def _rows_of(self, stage: Stage) -> list[Payload]:
        async with self._making:
            # In a thread: making the families takes a second or two, in which requests go on.
            return await asyncio.to_thread(stage.rows, self._network)

    async def _run(self, stage: Stage) -> None:
        for name in stage.after:
            await self._through[name].wait()
        rows = await self._rows_of(stage)
        bar = self._progress.add_task(stage.name, total=len(rows))
        batches = iter([rows[start : start + stage.size] for start in range(0, len(rows), stage.size)])

        async def send_in_turn(batches: Iterator[list[Payload]]) -> None:
            for batch in batches:
                await self._send_batch(stage, batch)
                self.sent += len(batch)
                self._progress.advance(bar, len(batch))
                self._progress.advance(self._all, len(batch))

        async with asyncio.TaskGroup() as group:
            for _ in range(stage.in_flight):
                group.create_task(send_in_turn(batches))
        self._progress.update(bar, visible=False)
        self._through[stage.name].set()

    async def _send_batch(self, stage: Stage, rows: list[Payload]) -> None:
        """Send rows until each of them is done, those again that came before what they build on."""
        last_moved = monotonic()
        async for attempt in _pausing():
            async with self._slots:
                answers = await self._post(stage, rows, attempt)
            waiting: list[Payload] = []
            reasons: list[str] = []
            for row, answer in zip(rows, answers, strict=True):
                problem = answer.get("problem")
                if problem is None or problem["code"] in _DONE_BEFORE | stage.done_already:
                    continue
                if problem["code"] not in NOT_THERE_YET and problem["status"] not in _BUSY:
                    raise CannotLoad(_refusal_of(stage, row, problem))
                waiting.append(row)
                reasons.append(problem["code"])
            if not waiting:
                return
            if len(waiting) < len(rows):
                last_moved = monotonic()
            elif monotonic() - last_moved > PATIENCE_S:
                raise CannotLoad(f"{stage.name}: {len(waiting)} rows still hear {', '.join(sorted(set(reasons)))}.")
            rows = waiting

    async def _post(self, stage: Stage, rows: list[Payload], attempt: int) -> list[dict[str, Any]]:
        """The answer to each row, however often the gateway must be asked."""
        body = orjson.dumps({"items": rows})
        # The same rows sent once more are another request: they hope for another answer.
        key = f"demo-{hashlib.sha256(stage.path.encode() + body).hexdigest()[:40]}-{attempt}"
        headers = {"content-type": "application/json", "idempotency-key": key}
        asked_since = monotonic()
        async for _ in _pausing():
            why = "it does not answer"
            try:
                response = await self._client.post(stage.path, content=body, headers=headers)
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            else:
                if response.status_code == int(httpx.codes.MULTI_STATUS):
                    return orjson.loads(response.content)["items"]
                why = f"{response.status_code} {response.text[:500]}"
                if response.status_code not in _BUSY:
                    raise CannotLoad(f"{stage.name}: {stage.path} answers {why}")
            if monotonic() - asked_since > PATIENCE_S:
                raise CannotLoad(f"{stage.name}: {stage.path} cannot be reached: {why}")
        raise AssertionError


def _first_of(failures: BaseExceptionGroup[CannotLoad]) -> CannotLoad:
    first = failures.exceptions[0]
    return first if isinstance(first, CannotLoad) else _first_of(first)


async def _pausing() -> AsyncIterator[int]:
    """Attempts, with a longer pause before each."""
    for attempt in count():
        if attempt:
            await asyncio.sleep(min(0.05 * 2**attempt, _LONGEST_PAUSE_S))
        yield attempt


def _refusal_of(stage: Stage, row: Payload, problem: dict[str, Any]) -> str:
    said = [
        problem.get("detail") or problem.get("title"),
        *(f"{e['pointer']}: {e['message']}" for e in problem.get("errors", [])),
    ]
    return "\n".join(
        [
            f"{stage.name}: a row was refused ({problem['code']}): {'; '.join(map(str, said))}",
            f"The row: {orjson.dumps(row).decode()}",
        ]
    )


async def differences(client: httpx.AsyncClient, scope: str, period: Period, expected: Figures) -> list[Difference]:
    """What the dashboard shows otherwise than expected in one scope and period."""
    response = await client.get("/v1/dashboard", params={"scope": scope, "from": period[0], "to": period[1]})
    response.raise_for_status()
    state = response.json()
    shown, hidden = state["figures"], set(state["hidden"])
    found: list[Difference] = []
    for figure, number in expected.items():
        withheld = figure in hidden and 1 <= number < _PUBLIC_FROM
        if not withheld and shown.get(figure) != number:
            found.append(Difference(scope, period, figure, number, shown.get(figure)))
    return found


async def wait_for_figures(client: httpx.AsyncClient, recount: Recount) -> None:
    """Wait until the dashboard shows the country's year; gives up when it stands still on other figures.

    Raises:
        CannotLoad: which figures are not as they must be.
    """
    expected = recount.figures(COUNTRY)
    found: list[Difference] = []
    since = monotonic()
    async for _ in _pausing():
        before = found
        try:
            found = await differences(client, COUNTRY, YEAR, expected)
        except httpx.HTTPError as error:
            if monotonic() - since > PATIENCE_S:
                raise CannotLoad(f"The dashboard does not answer: {error}") from error
            continue
        if not found:
            return
        if found != before:
            since = monotonic()
        elif monotonic() - since > PATIENCE_S / 3:
            raise CannotLoad(_report(found))


async def check_everything(client: httpx.AsyncClient, recount: Recount) -> None:
    """Compare the year of every region, centre and campaign, and the country's months.

    Raises:
        CannotLoad: which figures are not as they must be.
    """
    found: list[Difference] = []
    for scope, period, figures in recount.expected():
        found += await differences(client, scope, period, figures)
    if found:
        raise CannotLoad(_report(found))


def _report(found: Sequence[Difference]) -> str:
    lines = [
        f"The dashboard shows {len(found)} figures otherwise than they were loaded:",
        *map(str, found[:_LINES_MAX]),
    ]
    return "\n  ".join([*lines, "…"] if len(found) > _LINES_MAX else lines)


async def load(address: str, *, progress: Console | None = None) -> float:
    """Load the network of 2021 into the system at this address and see that its figures come out; returns the seconds.

    Raises:
        CannotLoad
    """
    network = Network()
    started = monotonic()
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    async with client_of(address) as client:
        with Progress(*columns, console=progress, disable=progress is None) as bars:
            await Loader(client, network, bars).load()
            bar = bars.add_task("the dashboard catches up", total=None)
            recount = await asyncio.to_thread(Recount, network)
            await wait_for_figures(client, recount)
            bars.update(bar, description="every region, centre, campaign, month")
            await check_everything(client, recount)
    return monotonic() - started


def main() -> int:
    console = Console(stderr=True)
    try:
        [address] = sys.argv[1:]
    except ValueError:
        console.print("Usage: python -m deploy.demo.load http://127.0.0.1:8000")
        return 2
    try:
        seconds = asyncio.run(load(address, progress=console))
    except CannotLoad as refusal:
        console.print(str(refusal), style="red", markup=False)
        return 1
    console.print(f"The year 2021 is loaded and its figures are as they must be ({seconds:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
