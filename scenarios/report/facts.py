"""What reports say of a play beyond its result: durations, failures, devices that are not well. Pure."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from scenarios.report.durations import Duration, durations, spans_of
from scenarios.report.failures import PLATFORM, Failure, failures
from scenarios.report.jobs import JobStory, jobs_of_story
from scenarios.results import DeviceStory, PlayResult


class PlayFacts(Struct, frozen=True, kw_only=True):
    """What was worked out from a play's stories. `spans` are sorted milliseconds by measure."""

    spans: dict[str, list[int]]
    durations: tuple[Duration, ...]
    failures: tuple[Failure, ...]
    states: dict[str, int]  # devices by the state of their last job
    unwell: tuple[DeviceStory, ...]


def facts_of(play: PlayResult) -> PlayFacts:
    """Work them out."""
    devices = play.story.devices
    jobs = [job for device in devices for job in jobs_of_story(device)]
    spans = spans_of(jobs)
    states = Counter(device.state or "none" for device in devices)
    return PlayFacts(
        spans=spans,
        durations=durations(spans),
        failures=_all_failures(play, jobs),
        states=dict(sorted(states.items())),
        unwell=tuple(device for device in devices if not device.is_well),
    )


def _all_failures(play: PlayResult, jobs: Sequence[JobStory]) -> tuple[Failure, ...]:
    """Give what devices tell, and what the platform alone knows: also of jobs that a later one has replaced."""
    found = (*failures(jobs), *_untold(play.story.devices))
    samples = play.story.samples
    failed = samples[-1].jobs.get("failed", 0) if samples else 0
    rest = failed - sum(failure.jobs for failure in found)
    if rest <= 0:
        return found
    reason = "expired while the device hung, was silent or away; see the timelines"
    return (*found, Failure(stage=PLATFORM, step=0, reason=reason, jobs=rest))


def _untold(devices: Sequence[DeviceStory]) -> tuple[Failure, ...]:
    """Count the devices whose last job the platform calls failed, while they tell of no job that failed."""
    reasons = Counter(
        device.why
        for device in devices
        if device.state == "failed" and not any(job.outcome == "failed" for job in jobs_of_story(device))
    )
    return tuple(
        Failure(stage=PLATFORM, step=0, reason=reason, jobs=count)
        for reason, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    )
