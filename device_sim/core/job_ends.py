"""How a job reports, fails, waits for better times, comes to a stop, and ends, wherever it stands.

Source: onenet-protocol, sections 3 to 5; retries are those of the task, which generation A's check passes on.
"""

from typing import Final

from device_sim.core import mishaps
from device_sim.core.effects import Effect, JobEnded, Outcome, PowerLost
from device_sim.core.events import Tick
from device_sim.core.faults import FAILURE_TEXTS
from device_sim.core.mishaps import Failure, Hang, PowerLoss
from device_sim.core.state import Job, Point, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER

TIMED_OUT: Final = 104
DOWNLOAD_FAILED: Final = 107
VERSION_MISMATCH: Final = 204
DIGEST_MISMATCH: Final = 205
UPDATE_FAILED: Final = 206
RETRIES_USED_UP: Final = 207
_UPDATE_SIDE: Final = 200


def tell(state: Talker, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
    """Report a step; a fault may have it told late."""
    if state.plight is not None:
        late_ms = mishaps.lateness(state.plight, step, out)
        if late_ms:
            job.step, job.due_ms = step, now_ms + late_ms
            return
    state.tell_step(job, step, now_ms, out)


def tell_late(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    """Report a step whose time has come."""
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        state.tell_step(job, job.step, now_ms, out)


def is_stopped(state: Talker, job: Job, point: Point, now_ms: int, out: list[Effect]) -> bool:
    """Have a fault or a limit strike here, if there is one; to be asked where there is a plight."""
    assert state.plight is not None, "without a plight nothing strikes"
    failure = mishaps.failure_at(state, job, point, now_ms, out)
    if failure is not None:
        fail_or_hold(state, job, failure, point, now_ms, out)
        return True
    stop = mishaps.stop_at(state.plight, point, out)
    if stop is not None:
        suffer(state, job, stop, point, now_ms, out)
        return True
    return False


def suffer(
    state: Talker, job: Job, stop: Hang | PowerLoss, point: Point, now_ms: int, out: list[Effect]
) -> None:
    """Stop, and go on from that point later."""
    state.stage = Stage.HANGING
    job.point = point
    if isinstance(stop, PowerLoss):
        state.lose_power(stop.for_ms, now_ms, out)
        out.append(PowerLost(stop.for_ms))
        return
    job.due_ms = NEVER if stop.for_ms is None else now_ms + stop.for_ms
    state.freeze(out)


def fail_or_hold(
    state: Talker, job: Job, failure: Failure, point: Point, now_ms: int, out: list[Effect]
) -> None:
    """Wait for the task's next retry where time may mend it and there is one left; else report the failure."""
    step, why, is_mendable = failure
    if is_mendable and job.retries_left:
        job.retries_left -= 1
        job.tries = 0
        job.point = point
        job.reason = why or FAILURE_TEXTS[step]
        state.stage = Stage.HELD
        job.due_ms = now_ms + job.terms.interval_ms
    elif is_mendable and job.terms.retries and step > _UPDATE_SIDE:
        fail(state, job, RETRIES_USED_UP, why or FAILURE_TEXTS[step], now_ms, out)
    else:
        fail(state, job, step, why, now_ms, out)


def fail(state: Talker, job: Job, step: int, why: str, now_ms: int, out: list[Effect]) -> None:
    """Report a failure; the job ends when that is answered."""
    note_failure(job, step, why)
    fail_again(state, job, now_ms, out)


def note_failure(job: Job, step: int, why: str) -> None:
    """Remember what the job fails with."""
    job.due_ms = NEVER
    job.step = step
    job.reason = f"{FAILURE_TEXTS[step]}: {why}" if why else FAILURE_TEXTS[step]


def fail_again(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Report the failure that is known."""
    state.stage = Stage.FAILING
    tell(state, job, job.step, now_ms, out)


def end(state: Talker, job: Job, outcome: Outcome, why: str, now_ms: int, out: list[Effect]) -> None:
    """Leave the job, tell what runs, if that has changed, and see what there is to do next."""
    if state.plight is not None and state.plight.is_changed:
        state.tell_version(now_ms, out)
    if outcome is not Outcome.ENDED:
        state.note_finished(job.kind, job.tid)
    state.last_job = ended = JobEnded(job.tid, outcome, job.step, why)
    state.job = None
    state.stage = Stage.IDLE
    out.append(ended)
    state.job_over(outcome, now_ms, out)


def let_go(state: Talker, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
    """Leave a job that has ended at the platform; no failure is reported."""
    end(state, job, Outcome.ENDED, why, now_ms, out)


def give_up(state: Talker, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
    """Report a download that can't be had; a failure that could not be reported ends the job."""
    if state.stage in {Stage.FAILING, Stage.UPDATED}:
        end(state, job, Outcome.FAILED, why, now_ms, out)
    else:
        fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)
