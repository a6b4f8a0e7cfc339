"""How a job moves: one table for every flow. A pair that is missing is refused.

Source: onenet-protocol, section 5; P9 for the operator's cancel, P10 for the hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from platform_stub.protocol.codes import (
    DOWNLOAD_FAILURES,
    OPEN_STATES,
    STEP_DOWNLOAD_DONE,
    STEP_DOWNLOADED,
    STEP_UPDATED,
    UPDATE_FAILURES,
    JobState,
)


class Signal(Enum):
    """What can happen to a job."""

    STARTED = auto()  # the job's state was checked, or the first good byte downloaded
    PROGRESS = auto()  # 0-99
    DOWNLOADED = auto()  # 100, 101
    DOWNLOAD_FAILED = auto()  # 102-107
    UPDATED = auto()  # 201
    UPDATE_FAILED = auto()  # 202-208
    TARGET_REPORTED = auto()  # a version report equal to the target
    CANCELLED = auto()  # by the operator, or the device was terminated
    EXPIRED = auto()


def _from(
    states: tuple[JobState, ...], signal: Signal, to: JobState
) -> dict[tuple[JobState, Signal], JobState]:
    return {(state, signal): to for state in states}


TRANSITIONS: Mapping[tuple[JobState, Signal], JobState] = MappingProxyType(
    {
        (JobState.PENDING, Signal.STARTED): JobState.DOWNLOADING,
        (JobState.DOWNLOADING, Signal.PROGRESS): JobState.DOWNLOADING,
        (JobState.PENDING, Signal.DOWNLOADED): JobState.UPGRADING,
        (JobState.DOWNLOADING, Signal.DOWNLOADED): JobState.UPGRADING,
        (JobState.PENDING, Signal.DOWNLOAD_FAILED): JobState.FAILED,
        (JobState.DOWNLOADING, Signal.DOWNLOAD_FAILED): JobState.FAILED,
        **_from(OPEN_STATES, Signal.UPDATED, JobState.SUCCESS),
        **_from(OPEN_STATES, Signal.UPDATE_FAILED, JobState.FAILED),
        **_from(OPEN_STATES, Signal.TARGET_REPORTED, JobState.SUCCESS),
        **_from(OPEN_STATES, Signal.CANCELLED, JobState.CANCELLED),
        **_from(OPEN_STATES, Signal.EXPIRED, JobState.FAILED),
    }
)


class StepRefusal(Enum):
    """Why a step moves nothing."""

    NOT_A_STEP = "not a step"
    OUT_OF_PLACE = "the job is in another state"
    FINISHED = "the job has ended"
    HELD = "the account is in arrears; the job is held"  # P10


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The job's new state and last step; `changed` is False for a repetition, which writes nothing."""

    state: JobState
    step: int | None
    changed: bool = True


def signal_of(step: int) -> Signal | None:
    """Sort a step; None when it is none. 208 is generation A's own, and sorted with its failures."""
    if 0 <= step < STEP_DOWNLOAD_DONE:
        return Signal.PROGRESS
    if step in {STEP_DOWNLOAD_DONE, STEP_DOWNLOADED}:
        return Signal.DOWNLOADED
    if step in DOWNLOAD_FAILURES:
        return Signal.DOWNLOAD_FAILED
    if step == STEP_UPDATED:
        return Signal.UPDATED
    return Signal.UPDATE_FAILED if step in UPDATE_FAILURES else None


def report(state: JobState, last_step: int | None, step: int, *, held: bool = False) -> Moved | StepRefusal:
    """Judge a reported step.

    The step that led to the present state, repeated, is a success that writes nothing: a device says again
    what it got no answer to.
    """
    signal = signal_of(step)
    if signal is None:
        return StepRefusal.NOT_A_STEP
    if step == last_step and any(TRANSITIONS.get((was, signal)) is state for was in OPEN_STATES):
        return Moved(state=state, step=step, changed=False)
    if not state.is_open:
        return StepRefusal.FINISHED
    if held and state is JobState.PENDING:
        return StepRefusal.HELD
    to = TRANSITIONS.get((state, signal))
    return StepRefusal.OUT_OF_PLACE if to is None else Moved(state=to, step=step)


def signal(
    state: JobState, last_step: int | None, what: Signal, *, held: bool = False
) -> Moved | StepRefusal:
    """Judge what happens to a job besides a reported step; a start of what has started changes nothing."""
    to = TRANSITIONS.get((state, what))
    if to is not None:
        if held and what is Signal.STARTED:
            return StepRefusal.HELD
        return Moved(state=to, step=last_step)
    if what is Signal.STARTED and state.is_open:
        return Moved(state=state, step=last_step, changed=False)
    return StepRefusal.OUT_OF_PLACE if state.is_open else StepRefusal.FINISHED
