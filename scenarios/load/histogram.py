"""Exact counts of durations in whole microseconds, from which percentiles are read without rounding. Pure.

Locust rounds what it counts to two digits from 100 ms on; a threshold at 300 ms wants better.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

SUMMARY: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
"""The percentiles that reports show."""
_WHOLE: Final = 100.0


class Histogram:
    """How often each duration was seen."""

    __slots__ = ("_counts", "_sorted", "_total_us", "count")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._sorted: list[int] | None = None
        self._total_us = 0
        self.count = 0

    @classmethod
    def from_counts(cls, counts: Mapping[int, int] | Iterable[tuple[int, int]]) -> "Histogram":
        """Make one of microseconds and how often each was seen."""
        made = cls()
        for us, count in counts.items() if isinstance(counts, Mapping) else counts:
            made.add(us, count)
        return made

    def add(self, us: int, count: int = 1) -> None:
        """Count a duration; one below 0 is counted as 0 (two clocks may disagree by that much)."""
        us = max(us, 0)
        known = self._counts.get(us)
        if known is None:
            self._sorted = None
        self._counts[us] = (known or 0) + count
        self._total_us += us * count
        self.count += count

    def merge(self, other: "Histogram") -> None:
        """Take in all that another has counted."""
        for us, count in other.as_dict().items():
            self.add(us, count)

    def percentile(self, share: float) -> int | None:
        """Give the least duration that at least `share` per cent of all are no longer than; None: there are none."""
        if not self.count:
            return None
        if self._sorted is None:
            self._sorted = sorted(self._counts)
        wanted = max(1, math.ceil(self.count * share / _WHOLE - 1e-9))
        for us in self._sorted:
            wanted -= self._counts[us]
            if wanted <= 0:
                return us
        return self._sorted[-1]

    @property
    def mean_us(self) -> float | None:
        """The mean; None: there are none."""
        return self._total_us / self.count if self.count else None

    @property
    def min_us(self) -> int | None:
        """The shortest; None: there are none."""
        return min(self._counts, default=None)

    @property
    def max_us(self) -> int | None:
        """The longest; None: there are none."""
        return max(self._counts, default=None)

    def as_dict(self) -> dict[int, int]:
        """Give the counts by microseconds, in no order."""
        return dict(self._counts)

    def rounded(self, digits: int = 3) -> list[tuple[int, int]]:
        """Give the counts in ascending order, with durations rounded to so many digits: a report's size is bounded."""
        kept: dict[int, int] = {}
        for us, count in self._counts.items():
            step = 10 ** max(0, len(str(us)) - digits)
            near = (us + step // 2) // step * step
            kept[near] = kept.get(near, 0) + count
        return sorted(kept.items())
