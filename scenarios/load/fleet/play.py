"""A load of devices from its plan to its result: the far end is opened, the run played, the charging rules audited.

The plan is made, and said, before anything starts; a fleet that does not fit this machine is refused then.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from device_sim.shards.limits import read_limits
from platform_stub.protocol.errors import EnvironmentFault
from scenarios.load.far_end import FarEnd
from scenarios.load.fleet.audit import audit_of
from scenarios.load.fleet.course import Course
from scenarios.load.fleet.far_platform import Platform
from scenarios.load.fleet.options import FleetOptions
from scenarios.load.fleet.outcome import result_of
from scenarios.load.fleet.room import plan_devices, room_for
from scenarios.load.fleet.run import FleetRun, RunBrokenError
from scenarios.load.fleet.shards_seen import ABOUTS
from scenarios.load.live import showing
from scenarios.load.locust_process import check_locust
from scenarios.load.result import Audit, LoadResult
from scenarios.load.thresholds import show_us
from scenarios.operator import HttpOperator

SETUP_S: Final = 120.0
"""How long a call of the operator may take: a task for as many devices as there are is one."""
BAR: Final = " | "


async def play_fleet(
    options: FleetOptions,
    far_end: AbstractAsyncContextManager[FarEnd],
    *,
    is_ours: bool,
    stub_here: bool,
    mqtt_host: str,
    say: Callable[[str], None],
    command: str,
) -> LoadResult:
    """Play it. Cancelled, it ends in seconds, with the result so far.

    `is_ours`: the far end is a stub that this starts; `stub_here`: it is a stub on this machine, started or not, under
    the same limits as the devices. EnvironmentFault: the devices do not fit, or the far end is not
    there; UsageFault: what was asked for can't be.
    """
    check_locust()
    limits = read_limits()
    plan = plan_devices(options.devices, options.processes, limits, stub_here=stub_here, mqtt_host=mqtt_host)
    room = room_for(options.processes, limits, stub_here=stub_here, mqtt_host=mqtt_host)
    say(f"{plan.text}; {room.text}")
    course = Course(options.devices, plan.processes, limits.cores)
    course.is_platform_ours = is_ours
    audit = Audit(audited=False, how="the run did not come so far")
    target = ""
    async with contextlib.AsyncExitStack() as stack:
        try:
            far = await stack.enter_async_context(far_end)
            target = far.name
            course.predicts = not far.is_gateway
            course.notes += far.notes
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ota-sim-fleet-")))
            platform = await stack.enter_async_context(Platform(far, course.platform))
            at = platform.mqtt
            say(f"{far.name}: HTTP {far.http[0]}:{far.http[1]}, MQTT {at[0]}:{at[1]}")
            async with HttpOperator(far.http_url, SETUP_S) as operator, showing(lambda: live_lines(course)):
                run = FleetRun(options, plan, platform, operator, course, folder)
                await _played(run.play(), course)
                course.doing = "auditing"
                audit = await audit_of(far, operator, course)
        except asyncio.CancelledError:
            course.is_interrupted = True
        return result_of(
            course, options, plan, target=target or "no platform", room=room, audit=audit, command=command
        )


async def _played(play: Awaitable[None], course: Course) -> None:
    """Play it as far as it goes; what stands in the way once it has begun is the run's own trouble."""
    try:
        await play
    except RunBrokenError:
        pass
    except EnvironmentFault as exc:
        course.trouble.append(str(exc))
    except asyncio.CancelledError:
        course.is_interrupted = True
        _uncancel()


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def live_lines(course: Course) -> Sequence[str]:
    """Say where a run is: a line, and one for each thing that is measured."""
    now, devices = course.seen.counts, course.devices
    parts = [
        f"{course.age_s:.0f} s",
        course.doing,
        f"{now.present:,} of {devices:,} in",
        f"{now.jobs_succeeded:,} updated",
    ]
    if now.jobs_failed:
        parts.append(f"{now.jobs_failed:,} failed")
    if now.reconnects or now.connect_failures:
        parts.append(f"{now.reconnects:,} links lost, {now.connect_failures:,} attempts in vain")
    lines = [BAR.join(parts)]
    for name in ABOUTS:
        track = course.seen.latencies.tracks.get(name)
        if track is not None and track.all.count:
            shown = [f"{word} {show_us(track.all.percentile(share) or 0)}" for word, share in _SHOWN]
            lines.append(f"  {name:<10}{track.all.count:>9,}  {'  '.join(shown)}")
    return lines


_SHOWN: Final = (("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0))
