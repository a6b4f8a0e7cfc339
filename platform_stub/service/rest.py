"""When an advance of the clock may go on: what it set off in the devices has come to rest (decision 6).

A device that is told of a task works in real time, and one that polls finds it within its own time. Rest is when
the tasks' jobs have ended, when nobody calls or reports any more, or when only polls come. Times are real time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

LOOK_S: Final = 0.25
"""Nothing heard for so long is rest."""
POLLS_S: Final = 2.5
"""Nothing but polls for so long is rest: longer than devices wait between two of them."""
LIMIT_S: Final = 10.0
"""Then the clock goes on all the same."""


class Traffic(NamedTuple):
    """How much came from devices so far: reports that change something, and HTTP calls of any sort."""

    reports: int
    calls: int


class Rest:
    """Waits for rest. `told` returns when all is told, `is_open` says whether any job of some tasks is open.

    Of an account's devices, `is_connected` says whether any is there, and `traffic` counts what came from them.
    """

    def __init__(
        self,
        *,
        told: Callable[[], Awaitable[None]],
        is_connected: Callable[[int], bool],
        traffic: Callable[[int], Traffic],
        is_open: Callable[[Sequence[int]], bool],
        clock_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._told = told
        self._is_connected = is_connected
        self._traffic = traffic
        self._is_open = is_open
        self._clock_s = clock_s
        self._sleep = sleep

    async def of(self, account_id: int, task_ids: Sequence[int]) -> None:
        """Return when an account's tasks that were just told have come to rest.

        At once where no device of the account ever spoke.
        """
        await self._told()
        last = self._traffic(account_id)
        if not self._is_connected(account_id) and not any(last):
            return
        deadline_s = self._clock_s() + LIMIT_S
        only_polls_s = 0.0
        while self._is_open(task_ids) and self._clock_s() < deadline_s:
            await self._sleep(LOOK_S)
            traffic = self._traffic(account_id)
            if traffic == last:
                return
            only_polls_s = only_polls_s + LOOK_S if traffic.reports == last.reports else 0.0
            if only_polls_s >= POLLS_S:
                return
            last = traffic
