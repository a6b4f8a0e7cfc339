"""What a job does in each stage: download, verify, install, report, fail.

`JOB_MOVES` has every pair of stage and event that is a move. Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from device_sim.core.answers import Answer
from device_sim.core.download import Verdict
from device_sim.core.draw import Purpose, jittered
from device_sim.core.effects import Effect, Fetch, JobEnded, JobStarted, Outcome, StopFetch
from device_sim.core.events import Answered, Chunk, Fetched, FetchFailed, LinkUp, Tick
from device_sim.core.faults import FAILURE_TEXTS, STRIKES, Strike
from device_sim.core.state import Job, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import STEP_DOWNLOADED, STEP_UPDATED

TIMED_OUT: Final = 104
DOWNLOAD_FAILED: Final = 107
DIGEST_MISMATCH: Final = 205
UPDATE_FAILED: Final = 206


class Replied(Struct, frozen=True, gc=False):
    """The answer to a step, or to the question before the download, came."""

    meaning: Answer
    code: int
    text: str = ""


def begin(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Take up a job; none is under way."""
    state.job = job
    if state.fault_times:
        state.fault_times -= 1
        job.fault_step = state.fault_step
    out.append(JobStarted(job.tid))
    if _strikes(job, Strike.BEFORE_DOWNLOAD):
        _fail(state, job, job.fault_step, "", now_ms, out)
        return
    state.stage = Stage.CHECKING
    if not state.asks_first(now_ms, out):
        _download(state, job, now_ms, out)


def let_go(state: Talker, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
    """Leave a job that has ended at the platform; no failure is reported."""
    _end(state, job, Outcome.ENDED, why, now_ms, out)


def give_up(state: Talker, job: Job, why: str, now_ms: int, out: list[Effect]) -> None:
    """Report a download that can't be had; a failure that could not be reported ends the job."""
    if state.stage in {Stage.FAILING, Stage.UPDATED}:
        _end(state, job, Outcome.FAILED, why, now_ms, out)
    else:
        _fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)


def suspend(state: Talker, until_ms: int) -> None:
    """Ask for the rest of the download no sooner than that: its answer was broken off on purpose."""
    assert state.job is not None, "a download is a job's"
    state.stage = Stage.RETRYING
    state.job.due_ms = until_ms


def _download(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    if job.download.is_complete:
        _verify(state, job, now_ms, out)
    else:
        _fetch(state, job, out)


def _strikes(job: Job, where: Strike) -> bool:
    return job.fault_step != 0 and STRIKES[job.fault_step] is where


def _fetch(state: Talker, job: Job, out: list[Effect]) -> None:
    state.stage = Stage.FETCHING
    start, stop = job.download.next_range()
    out.append(Fetch(job.path, start, stop))


def _answered(state: Talker, job: Job, event: Answered, now_ms: int, out: list[Effect]) -> None:
    verdict, why = job.download.judge(event)
    if verdict is not Verdict.TAKE:
        out.append(StopFetch())
        _obey(state, job, verdict, why, now_ms, out)


def _obey(state: Talker, job: Job, verdict: Verdict, why: str, now_ms: int, out: list[Effect]) -> None:
    match verdict:
        case Verdict.TRY_AGAIN:
            _retry(state, job, why, DOWNLOAD_FAILED, now_ms, out)
        case Verdict.ENDED:
            _end(state, job, Outcome.ENDED, why, now_ms, out)
        case Verdict.RENEW:
            state.renew(job, why, now_ms, out)
        case _:
            _fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)


def _chunk(state: Talker, job: Job, event: Chunk, now_ms: int, out: list[Effect]) -> None:
    if not job.download.take(event.data):
        out.append(StopFetch())
        _retry(state, job, "more bytes than announced", DOWNLOAD_FAILED, now_ms, out)


def _fetched(state: Talker, job: Job, _: Fetched, now_ms: int, out: list[Effect]) -> None:
    if not job.download.is_answered:
        verdict, why = job.download.conclude()
        _obey(state, job, verdict, why, now_ms, out)
        return
    if job.download.gain():
        job.tries = 0
    _range_done(state, job, now_ms, out)


def _fetch_failed(state: Talker, job: Job, event: FetchFailed, now_ms: int, out: list[Effect]) -> None:
    if job.download.is_answered:
        _fetched(state, job, Fetched(), now_ms, out)
        return
    _retry(state, job, event.reason, TIMED_OUT if event.timed_out else DOWNLOAD_FAILED, now_ms, out)


