"""The centres that there are, as the read model names them."""

import asyncpg

from services.gateway.queries.figures import Reader
from shared.database import DatabaseUnavailable

_OPEN = "SELECT id, region, name FROM centre WHERE closed_on IS NULL ORDER BY id"


async def centres(reader: Reader) -> list[asyncpg.Record]:
    """Every centre that is open.

    Raises:
        DatabaseUnavailable: the read model is being built.
    """
    try:
        return await reader.fetch(_OPEN)
    except asyncpg.UndefinedTableError as error:
        raise DatabaseUnavailable("The figures are being counted anew.") from error
