"""A job from the install to its success: writing, booting, rolling back, and telling 201.

Source: onenet-protocol, section 5; where software goes is in `slots`.
"""

from device_sim.core import mishaps, slots
from device_sim.core.answers import Answer
from device_sim.core.draw import Purpose, draw_below
from device_sim.core.effects import Effect, Outcome, Struck
from device_sim.core.events import Tick
from device_sim.core.faults import Strike
from device_sim.core.job_ends import (
    RETRIES_USED_UP,
    UPDATE_FAILED,
    VERSION_MISMATCH,
    end,
    fail,
    fail_again,
    is_stopped,
    note_failure,
    tell,
)
from device_sim.core.plight import Plight
from device_sim.core.replied import Replied
from device_sim.core.state import Job, Link, Point, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER
from device_sim.core.world import Span
from platform_stub.protocol.codes import STEP_DOWNLOADED, STEP_UPDATED

_TICK = Tick()


def install(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Begin to write what was downloaded."""
    if state.plight is not None and is_stopped(state, job, Point.INSTALL, now_ms, out):
        return
    state.stage = Stage.INSTALLING
    span = state.profile.world.install
    taken_ms = state.profile.install_ms if span is None else _drawn(state, span, Purpose.INSTALL)
    job.due_ms = now_ms + taken_ms
    install_due(state, job, _TICK, now_ms, out)


def install_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    """Boot what was written, once it is."""
    if job.due_ms > now_ms:
        return
    job.due_ms = NEVER
    slots.write(state, job)
    if state.plight is None:
        _begin_boot(state, job, now_ms, out)
        return
    failure = mishaps.chosen_failure(state.plight, Strike.AFTER_INSTALL, out)
    if failure is None:
        reboot(state, job, now_ms, out)
    else:
        fail(state, job, failure.step, "", now_ms, out)


def reboot(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Go offline and boot; a device whose reboot takes no time at all stays in touch."""
    if state.plight is None or not is_stopped(state, job, Point.REBOOT, now_ms, out):
        _begin_boot(state, job, now_ms, out)


def boot_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    """See whether it has booted."""
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        _end_boot(state, job, now_ms, out)


def updated(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Tell that the target runs."""
    if state.plight is not None and is_stopped(state, job, Point.UPDATED, now_ms, out):
        return
    state.stage = Stage.UPDATED
    tell(state, job, STEP_UPDATED, now_ms, out)


def after_updated(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Take `task finish` after the own 201 as success: an answer got lost, or the version report told it first."""
    plight = state.plight
    if plight is not None and plight.is_reordered:  # whatever is answered to 101 then, it is over
        plight.is_reordered = False
        tell(state, job, STEP_DOWNLOADED, now_ms, out)
        return
    if event.meaning is Answer.REFUSED and job.step == STEP_UPDATED:
        fail(state, job, UPDATE_FAILED, f"step {job.step} was answered {event.said}", now_ms, out)
        return
    job.step = STEP_UPDATED
    state.tell_version(now_ms, out)
    end(state, job, Outcome.SUCCEEDED, "", now_ms, out)


def after_failing(state: Talker, job: Job, _: Replied, now_ms: int, out: list[Effect]) -> None:
    """End the job, whatever is answered."""
    end(state, job, Outcome.FAILED, job.reason, now_ms, out)


def _begin_boot(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    span, taken_ms = state.profile.world.reboot, state.profile.reboot_ms
    if span is not None:
        taken_ms = _drawn(state, span, Purpose.REBOOT)
    if taken_ms is None:
        _end_boot(state, job, now_ms, out)
        return
    state.stage = Stage.REBOOTING
    back_ms = state.link_due_ms if state.link is Link.WAITING and state.link_due_ms != NEVER else 0
    job.due_ms = max(now_ms + taken_ms, back_ms)
    state.sleep(out)


def _end_boot(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Run what boots: what was installed, or, when that fails too often, what ran before."""
    plight = state.plight
    if plight is None:
        slots.boot(state, job, job.target)
    elif _fails_to_boot(plight, out):
        if plight.boots < state.profile.world.boots_max:
            _begin_boot(state, job, now_ms, out)
            return
        _roll_back(state, plight, job, out)
    else:
        _boot_marked(state, plight, job, out)
    has_failed = plight is not None and plight.is_changed
    if state.link < Link.REPORTING:
        _come_back(state, job, Point.FAILED if has_failed else Point.UPDATED, now_ms, out)
    elif has_failed:
        fail_again(state, job, now_ms, out)
    else:
        updated(state, job, now_ms, out)


def _come_back(state: Talker, job: Job, point: Point, now_ms: int, out: list[Effect]) -> None:
    """Go on as soon as it is in touch."""
    state.stage, job.point = Stage.RETURNING, point
    if state.link is Link.WAITING and state.link_due_ms == NEVER:
        state.wake(now_ms, out)


def _fails_to_boot(plight: Plight, out: list[Effect]) -> bool:
    each = plight.first("boot_fails")
    if each is None:
        return False
    plight.boots += 1
    if each.fault.boots is not None and plight.boots > each.fault.boots:
        each.spend()
        return False
    out.append(Struck("boot_fails", f"boot {plight.boots} of what was installed failed"))
    return True


def _roll_back(state: Talker, plight: Plight, job: Job, out: list[Effect]) -> None:
    runs = slots.give_up(state, job)
    plight.is_changed = True
    out.append(Struck("boot_fails", f"gave up after {plight.boots} boots: {runs}"))
    note_failure(job, RETRIES_USED_UP, f"{plight.boots} boots of {job.target} failed, {runs}")


def _boot_marked(state: Talker, plight: Plight, job: Job, out: list[Effect]) -> None:
    """Boot, but what was installed may call itself otherwise."""
    fault = plight.strike("wrong_version")
    if fault is None or fault.version is None:
        slots.boot(state, job, job.target)
        return
    slots.boot(state, job, fault.version)
    plight.is_changed = True
    out.append(Struck("wrong_version", f"runs {fault.version} after the install of {job.target}"))
    note_failure(job, VERSION_MISMATCH, f"runs {fault.version}, not {job.target}")


def _drawn(state: Talker, span: Span, purpose: Purpose) -> int:
    state.draws += 1
    width_ms = span.high_ms - span.low_ms
    return span.low_ms + draw_below(width_ms + 1, state.seed, state.device_id, purpose, state.draws)
