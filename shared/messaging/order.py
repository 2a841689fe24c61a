"""Decides what of a page of messages takes effect now: of each aggregate the next version, and each once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Place = tuple[str, int]
"""Whose history a message belongs to, and where in it: an aggregate and its version after the fact."""


class Placed(Protocol):
    """What has a place in a history."""

    @property
    def place(self) -> Place:
        """Its own."""
        ...


Item = TypeVar("Item", bound=Placed)


@dataclass(frozen=True)
class Turn(Generic[Item]):
    """What a page comes to."""

    to_apply: list[Item]
    """In this order, with what had waited for it."""
    too_early: list[Item]
    """What lacks a predecessor, with what waits already."""
    moved: dict[str, int]
    """How far the aggregates are then that have moved on."""
    duplicates: int


def turn(page: Iterable[Item], seen: Mapping[str, int], waiting: Iterable[Item] = ()) -> Turn[Item]:
    """Sort out a page, given how far each aggregate was applied and what waits for a predecessor."""
    early = {item.place: item for item in waiting}
    to_apply: list[Item] = []
    moved: dict[str, int] = {}
    duplicates = 0
    for item in page:
        aggregate, version = item.place
        following = moved.get(aggregate, seen.get(aggregate, 0)) + 1
        if version < following:
            duplicates += 1
            continue
        early[item.place] = item
        while (aggregate, following) in early:
            to_apply.append(early.pop((aggregate, following)))
            moved[aggregate] = following
            following += 1
    return Turn(to_apply, list(early.values()), moved, duplicates)
