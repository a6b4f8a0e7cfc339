"""Counts of a load run while it goes on: durations and errors by name, as a whole and by the second. Pure.

What comes late, from another process, is counted in the oldest second that is still open.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from scenarios.load.histogram import Histogram
from scenarios.load.result import ErrorCount, Measurement, Percentiles, Point
from scenarios.load.thresholds import Seen

OPEN_SECONDS: Final = 5
"""So many seconds are kept open; older ones are summed up as a point."""
WHATS_MAX: Final = 50
"""So many kinds of errors are told apart for a name; further ones are counted together."""
OTHERS: Final = "other errors"


class Track:
    """One name's counts."""

    def __init__(self) -> None:
        self.all = Histogram()
        self.errors = 0
        self._seconds: dict[int, tuple[Histogram, list[int]]] = {}
        self._points: list[Point] = []
        self._closed = -1  # the last second that is summed up

    def take(self, counts: Mapping[int, int], errors: int, at_s: float) -> None:
        """Count what ended at `at_s` seconds from the start."""
        if not counts and not errors:
            return
        second = max(int(at_s), self._closed + 1)
        durations, failed = self._seconds.setdefault(second, (Histogram(), [0]))
        for us, count in counts.items():
            self.all.add(us, count)
            durations.add(us, count)
        failed[0] += errors
        self.errors += errors
        while len(self._seconds) > OPEN_SECONDS:
            self._close(min(self._seconds))

    def points(self) -> tuple[Point, ...]:
        """Give all seconds in which something ended, the open ones as they are."""
        return (*self._points, *(_point(second, *self._seconds[second]) for second in sorted(self._seconds)))

    def last(self) -> Point | None:
        """Give the newest second that has been whole, or the only one there is."""
        points = self.points()
        return points[-2] if len(points) > 1 else points[-1] if points else None

    def _close(self, second: int) -> None:
        self._points.append(_point(second, *self._seconds.pop(second)))
        self._closed = second


class Tally:
    """All names' counts."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self._whats: dict[str, Counter[str]] = {}

    def take(
        self, name: str, counts: Mapping[int, int], at_s: float, errors: Mapping[str, int] | None = None
    ) -> None:
        """Count durations (µs: how often) and errors (what: how often) of a name."""
        track = self.tracks.setdefault(name, Track())
        track.take(counts, sum((errors or {}).values()), at_s)
        for what, count in (errors or {}).items():
            known = self._whats.setdefault(name, Counter())
            known[what if what in known or len(known) < WHATS_MAX else OTHERS] += count

    def count(self, name: str) -> int:
        """Give how many of a name went well."""
        return self.tracks[name].all.count if name in self.tracks else 0

    def errors_of(self, name: str) -> int:
        """Give how many of a name went wrong."""
        return self.tracks[name].errors if name in self.tracks else 0

    def seen(self, seconds: float) -> dict[str, Seen]:
        """Give what thresholds are held against; rates are over `seconds`."""
        return {
            name: Seen(durations=track.all, errors=track.errors, rate=_rate(track.all.count, seconds))
            for name, track in self.tracks.items()
        }

    def measurements(
        self, seconds: float, abouts: Mapping[str, str] | None = None
    ) -> tuple[Measurement, ...]:
        """Give the measurements in the order of `abouts`, which says what each is; others as they were first seen."""
        abouts = abouts or {}
        names = [name for name in abouts if name in self.tracks]
        names += [name for name in self.tracks if name not in abouts]
        return tuple(
            measurement_of(
                name,
                self.tracks[name].all,
                errors=self.tracks[name].errors,
                seconds=seconds,
                about=abouts.get(name, ""),
                points=self.tracks[name].points(),
            )
            for name in names
        )

    def error_counts(self) -> tuple[ErrorCount, ...]:
        """Give the errors, the most frequent of each name first."""
        return tuple(
            ErrorCount(name=name, what=what, count=count)
            for name, whats in self._whats.items()
            for what, count in whats.most_common()
        )


def measurement_of(
    name: str,
    durations: Histogram,
    *,
    errors: int = 0,
    seconds: float,
    about: str = "",
    points: tuple[Point, ...] = (),
) -> Measurement:
    """Sum up a histogram."""
    return Measurement(
        name=name,
        about=about,
        count=durations.count,
        errors=errors,
        rate=round(_rate(durations.count, seconds), 3),
        percentiles=percentiles_of(durations),
        histogram=tuple(durations.rounded()),
        points=points,
    )


def percentiles_of(durations: Histogram) -> Percentiles:
    """Read what is shown of a histogram."""
    mean = durations.mean_us
    return Percentiles(
        mean_us=None if mean is None else round(mean, 1),
        min_us=durations.min_us,
        p50_us=durations.percentile(50),
        p90_us=durations.percentile(90),
        p95_us=durations.percentile(95),
        p99_us=durations.percentile(99),
        p999_us=durations.percentile(99.9),
        max_us=durations.max_us,
    )


def _point(second: int, durations: Histogram, errors: list[int]) -> Point:
    return Point(
        second=second,
        count=durations.count,
        errors=errors[0],
        p50_us=durations.percentile(50),
        p95_us=durations.percentile(95),
        p99_us=durations.percentile(99),
    )


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
