"""Starts the parts of a system in their order, keeps them running, and stops them in the opposite order."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import logs
from deploy.local.keeper import Keeper, Part, Report
from deploy.local.refusals import CannotRun
from deploy.local.state import PartState


@dataclass(frozen=True)
class Step:
    """What is to be done once, between the start of two stages."""

    name: str
    work: Callable[[], Awaitable[str | None]]
    """Returns what is to be said of it, if anything."""


Stage = Step | Sequence[Part]


class Supervisor:
    """Runs stages: each one's parts start together, after those of the stages before it are ready."""

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        logs_folder: Path,
        report: Report = lambda _: None,
        changed: Callable[[Mapping[str, PartState]], None] = lambda _: None,
    ) -> None:
        self._stages = stages
        self._report = report
        self._changed = changed
        self._keepers = {
            part.name: Keeper(part, logs_folder / f"{part.name}.log", report, self._publish)
            for stage in stages
            if not isinstance(stage, Step)
            for part in stage
        }
        self.up = asyncio.Event()
        self._replacing = asyncio.Lock()

    @property
    def states(self) -> dict[str, PartState]:
        """Each part's state, in the order of their start."""
        return {name: keeper.state for name, keeper in self._keepers.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; every part is gone when this returns or raises.

        Raises:
            CannotRun: a part cannot be started, or a step done.
        """
        boot = asyncio.create_task(self._boot())
        stopping = asyncio.create_task(stop.wait())
        capping = asyncio.create_task(self._cap_logs())
        try:
            await asyncio.wait({boot, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if boot.done():
                await boot
                self.up.set()
                await stopping
        finally:
            for task in (boot, stopping, capping):
                task.cancel()
            await asyncio.gather(boot, stopping, capping, return_exceptions=True)
            for stage in reversed(self._stages):
                if not isinstance(stage, Step):
                    await asyncio.gather(*(self._keepers[part.name].stop() for part in stage))

    async def replace(self, report: Report) -> None:
        """Let new processes take over from those that can hand their socket on, one part after another.

        Raises:
            CannotRun: not all parts are up yet, or one cannot be replaced: those after it go on as they are.
        """
        if not self.up.is_set():
            raise CannotRun("Asar is still starting; see `asar status`.")
        async with self._replacing:
            for keeper in self._keepers.values():
                if keeper.part.host is not None:
                    began = time.monotonic()
                    await keeper.replace()
                    report(f"{keeper.part.name} is replaced ({time.monotonic() - began:.1f} s)")

    async def _boot(self) -> None:
        for stage in self._stages:
            if isinstance(stage, Step):
                began = time.monotonic()
                said = await stage.work()
                self._report(f"{stage.name} done ({time.monotonic() - began:.1f} s)")
                if said:
                    self._report(f"{stage.name}: {said}")
            else:
                await asyncio.gather(*(self._keepers[part.name].start() for part in stage))

    async def _cap_logs(self) -> None:
        while True:
            for keeper in self._keepers.values():
                with contextlib.suppress(OSError):
                    logs.cap(keeper.log_file)
            await asyncio.sleep(5)

    def _publish(self) -> None:
        self._changed(self.states)
