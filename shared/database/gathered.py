"""Rows that a transaction gathers until they leave together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Table
from sqlmodel import SQLModel


@dataclass
class Gathered:
    """Rows that leave with the next statement, in the order in which they were gathered, by table and kind of write."""

    inserts: dict[Table, list[Mapping[str, Any]]] = field(default_factory=dict[Table, list[Mapping[str, Any]]])
    puts: dict[Table, dict[tuple[Any, ...], Mapping[str, Any]]] = field(
        default_factory=dict[Table, dict[tuple[Any, ...], Mapping[str, Any]]]
    )
    updates: dict[Table, dict[UUID, tuple[SQLModel, int]]] = field(
        default_factory=dict[Table, dict[UUID, tuple[SQLModel, int]]]
    )
    sums: dict[Table, dict[tuple[Any, ...], dict[str, int]]] = field(
        default_factory=dict[Table, dict[tuple[Any, ...], dict[str, int]]]
    )

    def __bool__(self) -> bool:
        return bool(self.inserts or self.puts or self.updates or self.sums)

    def clear(self) -> None:
        for writes in (self.inserts, self.puts, self.updates, self.sums):
            writes.clear()

    def absorb(self, other: "Gathered") -> None:
        for table, rows in other.inserts.items():
            self.inserts.setdefault(table, []).extend(rows)
        for table, keyed in other.puts.items():
            self.puts.setdefault(table, {}).update(keyed)
        for table, changed in other.updates.items():
            mine = self.updates.setdefault(table, {})
            for identity, (row, was) in changed.items():
                mine.setdefault(identity, (row, was))
        for table, sums in other.sums.items():
            for key, counters in sums.items():
                self.increase(table, key, counters)

    def increase(self, table: Table, key: tuple[Any, ...], amounts: Mapping[str, int]) -> None:
        counters = self.sums.setdefault(table, {}).setdefault(key, {})
        for name, amount in amounts.items():
            counters[name] = counters.get(name, 0) + amount
