"""How often a device may do what: the rates of `Limits`. Pure: times come in as monotonic milliseconds.

Only strict mode has rates; a connection without them holds nothing of this. Source: onenet-protocol, section 3.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final

from platform_stub.broker.limits import Limits

_SECOND_MS: Final = 1_000


class Window:
    """Counts what happened in the last so many milliseconds, up to a limit."""

    __slots__ = ("_limit", "_span_ms", "_times")

    def __init__(self, limit: int, span_ms: int) -> None:
        self._limit = limit
        self._span_ms = span_ms
        self._times: deque[int] = deque(maxlen=limit)

    def is_full(self, now_ms: int) -> bool:
        """Whether one more now would be too many."""
        times = self._times
        return len(times) == self._limit and now_ms - times[0] < self._span_ms

    def note(self, now_ms: int) -> None:
        """Count one."""
        self._times.append(now_ms)

    def is_over(self, now_ms: int) -> bool:
        """Whether nothing in it counts any more."""
        return not self._times or now_ms - self._times[-1] >= self._span_ms


class LoginRate:
    """Who has logged in how often of late; forgets a device when its logins no longer count."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._windows: dict[Hashable, Window] = {}  # the latest login last

    def __len__(self) -> int:
        return len(self._windows)

    def is_exceeded(self, device: Hashable, now_ms: int) -> bool:
        """Whether one more login of the device now would be too many."""
        window = self._windows.get(device)
        return window is not None and window.is_full(now_ms)

    def note(self, device: Hashable, now_ms: int) -> None:
        """Count a login."""
        self._forget(now_ms)
        window = self._windows.pop(device, None)
        if window is None:
            window = Window(self._limits.logins_max, self._limits.logins_window_ms)
        window.note(now_ms)
        self._windows[device] = window

    def _forget(self, now_ms: int) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if not self._windows[oldest].is_over(now_ms):
                return
            del self._windows[oldest]


class Rates:
    """The rates of one connection."""

    __slots__ = ("_budget_bytes", "_limits", "_measured_ms", "_next_publish_ms", "_pings", "_subscribes")

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self._limits = limits
        self._next_publish_ms = now_ms
        self._subscribes = Window(limits.subscribes_per_s, _SECOND_MS)
        self._pings = Window(limits.pings_per_s, _SECOND_MS)
        self._budget_bytes = limits.bytes_per_s
        self._measured_ms = now_ms

    def publish_delay_ms(self, now_ms: int) -> int:
        """Give a publish its turn; returns how long until then."""
        if not self._limits.publishes_per_s:
            return 0
        turn_ms = max(now_ms, self._next_publish_ms)
        self._next_publish_ms = turn_ms + _SECOND_MS // self._limits.publishes_per_s
        return turn_ms - now_ms

    def admits_subscribe(self, now_ms: int) -> bool:
        """Count a subscribe or unsubscribe, unless it is one too many."""
        return not self._limits.subscribes_per_s or _admit(self._subscribes, now_ms)

    def admits_ping(self, now_ms: int) -> bool:
        """Count a ping, unless it is one too many."""
        return not self._limits.pings_per_s or _admit(self._pings, now_ms)

    def read_delay_ms(self, nbytes: int, now_ms: int) -> int:
        """Count what was read; returns how long to read nothing more. One second's bytes may come at once."""
        rate = self._limits.bytes_per_s
        if not rate:
            return 0
        earned = (now_ms - self._measured_ms) * rate // _SECOND_MS
        self._measured_ms = now_ms
        self._budget_bytes = min(rate, self._budget_bytes + earned) - nbytes
        return max(0, -self._budget_bytes * _SECOND_MS // rate)


def _admit(window: Window, now_ms: int) -> bool:
    if window.is_full(now_ms):
        return False
    window.note(now_ms)
    return True
