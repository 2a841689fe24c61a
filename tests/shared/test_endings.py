"""A task that is told to end ends, even one that does not hear it the first time."""

import asyncio

from shared.endings import end


async def test_who_does_not_hear_it_is_told_again() -> None:
    began, heard = asyncio.Event(), 0

    async def hard_of_hearing() -> None:
        nonlocal heard
        while True:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1
                if heard == 2:
                    raise

    task = asyncio.create_task(hard_of_hearing())
    await began.wait()
    await end(task)

    assert (task.cancelled(), heard) == (True, 2)


async def test_how_it_ended_is_not_the_ender_s_affair() -> None:
    async def fails() -> None:
        raise ValueError

    await end(asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(60)))
    await end()
