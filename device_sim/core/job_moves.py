"""What a job does in each stage: download, verify, install, report, fail.

`JOB_MOVES` has every pair of stage and event that is a move. Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from device_sim.core.download import Download, Verdict
from device_sim.core.draw import Purpose, jittered
from device_sim.core.effects import Effect, Fetch, JobEnded, JobStarted, Outcome, StopFetch
from device_sim.core.events import Answered, Chunk, Fetched, FetchFailed, LinkUp, Tick
from device_sim.core.link import go_offline
from device_sim.core.profile import FAILURE_TEXTS, STRIKES, Strike
from device_sim.core.reports import report_step, report_version
from device_sim.core.state import Job, Stage, State
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import STEP_DOWNLOADED, STEP_UPDATED, FuseCode, UpdateKind
from platform_stub.protocol.messages import ACCEPTED, InformParams

TIMED_OUT: Final = 104
DOWNLOAD_FAILED: Final = 107
DIGEST_MISMATCH: Final = 205
UPDATE_FAILED: Final = 206


class Replied(Struct, frozen=True, gc=False):
    """The reply to a step came."""

    code: int
    text: str = ""


class Answer(Enum):
    """What a reply's code means for the job."""

    GO_ON = auto()
    OVER = auto()  # the job has ended at the platform
    DONE = auto()  # it has ended as a success
    REFUSED = auto()


ANSWERS: Mapping[int, Answer] = MappingProxyType(
    {
        ACCEPTED: Answer.GO_ON,
        int(FuseCode.OK): Answer.GO_ON,
        int(FuseCode.TASK_FINISHED): Answer.OVER,
        int(FuseCode.NO_TASK): Answer.OVER,  # held by arrears (P10): it is told again later
        int(FuseCode.TASK_EXPIRED): Answer.OVER,
        int(FuseCode.ALREADY_AT_TARGET): Answer.DONE,
    }
)
"""Any other code refuses the step."""


def begin_next(state: State, now_ms: int, out: list[Effect]) -> None:
    """Take up the job that has waited longest, if there is one and none is under way."""
    if state.job is not None or not state.waiting:
        return
    params, *rest = state.waiting
    state.waiting = tuple(rest)
    state.job = job = _job_of(params, state.profile.chunk_bytes)
    if state.fault_times:
        state.fault_times -= 1
        job.fault_step = state.fault_step
    out.append(JobStarted(job.tid))
    if _strikes(job, Strike.BEFORE_DOWNLOAD):
        _fail(state, job, job.fault_step, "", now_ms, out)
    elif job.download.is_complete:
        _verify(state, job, now_ms, out)
    else:
        _fetch(state, job, out)


def _job_of(params: InformParams, chunk_bytes: int) -> Job:
    assert isinstance(params.tid, int)
    assert isinstance(params.type, int)
    assert isinstance(params.target, str)
    assert isinstance(params.size, int)
    assert isinstance(params.md5, str)
    assert isinstance(params.url, str)
    download = Download(size_bytes=params.size, md5=params.md5, chunk_bytes=chunk_bytes)
    return Job(params.tid, UpdateKind(params.type), params.target, params.url, download)


def _strikes(job: Job, where: Strike) -> bool:
    return job.fault_step != 0 and STRIKES[job.fault_step] is where


def _fetch(state: State, job: Job, out: list[Effect]) -> None:
    state.stage = Stage.FETCHING
    start, stop = job.download.next_range()
    out.append(Fetch(job.path, start, stop))


def _answered(state: State, job: Job, event: Answered, now_ms: int, out: list[Effect]) -> None:
    verdict, why = job.download.judge(event)
    if verdict is Verdict.TAKE:
        return
    out.append(StopFetch())
    if verdict is Verdict.TRY_AGAIN:
        _retry(state, job, why, DOWNLOAD_FAILED, now_ms, out)
    elif verdict is Verdict.ENDED:
        _end(state, job, Outcome.ENDED, why, now_ms, out)
    else:
        _fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)


def _chunk(state: State, job: Job, event: Chunk, now_ms: int, out: list[Effect]) -> None:
    if not job.download.take(event.data):
        out.append(StopFetch())
        _retry(state, job, "more bytes than announced", DOWNLOAD_FAILED, now_ms, out)


def _fetched(state: State, job: Job, _: Fetched, now_ms: int, out: list[Effect]) -> None:
    if not job.download.is_answered:
        _retry(state, job, "fewer bytes than announced", DOWNLOAD_FAILED, now_ms, out)
        return
    if job.download.gain():
        job.tries = 0
    _range_done(state, job, now_ms, out)


def _fetch_failed(state: State, job: Job, event: FetchFailed, now_ms: int, out: list[Effect]) -> None:
    if job.download.is_answered:
        _fetched(state, job, Fetched(), now_ms, out)
        return
    _retry(state, job, event.reason, TIMED_OUT if event.timed_out else DOWNLOAD_FAILED, now_ms, out)


def _range_done(state: State, job: Job, now_ms: int, out: list[Effect]) -> None:
    download = job.download
    if _strikes(job, Strike.AFTER_FIRST_RANGE):
        _fail(state, job, job.fault_step, "", now_ms, out)
    elif download.is_complete:
        _verify(state, job, now_ms, out)
    elif not job.step:
        state.stage = Stage.PROGRESSING
        per_cent = download.position * 100 // download.size_bytes
        report_step(state, job, min(max(per_cent, 1), 99), now_ms, out)
    else:
        _fetch(state, job, out)


