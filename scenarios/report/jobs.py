"""A device's story taken apart into its jobs: when each was told of, downloaded, installed, and how it ended. Pure.

Times are milliseconds since the play began; None is what the story does not tell.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from device_sim.recorder import ENDED, JOB, REPORT, STAGE, TOLD
from scenarios.results import DeviceStory, StoryEntry

_ARRIVED: Final = frozenset({"progressing", "downloaded"})  # bytes are there
PLACES: Final = frozenset(
    {
        "checking",
        "fetching",
        "retrying",
        "pausing",
        "progressing",
        "downloaded",
        "installing",
        "rebooting",
        "updated",
    }
)
"""Stages that say how far a job is; the others (failing, held, hanging, returning) leave it where it was."""
_REPORTED_BYTES: Final = range(1, 102)  # 1-100 per cent, 101: downloaded


class JobStory(Struct, kw_only=True):
    """One job as its device saw it. `stage` is how far it came, and `outcome` is empty while it is open."""

    tid: int
    told_ms: int | None = None
    began_ms: int
    asked_ms: int | None = None  # for the first range
    first_ms: int | None = None  # bytes are there
    downloaded_ms: int | None = None
    install_ms: int | None = None
    updated_ms: int | None = None
    ended_ms: int | None = None
    stage: str = ""
    step: int = 0
    outcome: str = ""
    reason: str = ""


def jobs_of_story(device: DeviceStory) -> Iterator[JobStory]:
    """Give the jobs in a story, in the order in which they were taken up."""
    told: dict[int, int] = {}
    job: JobStory | None = None
    for entry in device.entries:
        if entry.what == TOLD:
            told.setdefault(entry.tid, entry.ms)
        elif entry.what == JOB:
            if job is not None:
                yield job
            told_ms = told.pop(entry.tid, None)
            nameless_ms = told.pop(0, None)  # over HTTP a device is told only that there is something
            job = JobStory(
                tid=entry.tid, told_ms=nameless_ms if told_ms is None else told_ms, began_ms=entry.ms
            )
        elif job is not None and entry.what == ENDED:
            _end(job, entry)
            yield job
            job = None
        elif job is not None:
            _go_on(job, entry)
    if job is not None:
        yield job


def _go_on(job: JobStory, entry: StoryEntry) -> None:
    ms = entry.ms
    if entry.what == REPORT and entry.step in _REPORTED_BYTES:
        job.first_ms = ms if job.first_ms is None else job.first_ms
    if entry.what != STAGE:
        return
    stage = entry.text
    if stage in PLACES:
        job.stage = stage
    if stage == "fetching" and job.asked_ms is None:
        job.asked_ms = ms
    if stage in _ARRIVED and job.first_ms is None:
        job.first_ms = ms
    if stage == "downloaded":
        job.downloaded_ms = ms
    elif stage == "installing" and job.install_ms is None:
        job.install_ms = ms
    elif stage == "updated":
        job.updated_ms = ms


def _end(job: JobStory, entry: StoryEntry) -> None:
    job.ended_ms = entry.ms
    job.step = entry.step
    job.outcome, _, job.reason = (part.strip() for part in entry.text.partition(":"))
