"""The run as JSON: everything that is known of it, in the shape of `document`, which is kept from version to version.

Of devices those that are not well are in it with all that happened to them; the page has every one.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import structs

from scenarios.report.document import Report, ReportedPlay
from scenarios.report.facts import facts_of
from scenarios.results import DeviceStory, PlayResult, RunResult, Story
from scenarios.show.wording import again_text

DEVICES_MAX: Final = 500
"""So many devices of a play are told of at most, the first that are not well; `devices_left_out` counts the others."""
ENTRIES_MAX: Final = 20_000
"""So many entries their stories have together; with more, each has its share, the newest."""


def make_json(run: RunResult) -> bytes:
    """Make the document, readable and with a line feed at its end."""
    report = Report(
        version=run.version,
        verdict="stopped" if run.interrupted else "passed" if run.exit_code == 0 else "failed",
        exit_code=run.exit_code,
        seconds=round(run.seconds, 3),
        plays=tuple(map(_play, run.plays)),
    )
    document = msgspec.to_builtins(report)
    for play in document["plays"]:
        _tidy([*play["steps"], *play["teardown"]])
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _play(play: PlayResult) -> ReportedPlay:
    facts = facts_of(play)
    samples = tuple(
        structs.replace(sample, seconds=round(sample.seconds, 3)) for sample in play.story.samples
    )
    known = {name: getattr(play, name) for name in play.__struct_fields__}
    known |= {
        "seconds": round(play.seconds, 3),
        "story": Story(samples=samples, devices=_told_of(facts.unwell)),
    }
    return ReportedPlay(
        **known,
        again=again_text(play),
        durations=facts.durations,
        failures=facts.failures,
        devices_by_state=facts.states,
        devices_left_out=max(0, len(facts.unwell) - DEVICES_MAX),
    )


def _told_of(unwell: Sequence[DeviceStory]) -> tuple[DeviceStory, ...]:
    devices = tuple(unwell[:DEVICES_MAX])
    if sum(len(device.entries) for device in devices) <= ENTRIES_MAX:
        return devices
    most = ENTRIES_MAX // len(devices)
    return tuple(
        structs.replace(
            device, entries=device.entries[-most:], is_cut=device.is_cut or len(device.entries) > most
        )
        for device in devices
    )


def _tidy(steps: list[dict[str, Any]]) -> None:
    """Leave out what was not seen, and digits that nobody reads."""
    for step in steps:
        step["seconds"], step["began"] = round(step["seconds"], 4), round(step["began"], 4)
        step["seen"] = {name: value for name, value in step["seen"].items() if value not in (None, "")}
        _tidy(step["parallel"])
