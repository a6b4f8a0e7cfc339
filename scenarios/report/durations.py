"""How long jobs took, stage by stage, in milliseconds of the run's time. Pure.

Only what was seen from its beginning to its end counts: a download that was cut off for good has no duration.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from scenarios.report.jobs import JobStory

MEASURES: Final[Mapping[str, str]] = {
    "first_byte": "told of the job to first bytes there",
    "download": "first range asked for to download complete",
    "install": "install begun to new version reported",
    "whole": "told of the job to success",
}
"""What is measured, in the order in which it happens."""


class Duration(Struct, frozen=True, kw_only=True):
    """How long something took: so many jobs, and the time within which half, 95 % and 99 % of them and all did it."""

    what: str
    jobs: int
    p50_ms: int
    p95_ms: int
    p99_ms: int
    max_ms: int


def spans_of(jobs: Iterable[JobStory]) -> dict[str, list[int]]:
    """Give, for each measure, the durations of the jobs that have it, the shortest first."""
    spans: dict[str, list[int]] = {name: [] for name in MEASURES}
    for job in jobs:
        told_ms = job.began_ms if job.told_ms is None else job.told_ms
        asked_ms = job.began_ms if job.asked_ms is None else job.asked_ms
        ends = {
            "first_byte": (told_ms, job.first_ms),
            "download": (asked_ms, job.downloaded_ms),
            "install": (job.install_ms, job.updated_ms),
            "whole": (told_ms, job.ended_ms if job.outcome == "succeeded" else None),
        }
        for name, (start_ms, end_ms) in ends.items():
            if start_ms is not None and end_ms is not None:
                spans[name].append(max(0, end_ms - start_ms))
    for lengths in spans.values():
        lengths.sort()
    return spans


def durations(spans: Mapping[str, Sequence[int]]) -> tuple[Duration, ...]:
    """Sum up what `spans_of` found; a measure that no job has is left out."""
    return tuple(
        Duration(
            what=name,
            jobs=len(lengths),
            p50_ms=quantile(lengths, 50),
            p95_ms=quantile(lengths, 95),
            p99_ms=quantile(lengths, 99),
            max_ms=lengths[-1],
        )
        for name, lengths in spans.items()
        if lengths
    )


def quantile(lengths: Sequence[int], percent: int) -> int:
    """Give the length within which so many per cent of them are, one that occurred; they are sorted and some."""
    return lengths[max(0, -(-len(lengths) * percent // 100) - 1)]
