"""What an operator's commands do about messages: show what is parked, apply it again, compare stream and outbox."""
# ruff: noqa: T201 - the operator's commands speak to a terminal.

import sys
from collections.abc import Callable
from typing import Any

import orjson
from nats.aio.client import Client

from shared.access.principal import EVERYTHING
from shared.database import Database
from shared.messaging import audit
from shared.messaging.consumer import Consumer
from shared.messaging.topology import forget_consumers

TOLD_EVERY = 50_000
"""Messages of a stream that are read between two words about it."""
_PARKED = "SELECT reason, parked_at, aggregate, version, type, error FROM parked ORDER BY parked_at, aggregate, version"

_HEARD = (
    "SELECT aggregate, max(version) FROM inbox WHERE starts_with(aggregate, $1) GROUP BY aggregate ORDER BY aggregate"
)
_STEP_BACK = "UPDATE inbox SET version = $3 WHERE aggregate = $1 AND version <= $2 AND version > $3"


class Mending:
    """The commands of one service."""

    def __init__(
        self, service: str, read_database: Callable[[], Database], consumer: Consumer | None, *, as_json: bool
    ) -> None:
        self._service = service
        self._read_database = read_database
        self._consumer = consumer
        self._as_json = as_json

    def say(self, fields: dict[str, Any], words: str) -> None:
        """One thing on a line of its own: for a machine its fields, for a person the words."""
        print(
            orjson.dumps({"service": self._service, **fields}).decode()
            if self._as_json
            else f"{self._service}: {words}"
        )

    async def parked(self) -> None:
        """What waits: why, since when, which message, what went wrong."""
        for row in await self._read_database().pool.fetch(_PARKED):
            place = f"{row['aggregate']} version {row['version']} {row['type']}"
            words = f"{row['reason']} {row['parked_at']:%Y-%m-%dT%H:%M:%SZ} {place} {row['error'] or ''}"
            self.say(dict(row), words.rstrip())

    async def redrive(self, aggregate: str | None) -> None:
        """Apply what has failed again."""
        applied, failing = (0, 0)
        if self._consumer is not None:
            applied, failing = await self._consumer.redrive(self._read_database(), aggregate)
        self.say({"applied": applied, "failed": failing}, f"{applied} applied, {failing} failed again")

    async def audit(self, database: Database, client: Client) -> None:
        """Send again what the stream lacks; tell what it has that the outbox does not know.

        Raises:
            SystemExit: there is such a thing.
        """
        lost = await audit.republish_missing(self._service, database, client)
        unknown = await audit.unknown(self._service, database, client, self._progress)
        again = " and are sent again" if lost else ""
        self.say(
            {"sent_again": lost, "unknown": [message._asdict() for message in unknown]},
            f"{lost} messages were missing in the stream{again}",
        )
        if not unknown:
            return
        if not self._as_json:
            print(f"{self._service}: {len(unknown)} messages of the stream are not in the outbox: of strangers, or")
            print(f"{self._service}: the database is of a time before them (docs/how-to/back-up-and-restore.md)")
            for message in unknown:
                print(f"{self._service}:   {message.at} {message.aggregate} version {message.version} {message.type}")
        raise SystemExit(1)

    async def step_back(self, announcer: str, database: Database, client: Client) -> None:
        """Take back how far this service has heard another one, where that no longer says so much; and hear it again.

        For an announcer whose database was put back: what it announces next bears versions that were heard before.
        Needs the operator's user of NATS, which may read the stream. What was concluded stays until the next message.
        """
        newest = await audit.newest_versions(client, announcer)
        heard = await database.pool.fetch(_HEARD, f"{announcer}.")
        ahead = [(a, v, newest.get(a, 0)) for a, v in heard if v > newest.get(a, 0)]
        async with database.transaction(EVERYTHING) as tx:
            for aggregate, version, known in ahead:
                await tx.sql(_STEP_BACK, aggregate, version, known)
                await tx.sql("DELETE FROM parked WHERE aggregate = $1 AND version > $2", aggregate, known)
        # What came meanwhile was passed over.
        await forget_consumers(client, announcer)
        for aggregate, version, known in ahead:
            self.say(
                {"aggregate": aggregate, "had_heard": version, "there_is": known},
                f"{aggregate} was heard up to version {version}, and there is {known or 'none'}",
            )
        self.say({"put_back": len(ahead)}, f"{len(ahead)} records are put back, and {announcer} is heard again")

    def _progress(self, looked_at: int) -> None:
        if looked_at % TOLD_EVERY == 0 and not self._as_json:
            print(f"{self._service}: {looked_at:,} messages of the stream compared …", file=sys.stderr, flush=True)
