"""The one timer of a fleet: a wheel of items, and one handle of the event loop."""

import asyncio
from typing import Protocol

from device_sim.core.wheel import NEVER, Timed, Wheel


class Sleeper(Timed, Protocol):
    """Something that is woken when its time has come."""

    def woken(self, now_ms: int) -> None:
        """Act on it, and place yourself again."""


class Alarm:
    """Wakes items at their `due_ms`, on the loop's monotonic clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wheel: Wheel[Sleeper] = Wheel()
        self._handle: asyncio.TimerHandle | None = None
        self._set_ms = NEVER

    def now_ms(self) -> int:
        """Monotonic milliseconds."""
        return int(self._loop.time() * 1_000)

    def place(self, item: Sleeper) -> None:
        """Look at the item's `due_ms` (again)."""
        self._wheel.place(item)
        if self._wheel.next_ms < self._set_ms:
            self._set()

    def stop(self) -> None:
        """Wake nobody any more."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._set_ms = -1

    def _set(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._set_ms = self._wheel.next_ms
        if self._set_ms != NEVER:
            self._handle = self._loop.call_at((self._set_ms + 1) / 1_000, self._ring)

    def _ring(self) -> None:
        self._handle, self._set_ms = None, 0  # items that are placed meanwhile set no handle
        now_ms = self.now_ms()
        for item in self._wheel.due(now_ms):
            item.woken(now_ms)
        if self._set_ms == 0:
            self._set()