def _range_done(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    download = job.download
    if _strikes(job, Strike.AFTER_FIRST_RANGE):
        _fail(state, job, job.fault_step, "", now_ms, out)
    elif download.is_complete:
        _verify(state, job, now_ms, out)
    elif not job.step:
        state.stage = Stage.PROGRESSING
        per_cent = download.position * 100 // download.size_bytes
        state.tell_step(job, min(max(per_cent, 1), 99), now_ms, out)
    else:
        _fetch(state, job, out)


def _retry(state: Talker, job: Job, why: str, step: int, now_ms: int, out: list[Effect]) -> None:
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


def _retry_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if job.due_ms <= now_ms:
        job.due_ms = NEVER
        _fetch(state, job, out)


def _verify(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    if _strikes(job, Strike.IN_DIGEST):
        job.download.corrupt()
    if job.download.digest_matches():
        state.stage = Stage.DOWNLOADED
        state.tell_step(job, STEP_DOWNLOADED, now_ms, out)
    else:
        _fail(state, job, DIGEST_MISMATCH, "", now_ms, out)


def _install(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    if _strikes(job, Strike.BEFORE_INSTALL):
        _fail(state, job, job.fault_step, "", now_ms, out)
        return
    state.stage = Stage.INSTALLING
    job.due_ms = now_ms + state.profile.install_ms
    _install_due(state, job, Tick(), now_ms, out)


def _install_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
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
    state.restart(now_ms + state.profile.reboot_ms, out)


def _report_updated(state: Talker, job: Job, _: LinkUp, now_ms: int, out: list[Effect]) -> None:
    state.stage = Stage.UPDATED
    state.tell_step(job, STEP_UPDATED, now_ms, out)


def _after_check(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    if event.meaning is Answer.GO_ON:
        _download(state, job, now_ms, out)
    elif event.meaning is Answer.REFUSED:
        _fail(state, job, DOWNLOAD_FAILED, f"its token was answered {_said(event)}", now_ms, out)
    else:
        _end(state, job, Outcome.ENDED, f"its token was answered {_said(event)}", now_ms, out)


def _after_progress(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    if _goes_on(state, job, event, DOWNLOAD_FAILED, now_ms, out):
        _fetch(state, job, out)


def _after_downloaded(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    if _goes_on(state, job, event, DOWNLOAD_FAILED, now_ms, out):
        _install(state, job, now_ms, out)


def _said(event: Replied) -> str:
    return f"{event.code} {event.text}".rstrip()


def _goes_on(state: Talker, job: Job, event: Replied, step: int, now_ms: int, out: list[Effect]) -> bool:
    if event.meaning is Answer.GO_ON:
        return True
    why = f"step {job.step} was answered {_said(event)}"
    if event.meaning is Answer.REFUSED:
        _fail(state, job, step, why, now_ms, out)
    else:
        _end(state, job, Outcome.ENDED, why, now_ms, out)
    return False


def _after_updated(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Take `task finish` after the own 201 as success: an answer got lost, or the version report told it first."""
    if event.meaning is Answer.REFUSED:
        _fail(state, job, UPDATE_FAILED, f"step {job.step} was answered {_said(event)}", now_ms, out)
        return
    state.tell_version(now_ms, out)
    _end(state, job, Outcome.SUCCEEDED, "", now_ms, out)


def _after_failing(state: Talker, job: Job, _: Replied, now_ms: int, out: list[Effect]) -> None:
    _end(state, job, Outcome.FAILED, job.reason, now_ms, out)


def _fail(state: Talker, job: Job, step: int, why: str, now_ms: int, out: list[Effect]) -> None:
    state.stage = Stage.FAILING
    job.due_ms = NEVER
    job.reason = f"{FAILURE_TEXTS[step]}: {why}" if why else FAILURE_TEXTS[step]
    state.tell_step(job, step, now_ms, out)


def _end(state: Talker, job: Job, outcome: Outcome, why: str, now_ms: int, out: list[Effect]) -> None:
    if outcome is not Outcome.ENDED:
        state.note_finished(job.kind, job.tid)
    state.last_job = ended = JobEnded(job.tid, outcome, job.step, why)
    state.job = None
    state.stage = Stage.IDLE
    out.append(ended)
    state.job_over(outcome, now_ms, out)


JobEvent = Answered | Chunk | Fetched | FetchFailed | Tick | LinkUp | Replied


def move_job(state: Talker, event: JobEvent, now_ms: int, out: list[Effect]) -> None:
    """Let the job have an event, if there is a move for it."""
    move = JOB_MOVES.get((state.stage, type(event)))
    if move is not None:
        assert state.job is not None, "a stage other than IDLE has a job"
        move(state, state.job, event, now_ms, out)


JOB_MOVES: Mapping[tuple[Stage, type], Callable[..., None]] = MappingProxyType(
    {
        (Stage.CHECKING, Replied): _after_check,
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
