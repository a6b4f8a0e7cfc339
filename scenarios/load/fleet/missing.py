"""Which devices are missing, and why.

Those that are not in are named by their shards, those that were not updated exactly once by the platform.
"""

from typing import TYPE_CHECKING

import msgspec

from device_sim.errors import Behind
from scenarios.load.fleet.course import NAMED_MAX, Course, some
from scenarios.show.wording import counted

if TYPE_CHECKING:
    from scenarios.load.fleet.run import FleetRun


async def who_is_out(run: "FleetRun") -> None:
    """Ask the shards who is not in; the course's `missing` names the first."""
    await _ask(run, "ready", "not in")


async def who_is_busy(run: "FleetRun") -> None:
    """Ask the shards whose job is not done."""
    await _ask(run, "idle", "not done")


async def _ask(run: "FleetRun", method: str, what: str) -> None:
    """Put a call that answers who is behind to each shard, and word the answers as one."""
    answers = await run.ask(method, b"[0.0]")
    behind = [
        found for each in answers if (found := msgspec.json.decode(each, type=Behind | None)) is not None
    ]
    if behind:
        count = sum(each.count for each in behind)
        first = [text for each in behind for text in each.first]
        more = "; ..." if count > NAMED_MAX else ""
        run.course.missing.append(
            f"{count:,} of {run.course.devices:,} devices are {what}: {'; '.join(first[:NAMED_MAX])}{more}"
        )


def missing_devices(course: Course) -> int:
    """Count the devices that were not updated exactly once, as far as is known."""
    if course.aftermath is None:
        done = min(course.seen.counts.jobs_succeeded, course.devices)
        return course.devices - done
    after = course.aftermath
    return len({*after.unfinished, *after.jobless, *after.outdated})


def judge_aftermath(course: Course) -> None:
    """Word what the platform says of devices that were not updated exactly once."""
    assert course.aftermath is not None
    after = course.aftermath
    if after.unfinished:
        first = some([f"device {device_id} ({state})" for device_id, state in after.unfinished.items()])
        course.missing.append(f"{counted(len(after.unfinished), 'job')} did not succeed: {first}")
    for ids, what in ((after.jobless, "without a job"), (after.outdated, "not at the new version")):
        if ids:
            first = some([str(each) for each in ids])
            course.missing.append(f"{counted(len(ids), 'device')} {what}: {first}")
    twice = course.seen.counts.jobs_succeeded - course.devices
    if twice > 0:
        course.failures.append(f"devices did {twice:,} jobs more than there were: some were updated twice")
    if not course.predicts:
        return
    if after.deducted != course.devices:
        course.failures.append(
            f"the task deducted {after.deducted:,} licences for {course.devices:,} devices"
        )
    if after.licences.left:
        course.failures.append(
            f"{after.licences.left:,} licences are left, and each device needed one of them"
        )
