"""What an item says of itself: the run's table, and, when it failed, what was expected and what was seen."""

from collections.abc import Iterator
from typing import Final

from platform_stub.protocol.errors import OtaSimError
from scenarios.results import DeviceStory, PlayResult
from scenarios.session.errors import audit_text, step_text
from scenarios.show.table import foot_lines, head_lines, layout_for, step_lines
from scenarios.show.wording import again_text

WIDTH: Final = 100


class PlayFailed(OtaSimError, AssertionError):
    """A scenario, or a step of it, is not as it must be; the text says all of it."""


def play_text(result: PlayResult) -> str:
    """Word a play that failed, broke down or was stopped; its first line is the first thing that is wrong."""
    return "\n".join(_play_lines(result))


def _play_lines(result: PlayResult) -> Iterator[str]:
    if result.verdict != "failed" or (result.reason and not result.failed_steps):
        yield f"{result.name} {result.verdict}: {result.reason}"
    for step in result.failed_steps:
        yield step_text(step, unwell(result.story.devices) if step is result.failed_steps[0] else ())
    if result.audit is not None and not result.audit.ok:
        yield audit_text(result.audit)
    if result.evidence:
        yield f"evidence: {result.evidence}"
    yield f"again: {again_text(result)}"


def unwell(devices: tuple[DeviceStory, ...]) -> list[str]:
    """Say of each device that is not where it should be, where it is and why."""
    return [
        f"{device.name} (device {device.device_id}): {device.state}; {device.why}"
        for device in devices
        if not device.is_well and device.state != "cancelled" and device.why
    ]


def table_text(result: PlayResult) -> str:
    """Draw a play as `ota-sim run` shows it."""
    steps = (*result.steps, *result.teardown)
    layout = layout_for(WIDTH, [step.id for step in steps], result.devices, symbols=True)
    lines = [*head_lines(result.name, result.title, result, layout)]
    lines += [line for step in steps for line in step_lines(step, layout)]
    lines += foot_lines(result, layout)
    return "\n".join(line.plain.rstrip() for line in lines)


def facts_of(result: PlayResult) -> dict[str, object]:
    """Give what a JUnit file says of a play, as properties of its testcase."""
    return {
        "ota.scenario": result.scenario,
        "ota.variant": result.variant,
        "ota.seed": result.seed,
        "ota.covers": " ".join(result.covers),
        "ota.evidence": result.evidence,
    }
