"""One coarse timer for all connections. Pure: time comes in as milliseconds, the shell ticks."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

TICK_MS = 1_000


class DueWheel(Generic[T]):
    """Items by the tick in which they are due; an item comes out at most one tick late, never early."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: dict[int, set[T]] = {}

    def put(self, item: T, due_ms: int) -> int:
        """Enter an item; returns the tick to take it back from."""
        tick = -(-due_ms // TICK_MS)
        self._slots.setdefault(tick, set()).add(item)
        return tick

    def take_back(self, item: T, tick: int) -> None:
        """Remove an item, if it has not come out already."""
        slot = self._slots.get(tick)
        if slot is not None:
            slot.discard(item)
            if not slot:
                del self._slots[tick]

    def due(self, now_ms: int) -> list[T]:
        """Take out all that is due."""
        now = now_ms // TICK_MS
        ticks = sorted(tick for tick in self._slots if tick <= now)
        return [item for tick in ticks for item in self._slots.pop(tick)]
