"""What a loss of power leaves: what is in the flash.

Slots and versions are, and the last jobs that were done; of the job under way a record, and the download up to the
last flush (`World.flush_bytes`). With nothing flushed the job is gone, and is begun anew when it is told again.
"""

from collections.abc import Mapping
from types import MappingProxyType

from device_sim.core import slots
from device_sim.core.state import Kept, Point, Stage, State
from device_sim.core.wheel import NEVER

POINT_AT: Mapping[Stage, Point] = MappingProxyType(
    {
        Stage.CHECKING: Point.TOLD,
        Stage.FETCHING: Point.DOWNLOAD,
        Stage.RETRYING: Point.DOWNLOAD,
        Stage.PROGRESSING: Point.DOWNLOAD,
        Stage.PAUSING: Point.DOWNLOAD,
        Stage.DOWNLOADED: Point.DOWNLOADED,
        Stage.INSTALLING: Point.INSTALL,
        Stage.REBOOTING: Point.REBOOT,
        Stage.UPDATED: Point.UPDATED,
        Stage.FAILING: Point.FAILED,
    }
)
"""Where a job goes on that was in this stage; the other stages know by `Job.point`."""


def keep(state: State) -> None:
    """Lose what is not in the flash."""
    job, stage = state.job, state.stage
    state.job, state.stage = None, Stage.IDLE
    if state.plight is not None:
        state.plight.first_answer = None
    if job is None:
        return
    point = POINT_AT.get(stage, job.point)
    if stage is Stage.INSTALLING or (stage is Stage.HANGING and point is Point.INSTALL):
        slots.break_off(state, job)
    if not state.profile.world.flush_bytes:
        return
    if point is Point.DOWNLOAD:
        job.download.rewind()
    job.due_ms, job.tries = NEVER, 0
    state.kept = Kept(job, point)
