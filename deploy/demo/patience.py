"""Asking again, with longer and longer pauses, for as long as it makes sense."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

from deploy.local.refusals import CannotRun

PATIENCE_S = 90.0
"""How long nothing may move before we give up."""
LONGEST_PAUSE_S = 2.0
_FIRST_PAUSE_S = 0.1
_DOUBLINGS_MAX = 10


class CannotLoad(CannotRun):
    """The network could not be loaded; the message says what stood in the way."""


async def pausing() -> AsyncIterator[int]:
    """Attempts, numbered from 0, with a longer pause before each."""
    for attempt in count():
        if attempt:
            await asyncio.sleep(min(_FIRST_PAUSE_S * 2 ** min(attempt - 1, _DOUBLINGS_MAX), LONGEST_PAUSE_S))
        yield attempt


def first_of(failures: BaseExceptionGroup[CannotLoad]) -> CannotLoad:
    """What went wrong: the others of the group were only cancelled because of it."""
    first = failures.exceptions[0]
    return first if isinstance(first, CannotLoad) else first_of(first)
