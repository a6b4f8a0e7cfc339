"""What a job does in each stage: every pair of stage and event that is a move.

The moves themselves are in `downloading`, `installing` and `job_ends`. Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from device_sim.core import downloading, installing, job_ends, mishaps
from device_sim.core.downloading import suspend
from device_sim.core.effects import Effect, JobStarted
from device_sim.core.events import Answered, Chunk, Fetched, FetchFailed, LinkUp, Tick
from device_sim.core.job_ends import give_up, let_go
from device_sim.core.replied import Replied
from device_sim.core.state import Job, Point, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER

__all__ = ["JOB_MOVES", "Replied", "begin", "give_up", "let_go", "move_job", "restore", "suspend"]

_GO_ON: Final[Mapping[Point, Callable[[Talker, Job, int, list[Effect]], None]]] = MappingProxyType(
    {
        Point.TOLD: downloading.told,
        Point.DOWNLOAD: downloading.go_on,
        Point.DOWNLOADED: downloading.downloaded,
        Point.INSTALL: installing.install,
        Point.REBOOT: installing.reboot,
        Point.UPDATED: installing.updated,
        Point.FAILED: job_ends.fail_again,
    }
)


def begin(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Take up a job; none is under way."""
    state.job = job
    out.append(JobStarted(job.tid))
    if state.plight is not None:
        mishaps.begin_job(state, state.plight, job, out)
    downloading.told(state, job, now_ms, out)


def restore(state: Talker, now_ms: int, out: list[Effect]) -> None:
    """Take up the job that was in the flash, the power being back; where it was booting, it boots."""
    kept, state.kept = state.kept, None
    if kept is None:
        return
    state.job = kept.job
    kept.job.point = kept.point
    if kept.point is Point.REBOOT:
        installing.reboot(state, kept.job, now_ms, out)
    else:
        state.stage = Stage.RETURNING


def _in_touch(state: Talker, job: Job, _: LinkUp, now_ms: int, out: list[Effect]) -> None:
    _GO_ON[job.point](state, job, now_ms, out)


def _hold_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        _GO_ON[job.point](state, job, now_ms, out)


def _hang_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        state.thaw(now_ms, out)
        _GO_ON[job.point](state, job, now_ms, out)


JobEvent = Answered | Chunk | Fetched | FetchFailed | Tick | LinkUp | Replied


def move_job(state: Talker, event: JobEvent, now_ms: int, out: list[Effect]) -> None:
    """Let the job have an event, if there is a move for it."""
    move = _move_at((state.stage, type(event)))
    if move is not None:
        assert state.job is not None, "a stage other than IDLE has a job"
        move(state, state.job, event, now_ms, out)


JOB_MOVES: Mapping[tuple[Stage, type], Callable[..., None]] = MappingProxyType(
    {
        (Stage.CHECKING, Replied): downloading.after_check,
        (Stage.FETCHING, Answered): downloading.answered,
        (Stage.FETCHING, Chunk): downloading.chunk,
        (Stage.FETCHING, Fetched): downloading.fetched,
        (Stage.FETCHING, FetchFailed): downloading.fetch_failed,
        (Stage.RETRYING, Tick): downloading.fetch_due,
        (Stage.PAUSING, Tick): downloading.fetch_due,
        (Stage.PROGRESSING, Tick): job_ends.tell_late,
        (Stage.PROGRESSING, Replied): downloading.after_progress,
        (Stage.DOWNLOADED, Tick): job_ends.tell_late,
        (Stage.DOWNLOADED, Replied): downloading.after_downloaded,
        (Stage.INSTALLING, Tick): installing.install_due,
        (Stage.REBOOTING, Tick): installing.boot_due,
        (Stage.UPDATED, Tick): job_ends.tell_late,
        (Stage.UPDATED, Replied): installing.after_updated,
        (Stage.FAILING, Tick): job_ends.tell_late,
        (Stage.FAILING, Replied): installing.after_failing,
        (Stage.HELD, Tick): _hold_due,
        (Stage.HANGING, Tick): _hang_due,
        (Stage.RETURNING, LinkUp): _in_touch,
    }
)
_move_at: Final = JOB_MOVES.get
