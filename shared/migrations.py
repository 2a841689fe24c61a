"""Runs a service's Alembic history; each service's `migrations/env.py` is one call of this."""

# ruff: noqa: S608 - the names in this module's SQL are those of our own tables; values are always parameters.

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import alembic.command
import alembic.config
from alembic import context, op
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.sql.sqltypes import AutoString

from shared import protection
from shared.sealed import Seal
from shared.telemetry import log

_LOCK = 0x0A5C
_TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
_TAKEN_WITHIN_MS = 500
_IN_USE = {"55P03", "57014"}
"""lock_not_available, query_canceled: what a lock that is waited for too long ends in."""
_PAUSES_S = (0.25, 0.5, 1.0, *(2.0,) * 30)
"""Between attempts. An hour's query on a table is to be ended by whoever began it."""


class TablesInUse(RuntimeError):
    """A long query kept the tables; nothing has been migrated."""


def upgrade(scripts: Path, **attributes: Any) -> None:
    """Bring a database to the newest revision of these scripts, and give its service its rights.

    Safe to run by several processes at once. `attributes`: `database_url`, and what `run` and the scripts take besides.

    Raises:
        TablesInUse: they were not to be had in a minute of trying.
    """
    config = alembic.config.Config(attributes=attributes)
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    alembic.command.upgrade(config, "head")


def run(metadata: MetaData) -> None:
    """Upgrade or downgrade the database at the `database_url` of Alembic's configuration, as its owner.

    Its `service_role`, if there is one and it is another, is given the rights that the service needs.

    Raises:
        TablesInUse: they were not to be had in a minute of trying.
    """
    url: str = context.config.attributes["database_url"]
    asyncio.run(_run(url, metadata, context.config.attributes.get("service_role")))


async def _run(url: str, metadata: MetaData, service_role: str | None) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    for pause_s in (*_PAUSES_S, None):
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_migrate, metadata, service_role)
                await connection.commit()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _IN_USE:
                raise
            if pause_s is None:
                raise TablesInUse(
                    "Some tables are in use without a pause: end what uses them, and try again."
                ) from error
            log.warning("tables are in use, trying again", pause_s=pause_s)
            await asyncio.sleep(pause_s)
        else:
            break
    await engine.dispose()


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """SQLModel's own string type is a plain one in the database."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


def _migrate(connection: Connection, metadata: MetaData, service_role: str | None) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_item=_render)
    with context.begin_transaction():
        # Several processes may start at once.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        role = None if service_role is None or protection.owns(connection, service_role) else service_role
        if _moves() or not protection.is_on(connection, metadata, role):
            _take_tables(connection)
            protection.take_off(connection)
            context.run_migrations()
            if _is_newest():
                protection.put_on(connection, metadata, role)
        else:
            context.run_migrations()


def _take_tables(connection: Connection) -> None:
    """Have all tables for this transaction alone, soon or not at all.

    Whoever wants a table that somebody waits for waits behind them. So all are asked for in one statement, and what
    does not succeed within half a second is undone and tried again later: nobody waits longer than that and the change.
    """
    tables = connection.exec_driver_sql(_TABLES).scalars().all()
    if tables:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_TAKEN_WITHIN_MS}")
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        connection.exec_driver_sql("SET LOCAL statement_timeout = DEFAULT")
    # What is not in this schema is not ours.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")


def _moves() -> bool:
    """Whether the database is to go to another revision than it is at."""
    try:
        destination = context.get_revision_argument()
    except KeyError:
        # Alembic only compares.
        return False
    return set(context.get_context().get_current_heads()) != {destination}


def _is_newest() -> bool:
    return set(context.get_context().get_current_heads()) == set(context.script.get_heads())


# --- columns that become sealed ---------------------------------------------------------------------------------------

_AT_ONCE = 1000


def seal_column(table: str, column: str, *, optional: bool = True) -> None:
    """Replace a readable column by a sealed one of the same name, for tables whose key is `id`."""
    _rewrite(
        table, column, "bytea", optional, lambda seal, row, text: seal.close(text, place=f"{table}.{column}", row=row)
    )


def unseal_column(table: str, column: str, type_: str, *, optional: bool = True) -> None:
    """The way back."""
    _rewrite(
        table,
        column,
        type_,
        optional,
        lambda seal, row, sealed: seal.open(sealed, place=f"{table}.{column}", row=row).decode(),
    )


def _rewrite(table: str, column: str, type_: str, optional: bool, turn: Callable[[Seal, UUID, Any], Any]) -> None:
    connection, into = op.get_bind(), "BYTEA" if type_ == "bytea" else type_
    read = f'"{column}"' if type_ != "bytea" else f'"{column}"::text'
    connection.execute(text(f'ALTER TABLE "{table}" ADD COLUMN rewritten {into}'))
    following = text(
        f'SELECT id, {read} AS was FROM "{table}" WHERE id > :after AND "{column}" IS NOT NULL'
        f" ORDER BY id LIMIT {_AT_ONCE}"
    )
    given = "CAST(:becomes AS BYTEA)" if type_ == "bytea" else f"CAST(CAST(:becomes AS TEXT) AS {type_})"
    change = text(f'UPDATE "{table}" SET rewritten = {given} WHERE id = :id')
    after, seal = UUID(int=0), None
    while rows := connection.execute(following, {"after": after}).all():
        # An empty database needs no keys.
        seal = seal or Seal(context.config.attributes["keys_dir"])
        connection.execute(change, [{"id": row.id, "becomes": turn(seal, row.id, row.was)} for row in rows])
        after = rows[-1].id
    connection.execute(text(f'ALTER TABLE "{table}" DROP COLUMN "{column}"'))
    connection.execute(text(f'ALTER TABLE "{table}" RENAME COLUMN rewritten TO "{column}"'))
    if not optional:
        connection.execute(text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET NOT NULL'))
