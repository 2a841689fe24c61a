"""Loads a network through the public API, as another system would: in batches, a few at a time, safe to repeat.

Every created thing has an id made here, every request an Idempotency-Key made from its content: what was interrupted is
simply started again. `python -m deploy.demo.load http://127.0.0.1:8000` loads the network of 2021, with two API keys in
the environment: as arguments, everybody on the machine could read them.
"""

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from time import monotonic
from typing import Any

import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.demo import patience
from deploy.demo.check import check_everything, wait_for_figures
from deploy.demo.network import Network
from deploy.demo.network.places import Payload
from deploy.demo.patience import CannotLoad, first_of, pausing
from deploy.demo.recount import Recount
from deploy.demo.stages import STAGES, Stage

REQUESTS_AT_ONCE = 4

NOT_THERE_YET = frozenset(
    {"centre-unknown", "campaign-unknown", "volunteer-unknown", "event-unknown", "volunteer-not-active"}
)
"""Problem codes of a row that builds on what another service has not heard of yet."""
_BUSY = frozenset({429, 502, 503, 504})
_DONE_BEFORE = frozenset(
    {
        "already-exists",
        "status-does-not-allow",
        "assignment-has-ended",
        "declaration-out-of-order",
        # A pause from which somebody has come back since.
        "decided-before-applied",
        "delivery-is-voided",
    }
)
"""Problem codes that mean, when a network is loaded again, that this row was through the first time."""


def client_of(address: str, key: str) -> httpx.AsyncClient:
    """A client for the gateway at this address, such as http://127.0.0.1:8000, that shows this API key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=address, headers=headers, timeout=httpx.Timeout(60, connect=5), trust_env=False)


class Loader:
    """One loading of a network."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        network: Network,
        progress: Progress | None = None,
        *,
        approving: httpx.AsyncClient | None = None,
        stages: Sequence[Stage] = STAGES,
    ) -> None:
        """`approving` sends what another one must do than who asked for it; the same client if there is no other."""
        self._client = client
        self._approving = approving or client
        self._network = network
        self._stages = stages
        self._progress = progress or Progress(disable=True)
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._making = asyncio.Lock()
        self._through = {stage.name: asyncio.Event() for stage in stages}
        self._all = self._progress.add_task("the year 2021", total=None)
        self._again = False
        self.sent = 0

    async def load(self) -> int:
        """Send everything; returns how many rows were sent.

        Raises:
            CannotLoad: a row was refused for good, or nothing moved for too long.
        """
        self._again = await self._begun_before()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._announce_total())
                for stage in self._stages:
                    group.create_task(self._run(stage))
        except* CannotLoad as failures:
            # The others were only cancelled because of the first.
            raise first_of(failures) from None
        return self.sent

    async def _begun_before(self) -> bool:
        first = self._network.places.centres[0]
        asked_since = monotonic()
        async for _ in pausing():
            try:
                response = await self._client.get(f"/v1/centres/{first.id}")
            except httpx.TransportError as error:
                if monotonic() - asked_since > patience.PATIENCE_S:
                    raise CannotLoad(f"{self._client.base_url} does not answer: {error}") from error
            else:
                if response.status_code not in _BUSY:
                    return response.is_success
        raise AssertionError

    async def _announce_total(self) -> None:
        self._progress.update(self._all, total=sum([len(await self._rows_of(stage)) for stage in self._stages]))

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
        async for attempt in pausing():
            async with self._slots:
                answers = await self._post(stage, rows, attempt)
            waiting: list[Payload] = []
            reasons: list[str] = []
            for row, answer in zip(rows, answers, strict=True):
                problem = answer.get("problem")
                if problem is None or (self._again and problem["code"] in _DONE_BEFORE):
                    continue
                if problem["code"] not in NOT_THERE_YET and problem["status"] not in _BUSY:
                    raise CannotLoad(_refusal_of(stage, row, problem))
                waiting.append(row)
                reasons.append(problem["code"])
            if not waiting:
                return
            if len(waiting) < len(rows):
                last_moved = monotonic()
            elif monotonic() - last_moved > patience.PATIENCE_S:
                raise CannotLoad(f"{stage.name}: {len(waiting)} rows still hear {', '.join(sorted(set(reasons)))}.")
            rows = waiting

    async def _post(self, stage: Stage, rows: list[Payload], attempt: int) -> list[dict[str, Any]]:
        """The answer to each row, however often the gateway must be asked."""
        body = orjson.dumps({"items": rows})
        # The same rows sent once more are another request: they hope for another answer.
        key = f"demo-{hashlib.sha256(stage.path.encode() + body).hexdigest()[:40]}-{attempt}"
        headers = {"content-type": "application/json", "idempotency-key": key}
        client = self._approving if stage.by_another else self._client
        asked_since = monotonic()
        async for _ in pausing():
            why = "it does not answer"
            try:
                response = await client.post(stage.path, content=body, headers=headers)
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            else:
                if response.status_code == int(httpx.codes.MULTI_STATUS):
                    return orjson.loads(response.content)["items"]
                why = f"{response.status_code} {response.text[:500]}"
                if response.status_code not in _BUSY:
                    raise CannotLoad(f"{stage.name}: {stage.path} answers {why}")
            if monotonic() - asked_since > patience.PATIENCE_S:
                raise CannotLoad(f"{stage.name}: {stage.path} cannot be reached: {why}")
        raise AssertionError


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


async def load(address: str, key: str, approving: str, *, progress: Console) -> float:
    """Load the network of 2021 into the system at this address and see that its figures come out; returns the seconds.

    Two keys, since nobody approves a disbursement that they have requested.

    Raises:
        CannotLoad
    """
    network = Network()
    started = monotonic()
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    async with client_of(address, key) as client, client_of(address, approving) as another:
        with Progress(*columns, console=progress) as bars:
            await Loader(client, network, bars, approving=another).load()
            bar = bars.add_task("the dashboard catches up", total=None)
            recount = await asyncio.to_thread(Recount, network)
            await wait_for_figures(client, recount)
            bars.update(bar, description="every region, centre, campaign, month")
            await check_everything(client, recount)
    return monotonic() - started


async def _until_told(loading: Coroutine[Any, Any, float]) -> float:
    """Told to stop, end in order: the progress has hidden the terminal's cursor."""
    task = asyncio.ensure_future(loading)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> int:
    console = Console(stderr=True)
    try:
        [address] = sys.argv[1:]
        key, approving = os.environ["KEY"], os.environ["APPROVING_KEY"]
    except (ValueError, KeyError):
        console.print("Usage: KEY=asar_… APPROVING_KEY=asar_… python -m deploy.demo.load http://127.0.0.1:8000")
        return 2
    try:
        seconds = asyncio.run(_until_told(load(address, key, approving, progress=console)))
    except CannotLoad as refusal:
        console.print(str(refusal), style="red", markup=False)
        return 1
    except asyncio.CancelledError:
        return 1
    console.print(f"The year 2021 is loaded and its figures are as they must be ({seconds:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
