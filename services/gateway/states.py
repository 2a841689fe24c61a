"""The dashboard's states: one per scope and period, made once per revision of the read model and kept as bytes."""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date

import orjson

from services.gateway import queries
from services.gateway.domain import Period, Scope
from services.gateway.generations import Generations
from shared import clock

KEPT_MAX = 500


@dataclass(frozen=True)
class Topic:
    """What somebody looks at."""

    scope: Scope
    period: Period

    @classmethod
    def parse(cls, scope: str | None, start: str | None, end: str | None) -> "Topic":
        """From the words of an address.

        Raises:
            ScopeUnknown, PeriodBackwards
            ValueError: a day is not written like 2026-11-22.
        """
        days = [date.fromisoformat(day) if day else None for day in (start, end)]
        return cls(Scope.parse(scope or "kz"), Period(*days))


@dataclass(frozen=True)
class State:
    """A topic's whole state, encoded."""

    body: bytes
    content: bytes
    """The body without revision and age: what decides whether anything that is shown has changed."""
    event_id: str
    """`<generation>.<revision>`: the same on every replica."""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:24]}"'


Mark = tuple[int, int, date]
"""Generation, revision and today: what a state depends on."""


class States:
    """Makes and keeps states."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._kept: OrderedDict[Topic, tuple[Mark, State]] = OrderedDict()
        self._making = asyncio.Lock()

    async def mark(self) -> Mark:
        """Where the read model is now."""
        generation = self._generations.number
        revision, _ = await queries.revision(self._generations.active)
        return generation, revision, clock.civil_day(clock.now())

    async def get(self, topic: Topic) -> State:
        """The topic's state as of now.

        Raises:
            ScopeUnknown: there is no such region, centre or campaign.
        """
        mark = await self.mark()
        kept = self._kept.get(topic)
        if kept is None or kept[0] != mark:
            # One at a time: a crowd that asks for the same thing costs one query, not hundreds.
            async with self._making:
                kept = self._kept.get(topic)
                if kept is None or kept[0] != mark:
                    kept = (mark, await self._make(topic, mark))
                    self._kept[topic] = kept
                    while len(self._kept) > KEPT_MAX:
                        self._kept.popitem(last=False)
        self._kept.move_to_end(topic)
        return kept[1]

    async def _make(self, topic: Topic, mark: Mark) -> State:
        generation, _, today = mark
        document = await queries.state(self._generations.active, topic.scope, topic.period, today=today)
        head = {"revision": document.pop("revision"), "as_of": document.pop("as_of")}
        content = orjson.dumps(document, option=orjson.OPT_UTC_Z)
        body = orjson.dumps(head, option=orjson.OPT_UTC_Z)[:-1] + b"," + content[1:]
        return State(body, content, f"{generation}.{head['revision']}")