def _retry(state: State, job: Job, why: str, step: int, now_ms: int, out: list[Effect]) -> None:
    """Wait, and ask for the rest; a download that gains nothing for so many times has failed."""
    if job.download.gain():
        job.tries = 0
    job.tries += 1
    profile = state.profile
    if job.tries >= profile.download_tries:
        _fail(state, job, step, why, now_ms, out)
        return
    span_ms = min(profile.download_retry_ms << min(job.tries - 1, 20), profile.download_retry_max_ms)
    state.draws += 1
    state.stage = Stage.RETRYING
    job.reason = why
    job.due_ms = now_ms + jittered(span_ms, state.seed, state.device_id, Purpose.DOWNLOAD, state.draws)


def _retry_due(state: State, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        _fetch(state, job, out)


def _verify(state: State, job: Job, now_ms: int, out: list[Effect]) -> None:
    if _strikes(job, Strike.IN_DIGEST):
        job.download.corrupt()
    if job.download.digest_matches():
        state.stage = Stage.DOWNLOADED
        report_step(state, job, STEP_DOWNLOADED, now_ms, out)
    else:
        _fail(state, job, DIGEST_MISMATCH, "", now_ms, out)


def _install(state: State, job: Job, now_ms: int, out: list[Effect]) -> None:
    if _strikes(job, Strike.BEFORE_INSTALL):
        _fail(state, job, job.fault_step, "", now_ms, out)
        return
    state.stage = Stage.INSTALLING
    job.due_ms = now_ms + state.profile.install_ms
    _install_due(state, job, Tick(), now_ms, out)


def _install_due(state: State, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if job.due_ms > now_ms:
        return
    job.due_ms = NEVER
    if _strikes(job, Strike.AFTER_INSTALL):
        _fail(state, job, job.fault_step, "", now_ms, out)
        return
    state.set_version(job.kind, job.target)
    if state.profile.reboot_ms is None:
        _report_updated(state, job, LinkUp(), now_ms, out)
        return
    state.stage = Stage.REBOOTING
    go_offline(state, now_ms + state.profile.reboot_ms, out)


def _report_updated(state: State, job: Job, _: LinkUp, now_ms: int, out: list[Effect]) -> None:
    state.stage = Stage.UPDATED
    report_step(state, job, STEP_UPDATED, now_ms, out)


def _after_progress(state: State, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    if _goes_on(state, job, event, DOWNLOAD_FAILED, now_ms, out):
        _fetch(state, job, out)


def _after_downloaded(state: State, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    if _goes_on(state, job, event, DOWNLOAD_FAILED, now_ms, out):
        _install(state, job, now_ms, out)


def _goes_on(state: State, job: Job, event: Replied, step: int, now_ms: int, out: list[Effect]) -> bool:
    answer = ANSWERS.get(event.code, Answer.REFUSED)
    if answer is Answer.GO_ON:
        return True
    why = f"step {job.step} was answered {event.code} {event.text}".rstrip()
    if answer is Answer.REFUSED:
        _fail(state, job, step, why, now_ms, out)
    else:
        _end(state, job, Outcome.ENDED, why, now_ms, out)
    return False


def _after_updated(state: State, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Take `task finish` after the own 201 as success: an answer got lost, or the version report told it first."""
    if ANSWERS.get(event.code, Answer.REFUSED) is Answer.REFUSED:
        why = f"step {job.step} was answered {event.code} {event.text}".rstrip()
        _fail(state, job, UPDATE_FAILED, why, now_ms, out)
        return
    report_version(state, now_ms, out)
    _end(state, job, Outcome.SUCCEEDED, "", now_ms, out)


def _after_failing(state: State, job: Job, _: Replied, now_ms: int, out: list[Effect]) -> None:
    _end(state, job, Outcome.FAILED, job.reason, now_ms, out)


def _fail(state: State, job: Job, step: int, why: str, now_ms: int, out: list[Effect]) -> None:
    state.stage = Stage.FAILING
    job.due_ms = NEVER
    job.reason = f"{FAILURE_TEXTS[step]}: {why}" if why else FAILURE_TEXTS[step]
    report_step(state, job, step, now_ms, out)


def _end(state: State, job: Job, outcome: Outcome, why: str, now_ms: int, out: list[Effect]) -> None:
    if outcome is not Outcome.ENDED:
        state.note_finished(job.kind, job.tid)
    state.last_job = ended = JobEnded(job.tid, outcome, job.step, why)
    state.job = None
    state.stage = Stage.IDLE
    out.append(ended)
    begin_next(state, now_ms, out)


JobEvent = Answered | Chunk | Fetched | FetchFailed | Tick | LinkUp | Replied


def move_job(state: State, event: JobEvent, now_ms: int, out: list[Effect]) -> None:
    """Let the job have an event, if there is a move for it."""
    move = JOB_MOVES.get((state.stage, type(event)))
    if move is not None:
        assert state.job is not None, "a stage other than IDLE has a job"
        move(state, state.job, event, now_ms, out)


JOB_MOVES: Mapping[tuple[Stage, type], Callable[..., None]] = MappingProxyType(
    {
        (Stage.FETCHING, Answered): _answered,
        (Stage.FETCHING, Chunk): _chunk,
        (Stage.FETCHING, Fetched): _fetched,
        (Stage.FETCHING, FetchFailed): _fetch_failed,
        (Stage.RETRYING, Tick): _retry_due,
        (Stage.PROGRESSING, Replied): _after_progress,
        (Stage.DOWNLOADED, Replied): _after_downloaded,
        (Stage.INSTALLING, Tick): _install_due,
        (Stage.REBOOTING, LinkUp): _report_updated,
        (Stage.UPDATED, Replied): _after_updated,
        (Stage.FAILING, Replied): _after_failing,
    }
)
