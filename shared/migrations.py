"""Runs a service's Alembic history; each service's `migrations/env.py` is one call of this."""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.sql.sqltypes import AutoString

_LOCK = 0x0A5C


def run(metadata: MetaData) -> None:
    """Upgrade or downgrade the database at the `database_url` of Alembic's configuration."""
    url: str = context.config.attributes["database_url"]
    asyncio.run(_run(url, metadata))


async def _run(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, metadata)
        await connection.commit()
    await engine.dispose()


def _render(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """SQLModel's own string type is a plain one in the database."""
    return "sa.String()" if kind == "type" and isinstance(item, AutoString) else False


def _migrate(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_item=_render)
    with context.begin_transaction():
        # Several processes may start at once; and a lock that waits behind a long query must not block everyone.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()
