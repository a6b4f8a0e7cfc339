"""Holds a connection to its rates: publishes wait for their turn, bytes are read later. Only in strict mode.

`rates` says how long; here are the timers. What was read is never lost: what still waits when the device leaves is
handed on then.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from platform_stub.broker.embedded.events import End, Event, Received
from platform_stub.broker.embedded.rates import Rates

_MS: Final = 1e3


class Pacer:
    """The timers of one connection."""

    __slots__ = ("_hand_on", "_held", "_now_ms", "_rates", "_reader", "_timer")

    def __init__(self, rates: Rates, now_ms: Callable[[], int], hand_on: Callable[[Event], None]) -> None:
        self._rates = rates
        self._now_ms = now_ms
        self._hand_on = hand_on
        self._held: deque[tuple[float, Received]] = deque()  # with its time on the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    @property
    def holds_reading(self) -> bool:
        """Whether no more is to be read at present."""
        return self._reader is not None

    def passes(self, event: Event) -> bool:
        """Let an event through now; False: it is a publish whose turn comes later, and is handed on then."""
        if isinstance(event, End):
            self.release()
        if not isinstance(event, Received):
            return True
        delay_ms = self._rates.publish_delay_ms(self._now_ms())
        if not delay_ms and not self._held:
            return True
        self._held.append((asyncio.get_running_loop().time() + delay_ms / _MS, event))
        if self._timer is None:
            self._arm()
        return False

    def hold_reading(self, nbytes: int, resume: Callable[[], None]) -> None:
        """Count what was read; calls `resume` when reading may go on, if it has to stop."""
        delay_ms = self._rates.read_delay_ms(nbytes, self._now_ms())
        if delay_ms and self._reader is None:
            loop = asyncio.get_running_loop()
            self._reader = loop.call_later(delay_ms / _MS, self._read_on, resume)

    def release(self) -> None:
        """Hand on at once what still waits."""
        held, self._held = self._held, deque()
        for _, event in held:
            self._hand_on(event)

    def close(self) -> None:
        """Let go of everything."""
        self._held.clear()
        for timer in (self._timer, self._reader):
            if timer is not None:
                timer.cancel()
        self._timer = self._reader = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._held[0][0], self._turn)

    def _turn(self) -> None:
        self._timer = None
        if not self._held:
            return
        _, event = self._held.popleft()
        self._hand_on(event)
        if self._held and self._timer is None:
            self._arm()

    def _read_on(self, resume: Callable[[], None]) -> None:
        self._reader = None
        resume()
