"""How a job moves: one table for every flow, MQTT and the three HTTP generations. A missing pair is refused.

`STRICT` is the narrower reading: 201 only after 101, and a version report ends only what is pending. A job may
be held by its account's arrears, by its task's pause, or because its task has not started.
Times are unix milliseconds on the account's clock.
Source: onenet-protocol, section 5; P9 for the operator's cancel, P10 for arrears.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from msgspec import Struct

from platform_stub.protocol.codes import (
    DOWNLOAD_FAILURES,
    OPEN_STATES,
    STEP_DOWNLOAD_DONE,
    STEP_DOWNLOADED,
    STEP_EXPIRED,
    STEP_UPDATED,
    UPDATE_FAILURES,
    JobState,
)


class Signal(Enum):
    """What can happen to a job."""

    STARTED = auto()  # the job's state was checked, or the first good byte downloaded
    PROGRESS = auto()  # 0-99
    PROGRESS_DONE = auto()  # 100: the same as 101, but only where progress may be reported
    DOWNLOADED = auto()  # 101
    DOWNLOAD_FAILED = auto()  # 102-107
    UPDATED = auto()  # 201
    UPDATE_FAILED = auto()  # 202-208
    TARGET_REPORTED = auto()  # a version report equal to the target
    CANCELLED = auto()  # by the operator, or the device was terminated
    EXPIRED = auto()  # past its deadline: failed, with step 208

    __hash__ = object.__hash__  # as of JobState: a member is itself and nothing else


def _from(
    states: tuple[JobState, ...], signal: Signal, to: JobState
) -> dict[tuple[JobState, Signal], JobState]:
    return {(state, signal): to for state in states}


TRANSITIONS: Mapping[tuple[JobState, Signal], JobState] = MappingProxyType(
    {
        (JobState.PENDING, Signal.STARTED): JobState.DOWNLOADING,
        (JobState.DOWNLOADING, Signal.PROGRESS): JobState.DOWNLOADING,
        (JobState.DOWNLOADING, Signal.PROGRESS_DONE): JobState.UPGRADING,
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


STRICT: Mapping[tuple[JobState, Signal], JobState] = MappingProxyType(
    {
        move: to
        for move, to in TRANSITIONS.items()
        if move
        not in {
            (JobState.PENDING, Signal.UPDATED),
            (JobState.DOWNLOADING, Signal.UPDATED),
            (JobState.DOWNLOADING, Signal.TARGET_REPORTED),
            (JobState.UPGRADING, Signal.TARGET_REPORTED),
        }
    }
)
"""The documentation's narrower table (`strict`)."""


def end_of(what: Signal) -> JobState:
    """Name the one state that a signal leads to, wherever it strikes; for those who move jobs in sets."""
    (end,) = {to for (_, signal), to in TRANSITIONS.items() if signal is what}
    return end


class Hold(Enum):
    """What keeps a job from going on."""

    FREE = auto()
    NOT_STARTED = auto()  # its task's start lies ahead: devices know nothing of it
    ARREARS = auto()  # of its account: what is pending waits (P10)
    PAUSED = auto()  # its task is paused: what is pending waits, a download runs out and takes no step

    __hash__ = object.__hash__  # as of Signal


class StepRefusal(Enum):
    """Why a step or a signal moves nothing."""

    NOT_A_STEP = "not a step"
    OUT_OF_PLACE = "the job is in another state"
    FINISHED = "the job has succeeded or failed"
    AT_TARGET = "a version report made the job a success"
    EXPIRED = "the job has expired"
    CANCELLED = "the job was cancelled"
    NOT_STARTED = "the task has not started"
    HELD = "the account is in arrears; the job is held"  # P10
    PAUSED = "the task is paused"


def words_for(refusal: StepRefusal, state: JobState) -> str:
    """Say to people why a step moved nothing."""
    out_of_place = refusal is StepRefusal.OUT_OF_PLACE
    return f"the job is {state.name.lower()}" if out_of_place else refusal.value


_STOPPED_BY: Mapping[tuple[Hold, JobState], StepRefusal] = MappingProxyType(
    {
        (Hold.NOT_STARTED, JobState.PENDING): StepRefusal.NOT_STARTED,
        (Hold.ARREARS, JobState.PENDING): StepRefusal.HELD,
        (Hold.PAUSED, JobState.PENDING): StepRefusal.PAUSED,
        (Hold.PAUSED, JobState.DOWNLOADING): StepRefusal.PAUSED,
    }
)
"""Which states a hold stops; in the others a job goes on."""


