"""Subscribers from outside: each in an account of its own, which is given the facts of some centres and says nothing.

They are kept in a file, and what NATS needs to know of them in another one beside it, which its configuration includes.
"""

import fcntl
import re
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from deploy.bus.configuration import APP
from deploy.local import files
from deploy.local.refusals import CannotRun
from shared.messaging.subjects import OUTSIDE, PUBLISHERS
from shared.regions import REGIONS

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Subscriber(BaseModel):
    """An organisation that is told of facts. Its key's secret half is with it alone."""

    name: str
    account: str
    public_key: str
    services: list[str]
    regions: list[str] = []
    centres: list[str] = []
    """Neither regions nor centres: all."""
    added_at: datetime

    @property
    def subjects(self) -> list[str]:
        """What it can subscribe to, `asar.<service>.<noun>.<fact>.<region>.<centre>`; no two of them overlap."""
        places = [f"{region.lower()}.*" for region in self.regions] + [f"*.{centre}" for centre in self.centres]
        return [f"asar.{service}.*.*.{place}" for service in self.services for place in places or ["*.*"]]


class Subscribers:
    """The subscribers of one NATS."""

    def __init__(self, file: Path) -> None:
        """`file`: what NATS includes. What is known of each subscriber is beside it, in JSON."""
        self.file = file
        self._record = file.with_suffix(".json")

    def all(self) -> list[Subscriber]:
        """In the order in which they were added."""
        if not self._record.exists():
            return []
        return TypeAdapter(list[Subscriber]).validate_json(self._record.read_bytes())

    def add(
        self,
        name: str,
        public_key: str,
        *,
        services: Sequence[str] = (),
        regions: Sequence[str] = (),
        centres: Sequence[str] = (),
    ) -> Subscriber:
        """Let whoever has the other half of this key hear facts: of some services or all, of some regions, of some
        centres, or of all.

        Raises:
            CannotRun: the name is taken or unfit, or there is no such service, region or centre.
        """
        if not _NAME.fullmatch(name):
            raise CannotRun("A subscriber's name is of small letters, digits and hyphens, 40 at the most.")
        with self._held():
            known = self.all()
            if any(one.name == name for one in known):
                raise CannotRun(f"There is a subscriber {name} already. Revoke it first, or choose another name.")
            made = Subscriber(
                name=name,
                account=f"EXT_{max((int(one.account.removeprefix('EXT_')) for one in known), default=0) + 1}",
                public_key=public_key,
                services=_known("service", services, PUBLISHERS) or list(PUBLISHERS),
                regions=_known("region", [region.upper() for region in regions], REGIONS),
                centres=[_centre(text) for text in dict.fromkeys(centres)],
                added_at=datetime.now(UTC).replace(microsecond=0),
            )
            if made.regions and made.centres:
                raise CannotRun(
                    "A subscriber hears either whole regions or single centres: otherwise some facts twice."
                )
            self._keep([*known, made])
        return made

    def revoke(self, name: str) -> None:
        """Let somebody hear nothing any more.

        Raises:
            CannotRun: there is no such subscriber.
        """
        with self._held():
            known = self.all()
            left = [one for one in known if one.name != name]
            if left == known:
                raise CannotRun(f"There is no subscriber {name}.")
            self._keep(left)

    def write(self) -> None:
        """Write anew what NATS includes."""
        files.write_private(self.file, "".join(map(_account, self.all())) or "# No subscribers.\n")

    def _keep(self, subscribers: list[Subscriber]) -> None:
        files.write_private(
            self._record, TypeAdapter(list[Subscriber]).dump_json(subscribers, indent=1).decode() + "\n"
        )
        self.write()

    @contextmanager
    def _held(self) -> Generator[None]:
        """Be the only one who changes them."""
        with self._record.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _account(subscriber: Subscriber) -> str:
    imports = ",\n".join(f"    {_import(subject)}" for subject in subscriber.subjects)
    return (
        f"# {subscriber.name}, since {subscriber.added_at:%Y-%m-%d}\n"
        f"{subscriber.account} {{\n"
        f'  users: [{{nkey: {subscriber.public_key}, permissions: {{publish: {{deny: ">"}}, subscribe: "asar.>"}}}}]\n'
        f"  imports: [\n{imports}\n  ]\n"
        "}\n"
    )


def _import(subject: str) -> str:
    """What is repeated for outsiders, heard under the subject under which it was published."""
    numbers = iter(range(1, subject.count("*") + 1))
    under = ".".join(f"${next(numbers)}" if token == "*" else token for token in subject.split("."))  # noqa: S105
    return f'{{stream: {{account: {APP}, subject: "{OUTSIDE}.{subject}"}}, to: "{under}"}}'


def _known(what: str, given: Sequence[str], there_are: Collection[str]) -> list[str]:
    for one in given:
        if one not in there_are:
            raise CannotRun(f"There is no {what} {one}. There are {', '.join(there_are)}.")
    return list(dict.fromkeys(given))


def _centre(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise CannotRun(f"{text} is not the id of a centre.") from error
