"""Three NATS servers on this machine, each as an embedded one is configured, that keep every stream three times."""

import contextlib
import time
from pathlib import Path

import nats.errors

from deploy.local import ports, processes
from deploy.local.nats import EmbeddedNats
from shared.messaging.connection import connect
from shared.messaging.permissions import OPERATOR
from shared.messaging.subjects import stream_name
from tests.faults.detours import Detoured, Ways
from tests.running import RunningSystem, until

NODES = 3
_NAME = "server_name: asar\n"


class Node(EmbeddedNats):
    """One server of the cluster."""

    def __init__(self, home: Path, *, secrets: Path, name: str, cluster_ports: list[int], ports: list[int]) -> None:
        """`ports`: its own, for the other servers, for clients and for HTTP."""
        own_port, port, http_port = ports
        super().__init__(home, secrets=secrets, port=port, http_port=http_port)
        self.name = name
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in cluster_ports if port != own_port)
        self._cluster = f'cluster {{ name: asar, listen: "127.0.0.1:{own_port}", routes: [{routes}] }}\n'

    def initialise(self) -> None:
        super().initialise()
        told = self.config.read_text(encoding="utf-8")
        assert _NAME in told
        self.config.write_text(told.replace(_NAME, f"server_name: {self.name}\n") + self._cluster, encoding="utf-8")

    def run(self) -> None:
        """Start it; it is ready once most of the servers are there."""
        self.initialise()
        with (self.home / "nats.log").open("ab") as log:
            self.process = processes.spawn(self.argv, output=log, death_signal=self.stop_signal)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Cluster:
    """The servers, by name."""

    def __init__(self, folder: Path, *, secrets: Path) -> None:
        chosen = ports.free_ports(3 * NODES)
        between, clients, http = chosen[:NODES], chosen[NODES : 2 * NODES], chosen[2 * NODES :]
        names = [f"asar-{number}" for number in range(NODES)]
        self.nodes = {
            name: Node(folder / name, secrets=secrets, name=name, cluster_ports=between, ports=own)
            for name, *own in zip(names, between, clients, http, strict=True)
        }

    def start(self) -> None:
        """Start them all, and wait until they are one.

        Raises:
            TimeoutError: they are not within a minute.
        """
        for node in self.nodes.values():
            node.run()
        deadline = time.monotonic() + 60
        while not all(node.is_ready() for node in self.nodes.values()):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster does not come together")
            time.sleep(0.1)

    def stop(self) -> None:
        for node in self.nodes.values():
            with contextlib.suppress(ProcessLookupError):
                node.stop()


class ClusteredSystem(RunningSystem):
    """A whole system on a cluster of its own; the one NATS that comes with it stands idle."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cluster = Cluster(folder / "the cluster", secrets=self.data_dir / "secrets")
        self._ways = Ways(nats=[node.port for node in self.cluster.nodes.values()])

    @property
    def command(self) -> list[str]:
        return self._ways.command(self.data_dir, self.port)

    @property
    def installation(self) -> Detoured:
        return Detoured(self.data_dir, port=self.port, ways=self._ways)

    def nats_url(self, user: str) -> str:
        return self.installation.nats_url(user)

    async def start(self) -> None:
        self.cluster.start()
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        self.cluster.stop()

    async def leader_of(self, service: str) -> str:
        """The name of the server that leads a service's stream at the moment."""
        client = await connect(self.nats_url(OPERATOR))

        async def leader() -> str | None:
            try:
                info = await client.jetstream().stream_info(stream_name(service))
            except nats.errors.Error:
                # They are about to choose one.
                return None
            return info.cluster.leader if info.cluster else None

        try:
            return await until("the stream has a leader", leader)
        finally:
            await client.close()