class Moved(Struct, frozen=True, kw_only=True, gc=False):
    """The job's new state and last step; `changed` is False for a repetition, which writes nothing."""

    state: JobState
    step: int | None
    changed: bool = True


def hold_of(*, now_ms: int, starts_ms: int, is_paused: bool, in_arrears: bool) -> Hold:
    """Name what holds a job; `in_arrears`: the account's arrears hold what is pending (P10).

    A pause by the operator comes before arrears: it also stops a download's steps.
    """
    if now_ms < starts_ms:
        return Hold.NOT_STARTED
    if is_paused:
        return Hold.PAUSED
    return Hold.ARREARS if in_arrears else Hold.FREE


def is_overdue(state: JobState, *, now_ms: int, deadline_ms: int, held_since_ms: int | None) -> bool:
    """Whether an open job is past its deadline; for a pending one time stands still while arrears hold it (P10)."""
    if now_ms < deadline_ms or not state.is_open:
        return False
    return held_since_ms is None or state is not JobState.PENDING or held_since_ms >= deadline_ms


def ending(state: JobState, last_step: int | None) -> StepRefusal | None:
    """Say how a job ended, None while it is open: the last step tells an expiry and a version report apart."""
    match state:
        case JobState.CANCELLED:
            return StepRefusal.CANCELLED
        case JobState.FAILED:
            return StepRefusal.EXPIRED if last_step == STEP_EXPIRED else StepRefusal.FINISHED
        case JobState.SUCCESS:
            return StepRefusal.FINISHED if last_step == STEP_UPDATED else StepRefusal.AT_TARGET
        case _:
            return None


def stopped(state: JobState, hold: Hold) -> StepRefusal | None:
    """Say what keeps an open job from being offered, told or started; None when nothing does."""
    return _STOPPED_BY.get((hold, state))


def signal_of(step: int) -> Signal | None:
    """Sort a step; None when it is none. 208 is generation A's own, and sorted with its failures."""
    if 0 <= step < STEP_DOWNLOAD_DONE:
        return Signal.PROGRESS
    if step == STEP_DOWNLOAD_DONE:
        return Signal.PROGRESS_DONE
    if step == STEP_DOWNLOADED:
        return Signal.DOWNLOADED
    if step in DOWNLOAD_FAILURES:
        return Signal.DOWNLOAD_FAILED
    if step == STEP_UPDATED:
        return Signal.UPDATED
    return Signal.UPDATE_FAILED if step in UPDATE_FAILURES else None


def report(
    state: JobState, last_step: int | None, step: int, *, hold: Hold = Hold.FREE, strict: bool = False
) -> Moved | StepRefusal:
    """Judge a reported step.

    The step that led to the present state, repeated, is a success that writes nothing, held or not: a device
    says again what it got no answer to.
    """
    signal = signal_of(step)
    if signal is None:
        return StepRefusal.NOT_A_STEP
    table = STRICT if strict else TRANSITIONS
    if step == last_step and any(table.get((was, signal)) is state for was in OPEN_STATES):
        return Moved(state=state, step=step, changed=False)
    refusal = ending(state, last_step) or stopped(state, hold)
    if refusal is not None:
        return refusal
    to = table.get((state, signal))
    return StepRefusal.OUT_OF_PLACE if to is None else Moved(state=to, step=step)


def signal(
    state: JobState, last_step: int | None, what: Signal, *, hold: Hold = Hold.FREE, strict: bool = False
) -> Moved | StepRefusal:
    """Judge what happens to a job besides a reported step; a start of what has started changes nothing.

    A hold stops a start only: a cancel, an expiry or a version report equal to the target ends a job anyway.
    """
    refusal = ending(state, last_step)
    if refusal is None and what is Signal.STARTED and state is JobState.PENDING:
        refusal = stopped(state, hold)
    if refusal is not None:
        return refusal
    to = (STRICT if strict else TRANSITIONS).get((state, what))
    if to is not None:
        return Moved(state=to, step=STEP_EXPIRED if what is Signal.EXPIRED else last_step)
    if what is Signal.STARTED:
        return Moved(state=state, step=last_step, changed=False)
    return StepRefusal.OUT_OF_PLACE
