"""A sheet that somebody sent, opened from afar: the process that reads it is started, fed, watched and ended."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from shared.sheets.limits import BINARY, REFUSALS, XLSX_TYPE, Row, SheetUnreadable

DEADLINE_S = 25.0
"""Less than the gateway waits for an answer."""
_LINE_BYTES_MAX = 64 * 1024 * 1024
_AT_ONCE = 1

_readers = asyncio.Semaphore(_AT_ONCE)


async def pages(content: bytes, *, media_type: str) -> AsyncGenerator[list[Row]]:
    """The rows of a CSV or XLSX file with their numbers in it, page by page; None is a formula.

    `media_type` is what its sender calls it; a file that is something else is refused.

    Raises:
        SheetUnreadable, OldOrProtectedWorkbook, MacrosInside, SheetTooLarge, SheetEmpty
    """
    if content.startswith(BINARY) != (media_type == XLSX_TYPE):
        raise SheetUnreadable
    async with _readers:
        reader = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "shared.sheets.reading"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # What a library says of a file may quote it.
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE_BYTES_MAX,
        )
        if reader.stdin is None or reader.stdout is None:
            raise SheetUnreadable
        feeding = asyncio.create_task(_feed(reader.stdin, content))
        said: Any = None
        try:
            async with asyncio.timeout(DEADLINE_S):
                async for line in reader.stdout:
                    said = orjson.loads(line)
                    if line.startswith(b"["):
                        yield said
                    elif "refused" in said:
                        raise REFUSALS[said["refused"]]
                    else:
                        return
            # It ended without a last word: too much memory, too much time, or a library that gave up.
            raise SheetUnreadable
        except TimeoutError as error:
            raise SheetUnreadable from error
        finally:
            feeding.cancel()
            if not isinstance(said, dict):
                # It has more to say, and nobody listens.
                with contextlib.suppress(ProcessLookupError):
                    reader.kill()
            await reader.wait()
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(pipe: asyncio.StreamWriter, content: bytes) -> None:
    pipe.write(content)
    with contextlib.suppress(ConnectionError):
        await pipe.drain()
    pipe.close()
