"""Storms on purpose, let loose when the first devices were told of the task: the connections go in the middle of it.

`half`: the connections of half the devices are cut at one moment. `broker-restart`: the platform's process is killed
and started again on the same ports and data folder. `start`, all connecting at once, is in how the shards start.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from device_sim.shards.messages import Storm
from scenarios.load.fleet.options import HALF
from scenarios.units import show_span

if TYPE_CHECKING:
    from scenarios.load.fleet.run import FleetRun


async def let_storm(run: "FleetRun") -> Callable[[], bool]:
    """Let the ordered storm come; gives what says whether all devices are back from it."""
    if run.options.storm in {"half", "broker-restart"}:
        await run.until(lambda: run.course.seen.counts.informs > 0, "the first device to be told")
    match run.options.storm:
        case "half":
            return _half(run)
        case "broker-restart":
            return await _restart(run)
        case _:
            return lambda: True


def _half(run: "FleetRun") -> Callable[[], bool]:
    course = run.course
    before = course.seen.latencies.count("reconnect")
    run.say("cutting the connections of half the devices")
    run.link.tell(Storm(share=HALF, at_once=True))
    wanted = sum(round(share.devices * HALF) for share in run.plan.shares)
    course.storms.append(f"half: the connections of {wanted:,} devices were cut at once")

    def is_over() -> bool:
        back = course.seen.latencies.count("reconnect") - before
        return back >= wanted <= course.seen.stormed and course.seen.counts.present >= course.devices

    return is_over


async def _restart(run: "FleetRun") -> Callable[[], bool]:
    course = run.course
    before, began = course.seen.latencies.count("reconnect"), time.monotonic()
    run.say("killing the stub, and starting it again")
    await run.platform.restart()
    gone_ms = int((time.monotonic() - began) * 1_000)
    course.storms.append(
        f"broker-restart: the stub was killed and listened again after {show_span(gone_ms)}, "
        f"with {course.devices:,} devices connected"
    )

    def is_over() -> bool:
        back = course.seen.latencies.count("reconnect") - before
        return back >= course.devices and course.seen.counts.present >= course.devices

    return is_over
