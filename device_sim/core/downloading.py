"""A job from its beginning to the last byte: asking first, ranges, retries, pauses, and the digest.

Source: onenet-protocol, sections 3 to 5.
"""

from device_sim.core import installing, mishaps
from device_sim.core.answers import Answer
from device_sim.core.download import Verdict
from device_sim.core.draw import Purpose, jittered
from device_sim.core.effects import Effect, Fetch, Outcome, StopFetch, Struck
from device_sim.core.events import Answered, Chunk, Fetched, FetchFailed, Tick
from device_sim.core.faults import Strike
from device_sim.core.job_ends import (
    DIGEST_MISMATCH,
    DOWNLOAD_FAILED,
    TIMED_OUT,
    end,
    fail,
    fail_or_hold,
    is_stopped,
    let_go,
    suffer,
    tell,
)
from device_sim.core.mishaps import Break, Failure
from device_sim.core.replied import Replied
from device_sim.core.state import Job, Point, Stage
from device_sim.core.talker import Talker
from device_sim.core.wheel import NEVER
from platform_stub.protocol.codes import STEP_DOWNLOADED


def told(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Begin with what is asked before the download, or with the download."""
    if state.plight is not None and is_stopped(state, job, Point.TOLD, now_ms, out):
        return
    state.stage = Stage.CHECKING
    if not state.asks_first(now_ms, out):
        download(state, job, now_ms, out)


def download(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Ask for the next range, unless all is there."""
    if job.download.is_complete:
        verify(state, job, now_ms, out)
    else:
        fetch(state, job, now_ms, out)


def go_on(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Go on with a download that was interrupted, if there is nothing in the way now."""
    if state.plight is None or not is_stopped(state, job, Point.DOWNLOAD, now_ms, out):
        download(state, job, now_ms, out)


def fetch(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Ask for the next range; a slow download has its pause first."""
    if state.plight is not None:
        pause_ms = mishaps.pause_of(state.plight, job)
        if pause_ms:
            state.stage, job.due_ms = Stage.PAUSING, now_ms + pause_ms
            return
    state.stage = Stage.FETCHING
    start, stop = job.download.next_range()
    out.append(Fetch(job.path, start, stop))


def fetch_due(state: Talker, job: Job, _: Tick, now_ms: int, out: list[Effect]) -> None:
    """Ask again, or for the next range, when it is time."""
    if job.due_ms <= now_ms:
        late_ms = now_ms - job.due_ms if state.stage is Stage.PAUSING else 0
        job.due_ms = NEVER
        if state.plight is not None:
            mishaps.catch_up(state, state.plight, job, late_ms)
        fetch(state, job, now_ms, out)


def suspend(state: Talker, until_ms: int) -> None:
    """Ask for the rest of the download no sooner than that: its answer was broken off on purpose."""
    assert state.job is not None, "a download is a job's"
    state.stage = Stage.RETRYING
    state.job.due_ms = until_ms


def answered(state: Talker, job: Job, event: Answered, now_ms: int, out: list[Effect]) -> None:
    """Judge the head of the answer."""
    verdict, why = job.download.judge(event)
    if verdict is not Verdict.TAKE:
        out.append(StopFetch())
        _obey(state, job, verdict, why, now_ms, out)


def chunk(state: Talker, job: Job, event: Chunk, now_ms: int, out: list[Effect]) -> None:
    """Take the next bytes."""
    if state.plight is not None and not job.download.is_failing:
        broken = mishaps.break_in(state.plight, job, len(event.data))
        if broken is not None:
            _break_off(state, job, event, broken, now_ms, out)
            return
    if not job.download.take(event.data):
        out.append(StopFetch())
        _retry(state, job, "more bytes than announced", DOWNLOAD_FAILED, now_ms, out)


def fetched(state: Talker, job: Job, _: Fetched, now_ms: int, out: list[Effect]) -> None:
    """See what to do after a range."""
    if not job.download.is_answered:
        verdict, why = job.download.conclude()
        _obey(state, job, verdict, why, now_ms, out)
        return
    if job.download.gain():
        job.tries = 0
    _range_done(state, job, now_ms, out)


def fetch_failed(state: Talker, job: Job, event: FetchFailed, now_ms: int, out: list[Effect]) -> None:
    """Ask for the rest later; a cut after the last byte costs nothing."""
    if job.download.is_answered:
        fetched(state, job, Fetched(), now_ms, out)
        return
    _retry(state, job, event.reason, TIMED_OUT if event.timed_out else DOWNLOAD_FAILED, now_ms, out)


def verify(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Compare the digest."""
    if state.plight is not None and mishaps.chosen_failure(state.plight, Strike.IN_DIGEST, out) is not None:
        job.download.corrupt()
    if job.download.digest_matches():
        downloaded(state, job, now_ms, out)
    else:
        fail(state, job, DIGEST_MISMATCH, "", now_ms, out)


def downloaded(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    """Tell that the package is there."""
    if state.plight is not None:
        if is_stopped(state, job, Point.DOWNLOADED, now_ms, out):
            return
        if state.plight.strike("reorder_reports") is not None:
            out.append(Struck("reorder_reports", "tells 201 before 101"))
            state.plight.is_reordered = True
            installing.install(state, job, now_ms, out)
            return
    state.stage = Stage.DOWNLOADED
    tell(state, job, STEP_DOWNLOADED, now_ms, out)


def after_check(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Download, if what was asked before it allows that."""
    if event.meaning is Answer.GO_ON:
        download(state, job, now_ms, out)
    elif event.meaning is Answer.REFUSED:
        fail(state, job, DOWNLOAD_FAILED, f"its token was answered {event.said}", now_ms, out)
    else:
        let_go(state, job, f"its token was answered {event.said}", now_ms, out)


def after_progress(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Go on after a per cent."""
    if _is_taken(state, job, event, now_ms, out):
        fetch(state, job, now_ms, out)


def after_downloaded(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> None:
    """Install after 101."""
    if _is_taken(state, job, event, now_ms, out):
        installing.install(state, job, now_ms, out)


def _is_taken(state: Talker, job: Job, event: Replied, now_ms: int, out: list[Effect]) -> bool:
    if event.meaning is Answer.GO_ON:
        return True
    why = f"step {job.step} was answered {event.said}"
    if event.meaning is Answer.REFUSED:
        fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)
    else:
        let_go(state, job, why, now_ms, out)
    return False


def _obey(state: Talker, job: Job, verdict: Verdict, why: str, now_ms: int, out: list[Effect]) -> None:
    match verdict:
        case Verdict.TRY_AGAIN:
            _retry(state, job, why, DOWNLOAD_FAILED, now_ms, out)
        case Verdict.ENDED:
            end(state, job, Outcome.ENDED, why, now_ms, out)
        case Verdict.RENEW:
            state.renew(job, why, now_ms, out)
        case _:
            fail(state, job, DOWNLOAD_FAILED, why, now_ms, out)


def _break_off(state: Talker, job: Job, event: Chunk, broken: Break, now_ms: int, out: list[Effect]) -> None:
    """Take what still comes, and let a fault have its way."""
    out += (Struck(broken.what, broken.text), StopFetch())
    job.download.take(memoryview(event.data)[: broken.come])
    if broken.stop is not None:
        suffer(state, job, broken.stop, Point.DOWNLOAD, now_ms, out)
        return
    state.lose_link(now_ms, out)
    _retry(state, job, broken.text, DOWNLOAD_FAILED, now_ms, out)


def _range_done(state: Talker, job: Job, now_ms: int, out: list[Effect]) -> None:
    if state.plight is not None and is_stopped(state, job, Point.DOWNLOAD, now_ms, out):
        return
    progress = job.download
    if progress.is_complete:
        verify(state, job, now_ms, out)
    elif not job.step:
        state.stage = Stage.PROGRESSING
        per_cent = progress.position * 100 // progress.size_bytes
        tell(state, job, min(max(per_cent, 1), 99), now_ms, out)
    else:
        fetch(state, job, now_ms, out)


def _retry(state: Talker, job: Job, why: str, step: int, now_ms: int, out: list[Effect]) -> None:
    """Wait, and ask for the rest; a download that gains nothing for so many times has failed."""
    if job.download.gain():
        job.tries = 0
    job.tries += 1
    profile = state.profile
    if job.tries >= profile.download_tries:
        fail_or_hold(state, job, Failure(step, why, is_mendable=True), Point.DOWNLOAD, now_ms, out)
        return
    span_ms = min(profile.download_retry_ms << min(job.tries - 1, 20), profile.download_retry_max_ms)
    state.draws += 1
    state.stage = Stage.RETRYING
    job.reason = why
    job.due_ms = now_ms + jittered(span_ms, state.seed, state.device_id, Purpose.DOWNLOAD, state.draws)
