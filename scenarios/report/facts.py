"""What reports say of a play beyond its result: durations, failures, devices that are not well. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from scenarios.report.durations import Duration, durations, spans_of
from scenarios.report.failures import PLATFORM, Failure, failures
from scenarios.report.jobs import jobs_of_story
from scenarios.results import DeviceStory, PlayResult, StepResult

WELL: Final = frozenset({"success", "none", ""})


class PlayFacts(Struct, frozen=True, kw_only=True):
    """What was worked out from a play's stories. `spans` are sorted milliseconds by measure."""

    spans: dict[str, list[int]]
    durations: tuple[Duration, ...]
    failures: tuple[Failure, ...]
    states: dict[str, int]  # devices by the state of their last job
    unwell: tuple[DeviceStory, ...]


def is_well(device: DeviceStory) -> bool:
    """Whether nothing is to be said about a device."""
    return not device.why and device.state in WELL


def facts_of(play: PlayResult) -> PlayFacts:
    """Work them out."""
    devices = play.story.devices
    jobs = [job for device in devices for job in jobs_of_story(device)]
    spans = spans_of(jobs)
    states = Counter(device.state or "none" for device in devices)
    return PlayFacts(
        spans=spans,
        durations=durations(spans),
        failures=(*failures(jobs), *_untold(devices)),
        states=dict(sorted(states.items())),
        unwell=tuple(device for device in devices if not is_well(device)),
    )


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


def all_steps(play: PlayResult) -> list[StepResult]:
    """Give the steps of a play, those of its parallel blocks and its teardown too."""
    return [one for step in (*play.steps, *play.teardown) for one in (step, *step.parallel)]
