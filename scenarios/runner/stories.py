"""What happened to each device of a play, for reports: by the crew's recorder, and by what the platform said last."""

from collections.abc import Iterator
from typing import Final

from scenarios.results import DeviceStory, StoryEntry
from scenarios.runner.crew import Crew
from scenarios.runner.roster import Member, Roster

NO_JOB: Final = "none"
PRESENT: Final = "present"


def stories(roster: Roster, crew: Crew) -> tuple[DeviceStory, ...]:
    """Tell of all devices, in the order in which they came."""
    fleets: dict[int, str] = {}
    for name, device_ids in roster.listed.items():
        for device_id in device_ids:
            fleets.setdefault(device_id, name)
    states: dict[int, str] = {}
    for of_task in roster.states.values():
        states.update(of_task)
    return tuple(_tell(roster, crew, fleets, states))


def _tell(
    roster: Roster, crew: Crew, fleets: dict[int, str], states: dict[int, str]
) -> Iterator[DeviceStory]:
    recorder = crew.recorder
    for device_id, member in roster.members.items():
        view = crew.view(device_id)
        state = states.get(device_id, NO_JOB)
        yield DeviceStory(
            device_id=device_id,
            name=member.name,
            fleet=fleets.get(device_id, ""),
            flow=member.flow,
            f_version=(member.f_version or "") if view is None else view.f_version or "",
            s_version=(member.s_version or "") if view is None else view.s_version or "",
            state=state,
            stage="not there" if view is None else str(view.stage),
            why="" if state == "success" else _why(crew, device_id, member, state),
            entries=tuple(
                StoryEntry(ms=each.at_ms, what=each.what, tid=each.tid, step=each.step, text=each.text)
                for each in recorder.story(device_id)
            ),
            is_cut=recorder.is_cut(device_id),
        )


def _why(crew: Crew, device_id: int, member: Member, state: str) -> str:
    """Say why a device is where it is; nothing of one that is where it should be and has nothing to do."""
    view = crew.view(device_id)
    if member.terminated:
        return "" if state == NO_JOB else "it was terminated"
    if not member.connect:
        return "" if state == NO_JOB else "it does not connect in this scenario"
    if view is not None and view.link == PRESENT and state == NO_JOB:
        return ""
    return crew.describe(device_id)
