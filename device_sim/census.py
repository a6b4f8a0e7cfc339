"""How many devices are present, busy, and so on, counted as they move; and those who wait for a count to be right.

Waiters are woken by the move that makes their condition true, not by looking again and again.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from device_sim.agent import Agent
from device_sim.core.state import Link
from device_sim.core.wheel import NEVER

REFUSALS_UNTIL_HOPELESS: Final = 3
"""CONNACKs, or calls, in a row that refuse a device for good; after them nobody waits for it any longer."""


class Census:
    """The counts of a fleet, and its waiters."""

    def __init__(self) -> None:
        self.present = 0
        self.connected = 0
        self.busy = 0
        self.cards_unposted = 0
        self.hopeless = 0
        self.resting = 0
        self.sockets = 0
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._failure: BaseException | None = None

    def moved(self, agent: Agent) -> None:
        """Count an agent again after an event."""
        device = agent.device
        flags = (
            agent.is_present,
            device.is_busy,
            device.card_unposted,
            agent.refusals >= REFUSALS_UNTIL_HOPELESS,
            device.rest_due_ms != NEVER,
            device.link >= Link.REPORTING,
        )
        counted = agent.counted
        if flags == counted:
            return
        flow = agent.counters
        if flags[0] is not counted[0]:
            change = flags[0] - counted[0]
            self.present += change
            flow.present += change
        if flags[1] is not counted[1]:
            change = flags[1] - counted[1]
            self.busy += change
            flow.busy += change
        self.cards_unposted += flags[2] - counted[2]
        self.hopeless += flags[3] - counted[3]
        self.resting += flags[4] - counted[4]
        self.connected += flags[5] - counted[5]
        agent.counted = flags
        if self._waiters:
            self.wake()

    def socket_opened(self) -> None:
        """Count it."""
        self.sockets += 1

    def socket_closed(self) -> None:
        """Count it; the last one is waited for."""
        self.sockets -= 1
        if not self.sockets:
            self.wake()

    async def settle(self, timeout_s: float) -> None:
        """Wait until every socket is closed, failure or not."""
        self._failure = None
        await self.wait(lambda: not self.sockets, timeout_s)

    def wake(self) -> None:
        """Let those go on whose condition holds."""
        for condition, future in self._waiters:
            if not future.done() and condition():
                future.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Let all who wait, and will wait, know."""
        self._failure = error
        for _, future in self._waiters:
            if not future.done():
                future.set_exception(error)

    async def wait(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until the condition holds; False when it did not within the time. Raises what the fleet failed with."""
        if self._failure is not None:
            raise self._failure
        if condition():
            return True
        future = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._waiters.append(entry)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiters.remove(entry)
        return True
