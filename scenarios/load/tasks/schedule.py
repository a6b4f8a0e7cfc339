"""When creations begin: as fast as creators go, or each at its moment, whatever the one before it does. Pure.

At a constant rate the moments are fixed beforehand and handed to whoever is free; what is behind is begun late and
timed from its moment, so that a stall of the platform shows in every creation that had to wait for it (no coordinated
omission). Times are seconds of one clock that only goes forward.
"""

import math
from typing import Final

from msgspec import Struct

_NEVER: Final = float("inf")
_EPSILON: Final = 1e-9


class Turn(Struct, frozen=True):
    """A creation to begin: at `at`, or now when that is None."""

    number: int
    at: float | None


class Schedule:
    """Hands out turns. `rate` is a second, None: as fast as it goes. Over at `duration_s`, or with `count` begun."""

    def __init__(
        self, *, rate: float | None, duration_s: float | None, count: int | None, began_at: float
    ) -> None:
        self._rate, self._count = rate, count
        self.began_at = began_at
        self.ends_at = _NEVER if duration_s is None else began_at + duration_s
        self._taken = 0
        self.begun = 0
        self._closed_at: float | None = None

    def take(self, now: float) -> Turn | None:
        """Take the next turn; None: there is none any more."""
        if self.is_over(now) or (self._count is not None and self._taken >= self._count):
            return None
        at = None if self._rate is None else self.began_at + self._taken / self._rate
        if at is not None and at >= self.ends_at:
            return None
        turn = Turn(self._taken, at)
        self._taken += 1
        return turn

    def begin(self, now: float) -> bool:
        """Say that a turn begins; False: it is too late for that."""
        if self.is_over(now):
            return False
        self.begun += 1
        return True

    def is_over(self, now: float) -> bool:
        """Whether no turn begins any more."""
        return self._closed_at is not None or now >= self.ends_at

    def close(self, now: float) -> None:
        """Let no turn begin from now on."""
        if self._closed_at is None:
            self._closed_at = now

    def due(self, now: float) -> int:
        """How many turns should have begun by now; without a rate as many as have."""
        if self._rate is None:
            return self.begun
        until = now if self._closed_at is None else min(now, self._closed_at)
        if until < self.began_at:
            return 0
        if until >= self.ends_at:
            count = math.ceil((self.ends_at - self.began_at) * self._rate - _EPSILON)
        else:
            count = int((until - self.began_at) * self._rate + _EPSILON) + 1
        return count if self._count is None else min(count, self._count)

    def behind(self, now: float) -> int:
        """How many turns are due and have not begun: creators are too few, or the platform too slow."""
        return max(0, self.due(now) - self.begun)
