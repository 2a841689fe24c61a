"""The SQL of a transaction: the one statement that its gathered rows leave as, and its look-ups by id."""
# ruff: noqa: S608 - the names in this module's SQL are those of our own tables; values are always parameters.

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Column, String, Table
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql import ClauseElement

from shared.access.principal import NOTHING, Reach

Part = tuple[str, Table, tuple[str, ...], bool]
_DIALECT = asyncpg_dialect()
_JSONB = "JSONB"
_REACH = "reach"
WAS = "version read"
"""The extra column of an update: the version that the stored row must still have."""


def add(
    shape: list[Part],
    arguments: list[Any],
    kind: str,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    many = len(rows) > 1
    shape.append((kind, table, columns, many))
    values = [list(map(row.get, columns)) for row in rows]
    for place in _places_of_json(table, columns):
        for row in values:
            # As text: asyncpg takes an array of JSON lists for one array of several dimensions.
            row[place] = None if row[place] is None else to_json(row[place])
    arguments += map(list, zip(*values, strict=True)) if many else values[0]


@lru_cache(maxsize=1024)
def writing(shape: tuple[Part, ...], tells: bool = False) -> str:
    """The one statement for writes of this shape: each part a CTE; updates answer how many rows they met.

    One that `tells` sets the caller's reach first. Rows are made of the CTE that does, so no policy is asked before.
    """
    parts: list[str] = []
    counted: list[str] = []
    position = 1
    for number, (kind, table, columns, many) in enumerate(shape):
        quoted = [f'"{name}"' for name in columns]
        types = ["BIGINT" if name == WAS else _type_of(table.columns[name]) for name in columns]
        sent = [f"${position + i}::{'TEXT' if t == _JSONB else t}{'[]' if many else ''}" for i, t in enumerate(types)]
        position += len(columns)
        given = f"unnest({', '.join(sent)})" if many else f"(SELECT {', '.join(sent)})"
        read = ", ".join(f"{q}::{_JSONB} AS {q}" if t == _JSONB else q for q, t in zip(quoted, types, strict=True))
        told = f"{_REACH}, " if tells else ""
        source = f"SELECT {read} FROM {told}{given} AS given({', '.join(quoted)})"
        into = f'INSERT INTO "{table.name}" ({", ".join(quoted)}) {source}'
        key = [column.name for column in table.primary_key]
        named = ", ".join(f'"{name}"' for name in key)
        conflict = f" ON CONFLICT ({named}) DO "
        match kind:
            case "insert":
                parts.append(f"w{number} AS ({into})")
            case "put":
                sets = [f'"{name}" = excluded."{name}"' for name in columns if name not in key]
                parts.append(f"w{number} AS ({into}{conflict}{'UPDATE SET ' + ', '.join(sets) if sets else 'NOTHING'})")
            case "sum":
                sets = [f'"{n}" = "{table.name}"."{n}" + excluded."{n}"' for n in columns if n not in key]
                parts.append(f"w{number} AS ({into}{conflict}UPDATE SET {', '.join(sets)})")
            case _:
                sets = [f'"{name}" = given."{name}"' for name in columns if name not in ("id", WAS)]
                parts.append(
                    f'w{number} AS (UPDATE "{table.name}" SET {", ".join(sets)} FROM ({source}) AS given'
                    f' WHERE "{table.name}".id = given.id AND "{table.name}".version = given."{WAS}" RETURNING 1)'
                )
                counted.append(f"(SELECT count(*)::int FROM w{number})")
    if tells:
        settings = [f"set_config('{name}', ${position + i}, true)" for i, name in enumerate(NOTHING.settings)]
        parts.insert(0, f"{_REACH} AS MATERIALIZED (SELECT {', '.join(settings)})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(f'{c} AS c{i}' for i, c in enumerate(counted)) or '1'}"


def telling(reach: Reach) -> str:
    """For this transaction only. Sent with its BEGIN, so that it costs no round trip."""
    quoted = [(name, value.replace("'", "''")) for name, value in reach.settings.items()]
    return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in quoted)


@lru_cache(maxsize=256)
def insert_columns(table: Table) -> tuple[str, ...]:
    """All columns but those that the database fills in by itself."""
    return tuple(c.name for c in table.columns if c.identity is None and c.server_default is None)


@lru_cache(maxsize=1024)
def _places_of_json(table: Table, columns: tuple[str, ...]) -> list[int]:
    return [i for i, name in enumerate(columns) if name != WAS and _type_of(table.columns[name]) == _JSONB]


@lru_cache(maxsize=1024)
def _type_of(column: "Column[Any]") -> str:
    # A cast to VARCHAR(n) would cut a text that is too long; the column itself refuses it.
    return "TEXT" if isinstance(column.type, String) else column.type.compile(dialect=_DIALECT)


@lru_cache(maxsize=256)
def select_by_ids(table: Table, lock: bool) -> str:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    # NO KEY UPDATE leaves foreign keys of others' inserts unblocked.
    locking = " FOR NO KEY UPDATE" if lock else ""
    return f'SELECT {columns} FROM "{table.name}" WHERE id = ANY($1::uuid[]) ORDER BY id{locking}'


@lru_cache(maxsize=256)
def select_both(one: Table, other: Table) -> str:
    columns = ", ".join(
        f'{alias}."{column.name}"' for alias, table in (("a", one), ("b", other)) for column in table.columns
    )
    return (
        f"SELECT {columns} FROM (SELECT 1) AS always"
        f' LEFT JOIN "{one.name}" AS a ON a.id = $1 LEFT JOIN "{other.name}" AS b ON b.id = $2'
    )


@lru_cache(maxsize=512)
def compiled(statement: ClauseElement) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """asyncpg's SQL of a statement, the order of its parameters, and the values it holds itself.

    Cached by the statement's identity: write a hot query as a module constant with `bindparam`.
    """
    one = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    names = tuple(getattr(one, "positiontup", None) or ())
    own: Mapping[str, Any] = one.params or {}
    return str(one), names, {name: value for name, value in own.items() if value is not None}


def to_json(value: Any) -> str:
    return orjson.dumps(value).decode()
