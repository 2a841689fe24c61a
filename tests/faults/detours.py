"""`python -m tests.faults.detours DATA_DIR PORT WAYS`: what `asar up` runs, its parts on other ways to each other.

WAYS says which, in JSON; what is not in it is reached as usual.
"""

import sys
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console

from deploy.local.installation import OWNERS, Installation
from deploy.local.nats import EmbeddedNats
from deploy.operate import running


class Ways(BaseModel):
    """Where services find each other, NATS and PostgreSQL."""

    nats: list[int] = []
    """Ports; of all servers of a cluster."""
    postgres: Path | None = None
    """The folder of the socket."""
    services: dict[str, int] = {}
    """Ports, for the gateway."""

    def command(self, data_dir: Path, port: int) -> list[str]:
        """What starts a system on them."""
        return [sys.executable, "-m", "tests.faults.detours", str(data_dir), str(port), self.model_dump_json()]


class ForgetfulNats(EmbeddedNats):
    """NATS that syncs when it likes, as by its own default, while there is a file `forgetful` beside its folder."""

    def initialise(self) -> None:
        super().initialise()
        if self.home.with_name("forgetful").exists():
            told = self.config.read_text(encoding="utf-8")
            self.config.write_text(told.replace("  sync_interval: always\n", ""), encoding="utf-8")


class Detoured(Installation):
    """An installation whose services go by these ways."""

    def __init__(self, data_dir: Path, *, port: int, ways: Ways) -> None:
        super().__init__(data_dir, port=port)
        self._ways = ways

    @property
    def nats(self) -> EmbeddedNats:
        usual = super().nats
        return ForgetfulNats(usual.home, secrets=usual.secrets, port=usual.port, http_port=usual.http_port)

    def nats_url(self, user: str) -> str:
        """Where a user finds NATS."""
        usual = self.nats.url(user)
        address = usual.rpartition(":")[0]
        return ",".join(f"{address}:{port}" for port in self._ways.nats) or usual

    def environment(self, service: str) -> dict[str, str]:
        usual = super().environment(service)
        usual["ASAR_NATS_URL"] = self.nats_url(service)
        usual["ASAR_STREAM_REPLICAS"] = str(max(1, len(self._ways.nats)))
        if self._ways.postgres is not None:
            usual["ASAR_DATABASE_URL"] = usual["ASAR_DATABASE_URL"].replace(
                str(self.postgres.sockets), str(self._ways.postgres)
            )
        for owner in OWNERS:
            if service == "gateway" and owner in self._ways.services:
                usual[f"ASAR_{owner.upper()}_URL"] = f"http://127.0.0.1:{self._ways.services[owner]}"
        return usual


def main() -> None:
    data_dir, port, ways = sys.argv[1:]
    installation = Detoured(Path(data_dir), port=int(port), ways=Ways.model_validate_json(ways))
    running.run(installation, Console(), demo=False)


if __name__ == "__main__":
    main()
