"""Where jobs failed: counted by stage, step and reason. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from scenarios.report.jobs import JobStory

_STAGES: Final = {
    "": "before the download",
    "checking": "before the download",
    "fetching": "download",
    "retrying": "download",
    "pausing": "download",
    "progressing": "download",
    "downloaded": "downloaded",
    "installing": "install",
    "rebooting": "reboot",
    "updated": "after the update",
}
PLATFORM: Final = "no device said so"
"""The stage of a failure that the platform alone knows, as at a job's expiry."""


class Failure(Struct, frozen=True, kw_only=True):
    """So many jobs failed at this stage, with this step (0: none was reported) and for this reason."""

    stage: str
    step: int
    reason: str
    jobs: int


def failures(jobs: Iterable[JobStory]) -> tuple[Failure, ...]:
    """Count the failed jobs of devices' stories, the most frequent first."""
    counts = Counter((stage_text(job.stage), job.step, job.reason) for job in jobs if job.outcome == "failed")
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(
        Failure(stage=stage, step=step, reason=reason, jobs=count) for (stage, step, reason), count in ranked
    )


def stage_text(stage: str) -> str:
    """Spell where a job stood."""
    return _STAGES.get(stage, stage.replace("_", " "))
