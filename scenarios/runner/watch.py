"""Awaiting something that takes its time, and telling now and then how far it is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

TICK_S: Final = 0.1


async def watch(work: Awaitable[T], tell: Callable[[], None]) -> T:
    """Await something; `tell` is called about every TICK_S meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=TICK_S))[0]:
            tell()
    except BaseException:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
    return task.result()
