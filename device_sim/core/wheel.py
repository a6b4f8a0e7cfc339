"""One timer for a whole fleet. Pure: time comes in as milliseconds, the shell sets one alarm at `next_ms`.

An item has its place in an attribute of its own (`tick`, 0 for none), so a place that was given up costs nothing:
it stays behind and is passed over. An item whose time moved later keeps its place, comes out early, and is asked again.
"""

from heapq import heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

TICK_MS: Final = 16
NEVER: Final = 2**62


class Timed(Protocol):
    """Something that waits for a time."""

    tick: int

    @property
    def due_ms(self) -> int:
        """When it wants to come out; NEVER for not at all."""


T = TypeVar("T", bound=Timed)


class Wheel(Generic[T]):
    """Items by the tick in which they are due; one comes out at most a tick late, never early."""

    __slots__ = ("_slots", "_ticks")

    def __init__(self) -> None:
        self._slots: dict[int, list[T]] = {}
        self._ticks: list[int] = []

    @property
    def next_ms(self) -> int:
        """When the next items may be due; NEVER when there is none."""
        return self._ticks[0] * TICK_MS if self._ticks else NEVER

    def place(self, item: T) -> None:
        """Make sure that the item comes out when it is due; to be called whenever its `due_ms` may have changed."""
        due_ms = item.due_ms
        if due_ms == NEVER:
            return
        tick = max(-(-due_ms // TICK_MS), 1)
        if 0 < item.tick <= tick:
            return
        item.tick = tick
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [item]
            heappush(self._ticks, tick)
        else:
            slot.append(item)

    def due(self, now_ms: int) -> list[T]:
        """Take out all that is due."""
        now = now_ms // TICK_MS
        ticks = self._ticks
        out: list[T] = []
        while ticks and ticks[0] <= now:
            tick = heappop(ticks)
            for item in self._slots.pop(tick):
                if item.tick != tick:
                    continue
                item.tick = 0
                if item.due_ms <= now_ms:
                    out.append(item)
                else:
                    self.place(item)
        return out
