"""Chance that falls the same way on every machine: seeded draws, deterministic ids."""

import hashlib
import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import accumulate, count
from typing import Generic, TypeVar

T = TypeVar("T")

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000


class Weighted(Generic[T]):
    """A table to draw from, its entries as likely as their weights say."""

    def __init__(self, weights: Iterable[tuple[T, float]]) -> None:
        pairs = list(weights)
        self.entries = [entry for entry, _ in pairs]
        self._upto = list(accumulate(weight for _, weight in pairs))

    def at(self, share: float) -> T:
        """The entry that covers this share (0 to 1) of the whole weight."""
        return self.entries[min(bisect_right(self._upto, share * self._upto[-1]), len(self.entries) - 1)]


def odds(weights: Mapping[T, float]) -> Weighted[T]:
    """A table written down as a dictionary."""
    return Weighted(weights.items())


class Dice:
    """A source of draws for one purpose.

    Every draw is made from `random()`, the one method whose sequence Python promises to keep.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self.share = random.Random(f"{seed}/{purpose}").random  # noqa: S311 - invented data, not a secret

    def chance(self, likelihood: float) -> bool:
        return self.share() < likelihood

    def below(self, limit: int) -> int:
        return int(self.share() * limit)

    def between(self, lowest: int, highest: int) -> int:
        """A whole number between both, each included."""
        return lowest + int(self.share() * (highest - lowest + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.share() * len(choices))]

    def draw(self, table: Weighted[T]) -> T:
        return table.at(self.share())

    def shuffled(self, items: Iterable[T]) -> list[T]:
        cards = list(items)
        for last in range(len(cards) - 1, 0, -1):
            other = self.below(last + 1)
            cards[last], cards[other] = cards[other], cards[last]
        return cards

    def some(self, items: Iterable[T], number: int) -> list[T]:
        """`number` different ones of `items`, or all of them if they are fewer."""
        return self.shuffled(items)[:number]


class Ids:
    """Identifiers of one kind of thing: shaped like UUIDv7, the same in every run."""

    def __init__(self, seed: int, kind: str) -> None:
        self._prefix = f"{seed}/{kind}/"
        self._serial = count(1)

    def on(self, day: date) -> str:
        """The next identifier, dated to that day."""
        serial = next(self._serial)
        salt = hashlib.blake2b(f"{self._prefix}{serial}".encode(), digest_size=10).hexdigest()
        stamp = (day.toordinal() - _EPOCH_DAY) * _DAY_MS + serial % _DAY_MS
        when = f"{stamp:012x}"
        return f"{when[:8]}-{when[8:]}-7{salt[:3]}-{'89ab'[int(salt[3], 16) & 3]}{salt[4:7]}-{salt[7:19]}"
