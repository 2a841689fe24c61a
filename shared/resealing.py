"""Changing the key of what is sealed: every value is opened and closed again with the current key, in pieces.

Nothing is lost by an end in the middle: both keys open until the old one is retired, and what is done stays done.
A row's version stays, since nothing of it changes for anybody.
"""
# ruff: noqa: S608 - the names in this module's SQL are those of our own tables; values are always parameters.

from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from shared.access.principal import EVERYTHING
from shared.database import Database, Transaction
from shared.sealed import Seal, kid_of, sealed_columns

AT_ONCE = 500
_DIALECT = dialect()


async def reseal(database: Database, seal: Seal, *, report: Callable[[str], None]) -> int:
    """Close everything with the current key; answers how many rows were not. `report` is told each table.

    Repeated until there is nothing left: a request that began before the change may store one more value as it was.
    """
    total = 0
    while True:
        changed = 0
        for table, columns in sealed_columns(database.metadata).items():
            done = await _reseal_table(database, seal, table, columns)
            if done:
                report(f"{table.name}: {done} rows")
            changed += done
        total += changed
        if changed == 0:
            return total


async def counts(database: Database) -> Counter[str]:
    """How many values are sealed with which key."""
    found: Counter[str] = Counter()
    async with database.transaction(EVERYTHING) as tx:
        for table, columns in sealed_columns(database.metadata).items():
            for column in columns:
                kid = f'substring("{column}" FROM 1 FOR 1 + get_byte("{column}", 0))'
                for prefix, number in await tx.sql(
                    f'SELECT {kid}, count(*) FROM "{table.name}" WHERE "{column}" IS NOT NULL GROUP BY 1'
                ):
                    found[kid_of(prefix)] += number
    return found


async def _reseal_table(database: Database, seal: Seal, table: Table, columns: list[str]) -> int:
    key = [column.name for column in table.primary_key]
    after: list[Any] | None = None
    done = 0
    while True:
        async with database.transaction(EVERYTHING) as tx:
            await tx.begin()
            rows = await _others(tx, seal, table, columns, after)
            if not rows:
                return done
            closed = [[_again(seal, table, row, column, key) for column in columns] for row in rows]
            given = [[row[name] for row in rows] for name in key] + [
                list(values) for values in zip(*closed, strict=True)
            ]
            await tx.sql(_update(table, key, columns), *given)
            after = [rows[-1][name] for name in key]
            done += len(rows)


async def _others(tx: Transaction, seal: Seal, table: Table, columns: list[str], after: list[Any] | None) -> list[Any]:
    """The next rows in which something is sealed with another key; locked."""
    key = ", ".join(f'"{column.name}"' for column in table.primary_key)
    prefix = seal.prefix
    other = " OR ".join(f'substring("{column}" FROM 1 FOR {len(prefix)}) <> $1' for column in columns)
    beyond = ""
    if after is not None:
        placeholders = ", ".join(f"${2 + position}" for position in range(len(after)))
        beyond = f" AND ({key}) > ({placeholders})"
    read = ", ".join(f'"{column}"' for column in columns)
    return await tx.sql(
        f'SELECT {key}, {read} FROM "{table.name}" WHERE ({other}){beyond} ORDER BY {key} LIMIT {AT_ONCE}'
        " FOR NO KEY UPDATE",
        prefix,
        *(after or ()),
    )


def _again(seal: Seal, table: Table, row: Any, column: str, key: list[str]) -> bytes | None:
    if row[column] is None:
        return None
    place, identity = f"{table.name}.{column}", "|".join(str(row[name]) for name in key)
    return seal.close(seal.open(row[column], place=place, row=identity), place=place, row=identity)


def _update(table: Table, key: list[str], columns: list[str]) -> str:
    names = [*key, *columns]
    arrays = ", ".join(f"${1 + i}::{_type_of(table.columns[name])}[]" for i, name in enumerate(names))
    quoted = ", ".join(f'"{name}"' for name in names)
    sets = ", ".join(f'"{column}" = given."{column}"' for column in columns)
    same = " AND ".join(f'"{table.name}"."{name}" = given."{name}"' for name in key)
    return f'UPDATE "{table.name}" SET {sets} FROM unnest({arrays}) AS given({quoted}) WHERE {same}'


def _type_of(column: "Column[Any]") -> str:
    return column.type.compile(dialect=_DIALECT)
