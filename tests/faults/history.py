"""What callers asked, when, and what they heard: the ground on which loss, doubling and outage are judged."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx

_CALLERS = {"approval": "volunteer", "void": "delivery"}


class Outcome(StrEnum):
    """What a caller knows of what it asked for."""

    OK = "ok"
    """Promised: it must be there, once."""
    REFUSED = "refused"
    """It must not be there."""
    UNKNOWN = "unknown"
    """Nothing was heard, or only that something went wrong: it may be there or not, but not twice."""


@dataclass(frozen=True)
class Attempt:
    """One time of asking. Times are of the monotonic clock."""

    began_s: float
    ended_s: float
    status: int | None
    """None: no answer came."""
    body: bytes = b""
    retry_after: str | None = None

    @property
    def outcome(self) -> Outcome:
        if self.status is None or self.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Outcome.UNKNOWN
        if b'"idempotency-in-progress"' in self.body:
            # The same request, sent before, is still being answered.
            return Outcome.UNKNOWN
        return Outcome.OK if httpx.codes.is_success(self.status) else Outcome.REFUSED


@dataclass
class Operation:
    """Something that was asked for, once or several times with the same key."""

    kind: str
    path: str
    form: dict[str, Any]
    key: str
    identity: UUID | None = None
    """Of the record that it makes, if it makes one."""
    attempts: list[Attempt] = field(default_factory=list[Attempt])

    @property
    def caller(self) -> str:
        """Who asked: some do a second kind of thing now and then."""
        return _CALLERS.get(self.kind, self.kind)

    @property
    def outcome(self) -> Outcome:
        """What the last attempt has told: all before it, if there were any, are unknown."""
        return self.attempts[-1].outcome if self.attempts else Outcome.UNKNOWN

    @property
    def answers(self) -> list[Attempt]:
        """The attempts after which it was known."""
        return [attempt for attempt in self.attempts if attempt.outcome is not Outcome.UNKNOWN]

    @property
    def amount_minor(self) -> int:
        """Of a gift, in tiyn."""
        whole, _, hundredths = str(self.form["amount"]["amount"]).partition(".")
        return int(whole) * 100 + int(hundredths)


class History:
    """All operations, in the order in which they began."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def begin(self, operation: Operation) -> Operation:
        self.operations.append(operation)
        return operation

    def of(self, outcome: Outcome, *kinds: str) -> list[Operation]:
        """Those with this outcome, of some kinds or of all."""
        return [o for o in self.operations if o.outcome is outcome and (not kinds or o.kind in kinds)]

    def identities(self, outcome: Outcome, kind: str) -> set[UUID]:
        """Of the records that operations with this outcome make."""
        return {operation.identity for operation in self.of(outcome, kind) if operation.identity is not None}

    @property
    def donations(self) -> dict[UUID, int]:
        """The gifts that were promised, and their amounts in tiyn."""
        return {o.identity: o.amount_minor for o in self.of(Outcome.OK, "donation") if o.identity is not None}

    @property
    def volunteers(self) -> set[UUID]:
        return self.identities(Outcome.OK, "volunteer")

    @property
    def deliveries(self) -> set[UUID]:
        return self.identities(Outcome.OK, "delivery")

    def counts(self) -> dict[str, int]:
        """How many of each kind have come to be, or were read."""
        counts: dict[str, int] = {}
        for operation in self.of(Outcome.OK):
            counts[operation.kind] = counts.get(operation.kind, 0) + 1
        return counts

    def failures(self, *, since_s: float = 0.0, kinds: Iterable[str] = ()) -> list[Attempt]:
        """Attempts that have ended since then with no answer, or with one that something is wrong."""
        wanted = set(kinds)
        return [
            attempt
            for operation in self.operations
            if not wanted or operation.kind in wanted
            for attempt in operation.attempts
            if attempt.outcome is Outcome.UNKNOWN and attempt.ended_s >= since_s
        ]

    def outage_s(self, *, since_s: float = 0.0, until_s: float | None = None) -> float:
        """The longest time in which the callers of one kind heard nothing good.

        Whoever approves is who has registered, whoever voids is who has helped: they ask all the time, whatever it is.
        A caller counts from the first good answer; the time that still runs counts until `until_s`, or now.
        """
        end_s = time.monotonic() if until_s is None else until_s
        longest_s = 0.0
        for caller in {operation.caller for operation in self.operations}:
            good = sorted(
                attempt.ended_s
                for operation in self.operations
                if operation.caller == caller
                for attempt in operation.attempts
                if attempt.outcome is Outcome.OK and attempt.ended_s <= end_s
            )
            moments = [moment for moment in [*good, end_s] if moment >= since_s] if good else []
            before = [moment for moment in good if moment < since_s][-1:]
            longest_s = max([longest_s, *(b - a for a, b in pairwise([*before, *moments]))])
        return longest_s
