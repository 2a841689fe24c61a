"""A system between whose parts we stand, on disks whose power we can cut."""

import contextlib
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from deploy.local.installation import OWNERS
from tests.faults.detours import Detoured, Ways
from tests.faults.power import PowerFS
from tests.faults.proxy import Proxy
from tests.running import RunningSystem

DISKS_MB = {"postgres": 1024, "nats": 512}
_SOCKET = ".s.PGSQL.5432"


class Laboratory(RunningSystem):
    """A whole system. `ways`: the proxies to `nats`, `postgres` and each service; `disks`: of `nats` and `postgres`."""

    def __init__(self, folder: Path, *, with_disks: bool) -> None:
        super().__init__(folder)
        with contextlib.ExitStack() as undo:
            self._sockets = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="asar-way-")))
            self.disks: dict[str, PowerFS] = {}
            for name, megabytes in DISKS_MB.items() if with_disks else ():
                disk = PowerFS(self.data_dir / name, folder / f"{name}.image", megabytes=megabytes)
                self.disks[name] = undo.enter_context(contextlib.closing(disk))
            plain = super().installation
            targets: dict[str, int] = {part: plain.ports[part] for part in ("nats", *OWNERS)}
            self.ways = {part: undo.enter_context(contextlib.closing(Proxy(to=to))) for part, to in targets.items()}
            self.ways["postgres"] = Proxy(listen=self._sockets / _SOCKET, to=plain.postgres.sockets / _SOCKET)
            undo.enter_context(contextlib.closing(self.ways["postgres"]))
            # Nothing stays mounted, even where not everything could be made.
            self._undo = undo.pop_all()
        services = {owner: self.ways[owner].port for owner in OWNERS}
        self._known = Ways(nats=[self.ways["nats"].port], postgres=self._sockets, services=services)

    @property
    def command(self) -> list[str]:
        return self._known.command(self.data_dir, self.port)

    @property
    def installation(self) -> Detoured:
        """As the services see it; the tests themselves go the usual ways."""
        return Detoured(self.data_dir, port=self.port, ways=Ways())

    async def stop(self) -> None:
        try:
            await super().stop()
        finally:
            self._undo.close()

    async def cut_power(self, part: str) -> None:
        """Cut the power of a part's host, have it back, and wait until the part is ready again."""
        with self.held():
            self.disks[part].cut()
            await self.kill_all_of(part)
            self.disks[part].restore()
        await self.ready_again(part)

    @contextlib.asynccontextmanager
    async def forgetful_nats(self) -> AsyncGenerator[None]:
        """While the block runs, NATS answers before it has synced, as it does where nobody configures it otherwise."""
        mark = self.data_dir / "forgetful"
        mark.touch()
        try:
            await self.kill("nats")
            await self.ready_again("nats")
            yield
        finally:
            mark.unlink()
            await self.kill("nats")
            await self.ready_again("nats")
