"""The dashboard's states: one per scope and period, made once per revision of the read model and kept as bytes."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple
from weakref import WeakValueDictionary

import orjson

from services.gateway import queries
from services.gateway.domain import COUNTRY, Period, Scope
from services.gateway.generations import Generations
from shared import clock

KEPT_MAX = 500
MADE_AT_ONCE = 3


class Mark(NamedTuple):
    """Where the read model is: all that a topic's state depends on, and the same on every replica."""

    generation: int
    revision: int
    today: date

    def __str__(self) -> str:
        return f"{self.generation}.{self.revision}.{self.today}"

    @classmethod
    def parse(cls, text: str) -> "Mark | None":
        """What somebody says they have; None where it is not a mark."""
        try:
            generation, revision, today = text.split(".")
            return cls(int(generation), int(revision), date.fromisoformat(today))
        except ValueError:
            return None


@dataclass(frozen=True)
class Topic:
    """What somebody looks at."""

    scope: Scope
    period: Period

    @classmethod
    def parse(cls, scope: str | None, start: str | None, end: str | None) -> "Topic":
        """From the words of an address.

        Raises:
            ScopeUnknown, DayUnreadable, PeriodBackwards
        """
        return cls(Scope.parse(scope or COUNTRY), Period.parse(start, end))


@dataclass(frozen=True)
class State:
    """A topic's whole state, encoded."""

    mark: Mark
    body: bytes
    content: bytes
    """The body without revision and age: what decides whether anything that is shown has changed."""

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is said of the body to those who ask for it."""
        return [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
            (b"etag", f'"{self.mark}"'.encode()),
        ]


class States:
    """Makes and keeps states."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self._kept: OrderedDict[Topic, State] = OrderedDict()
        self._turns: WeakValueDictionary[Topic, asyncio.Lock] = WeakValueDictionary()
        self._few = asyncio.Semaphore(MADE_AT_ONCE)
        self._asking = asyncio.Lock()
        self._next_mark: asyncio.Task[Mark] | None = None

    async def mark(self) -> Mark:
        """Where the read model is now."""
        # One question at a time, put after the last of those who share its answer had come: a crowd costs the
        # database next to nothing, and nobody is told of less than what was folded in before they asked.
        if self._next_mark is None:
            self._next_mark = asyncio.create_task(self._read_mark())
        return await asyncio.shield(self._next_mark)

    async def _read_mark(self) -> Mark:
        async with self._asking:
            self._next_mark = None
            return await self._mark()

    async def _mark(self) -> Mark:
        generation = self._generations.number
        revision, _ = await queries.revision(self._generations.active.pool)
        return Mark(generation, revision, clock.civil_day(clock.now()))

    def made(self, topic: Topic, mark: Mark) -> State | None:
        """The topic's state as of a mark that was just read, if it is there already."""
        state = self._kept.get(topic)
        if state is None or not _serves(state.mark, mark):
            return None
        self._kept.move_to_end(topic)
        return state

    async def get(self, topic: Topic, *, at: Mark | None = None) -> State:
        """The topic's state as of now, or as of a mark that was just read.

        Raises:
            ScopeUnknown: there is no such region, centre or campaign.
        """
        mark = at or await self.mark()
        # One at a time: a crowd that asks for the same thing costs one query, not hundreds.
        turn = self._turns.setdefault(topic, asyncio.Lock())
        async with turn:
            state = self._kept.get(topic)
            if state is None or not _serves(state.mark, mark):
                # Few of them: strange addresses must not take the database from everyone else.
                async with self._few:
                    state = self._kept[topic] = await self._make(topic)
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
        if topic in self._kept:
            self._kept.move_to_end(topic)
        return state

    async def _make(self, topic: Topic) -> State:
        generation, today = self._generations.number, clock.civil_day(clock.now())
        async with queries.snapshot(self._generations.active) as reader:
            document = await queries.state(reader, topic.scope, topic.period, today=today)
        head = {"revision": document.pop("revision"), "as_of": document.pop("as_of")}
        content = orjson.dumps(document, option=orjson.OPT_UTC_Z)
        body = orjson.dumps(head, option=orjson.OPT_UTC_Z)[:-1] + b"," + content[1:]
        return State(Mark(generation, head["revision"], today), body, content)


def _serves(kept: Mark, wanted: Mark) -> bool:
    """Whether a state will do for who wants one as of a mark: a newer one of the same read model does."""
    return (kept.generation, kept.today) == (wanted.generation, wanted.today) and kept.revision >= wanted.revision
