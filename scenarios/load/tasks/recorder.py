"""What happens in one Locust process, counted exactly until it is told on: durations, errors, totals. Pure.

Seconds count from when counting began; what was begun before, in the warm-up, is not counted but in the totals.
"""

from collections import Counter
from typing import Final

from scenarios.load.tasks.wire import Sample, Totals

WHAT_MAX: Final = 160


class Recorder:
    """Counts. `open_at` and `counts_from` are moments of the caller's clock in seconds."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._counts: dict[tuple[int, str], Counter[int]] = {}
        self._errors: dict[tuple[int, str], Counter[str]] = {}
        self._firsts: dict[str, str] = {}
        self.counts_from: float | None = None

    def start(self, counts_from: float) -> None:
        """Forget what there was, and count from a moment on."""
        self.__init__()  # type: ignore[misc] # as new
        self.counts_from = counts_from

    def took(self, name: str, us: int, began: float, ended: float) -> None:
        """Count a duration."""
        key = self._key(name, began, ended)
        if key is not None:
            self._counts.setdefault(key, Counter())[max(us, 0)] += 1

    def failed(self, name: str, kind: str, what: str, began: float, ended: float) -> None:
        """Count an error; those of a kind are shown as the first of them was."""
        key = self._key(name, began, ended)
        if key is not None:
            first = self._firsts.setdefault(kind, what[:WHAT_MAX])
            self._errors.setdefault(key, Counter())[first] += 1

    def drain(self) -> list[Sample]:
        """Give what was counted since the last time, by the second."""
        keys = sorted({*self._counts, *self._errors})
        samples = [
            Sample(
                second=second,
                name=name,
                counts=dict(self._counts.get((second, name), {})),
                errors=dict(self._errors.get((second, name), {})),
            )
            for second, name in keys
        ]
        self._counts, self._errors = {}, {}
        return samples

    def absorb(self, samples: list[Sample]) -> None:
        """Take in what another process has counted; its totals are the caller's to add."""
        for sample in samples:
            key = (sample.second, sample.name)
            if sample.counts:
                self._counts.setdefault(key, Counter()).update(sample.counts)
            if sample.errors:
                self._errors.setdefault(key, Counter()).update(sample.errors)

    def _key(self, name: str, began: float, ended: float) -> tuple[int, str] | None:
        if self.counts_from is None or began < self.counts_from:
            return None
        return int(ended - self.counts_from), name
