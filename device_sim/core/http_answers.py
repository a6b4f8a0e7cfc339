"""What an answer leads to, over HTTP: the next call, a job, a download, or a pause.

Source: onenet-protocol, sections 4 and 5; what a code means is in `answers`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from device_sim.core import job_moves, link
from device_sim.core.answers import Answer
from device_sim.core.dialect import Offer, OfferFault, Reply
from device_sim.core.download import Download
from device_sim.core.effects import CallRefused, Effect, Noted, Struck
from device_sim.core.events import CallAnswered, CallFailed, LinkUp
from device_sim.core.http_state import Asked, HttpState, ask, call, get_in, pause
from device_sim.core.plight import Plight
from device_sim.core.slots import runs
from device_sim.core.state import Job, Stage
from platform_stub.protocol.codes import STEP_DOWNLOAD_DONE, STEP_DOWNLOADED, UpdateKind

_NOTED_CHARACTERS: Final = 200
_LINK_UP: Final = LinkUp()


def call_failed(state: HttpState, _: CallFailed, now_ms: int, __: list[Effect]) -> None:
    """Ask the same again later: a step that was taken already is answered as a success."""
    link.back_off(state, now_ms, refused=False)


def call_answered(state: HttpState, event: CallAnswered, now_ms: int, out: list[Effect]) -> None:
    """Do what the answer asks for; what could not be answered is asked again later."""
    reply = state.dialect.read(event.status, event.body)
    asked = state.asked
    if reply.meaning is Answer.TRY_AGAIN:
        out.append(_noted(asked, reply))
        link.back_off(state, now_ms, refused=False)
    elif reply.meaning is Answer.SIGN_ANEW:
        state.is_refused = True
        out.append(CallRefused(reply.code, reply.text))
        link.back_off(state, now_ms, refused=True)
    elif asked is Asked.VERSION and reply.meaning is Answer.REFUSED:
        out.append(_noted(asked, reply))
        link.back_off(state, now_ms, refused=True)
    else:
        if state.plight is not None:
            if _is_told_again(state, state.plight, reply, now_ms, out):
                return
            reply = _first(state.plight, reply)
        state.asked = Asked.NOTHING
        get_in(state, now_ms, out)
        _AFTER[asked](state, reply, now_ms, out)


def _is_told_again(state: HttpState, plight: Plight, reply: Reply, now_ms: int, out: list[Effect]) -> bool:
    """Whether a fault has a step told twice; the first answer counts."""
    if state.asked is not Asked.STEP or state.job is None or plight.first_answer is not None:
        return False
    if plight.strike_report("double_reports", state.job.step) is None:
        return False
    plight.first_answer = reply
    out.append(Struck("double_reports", f"step {state.job.step} is told twice"))
    call(state, now_ms, out, again=True)
    return True


def _first(plight: Plight, reply: Reply) -> Reply:
    """Give the answer that counts."""
    first, plight.first_answer = plight.first_answer, None
    if first is None:
        return reply
    assert isinstance(first, Reply)
    return first


def _noted(asked: Asked, reply: Reply) -> Noted:
    text = f"{asked.name.lower()} was answered {reply.code} {reply.text}".rstrip()
    return Noted(text[:_NOTED_CHARACTERS])


def _after_version(state: HttpState, _: Reply, now_ms: int, out: list[Effect]) -> None:
    """Go on with the job from before the power went, or ask for one."""
    if state.job is not None:
        job_moves.move_job(state, _LINK_UP, now_ms, out)
        return
    state.unasked = len(UpdateKind)
    ask(state, Asked.CHECK, now_ms, out)


def _after_check(state: HttpState, reply: Reply, now_ms: int, out: list[Effect]) -> None:
    kind = state.kind
    state.kind = UpdateKind.SOTA if kind is UpdateKind.FOTA else UpdateKind.FOTA
    if state.job is not None:
        _after_renewal(state, state.job, reply, now_ms, out)
        return
    offer = _offer_in(state, reply, out)
    if offer is not None and offer.target == runs(state, kind):  # it would be done again and again
        out.append(Noted(f"a job to {offer.target} is offered, which runs already"))
        offer = None
    if offer is not None:
        state.unasked = 0
        job_moves.begin(state, _job_of(state, kind, offer), now_ms, out)
        return
    state.unasked -= 1
    if state.unasked > 0:
        ask(state, Asked.CHECK, now_ms, out)
    else:
        pause(state, now_ms)


def _offer_in(state: HttpState, reply: Reply, out: list[Effect]) -> Offer | None:
    if reply.meaning is not Answer.GO_ON:
        if reply.code not in state.dialect.quiet:
            out.append(_noted(Asked.CHECK, reply))
        return None
    try:
        return state.dialect.read_offer(reply.data)
    except OfferFault as fault:
        out.append(Noted(f"check found what is no job: {fault}"[:_NOTED_CHARACTERS]))
        return None


def _job_of(state: HttpState, kind: UpdateKind, offer: Offer) -> Job:
    dialect = state.dialect
    download = Download(
        size_bytes=offer.size_bytes,
        md5=offer.md5,
        chunk_bytes=state.profile.chunk_bytes,
        telling=dialect.telling,
        flush_bytes=state.profile.world.flush_bytes,
    )
    path = dialect.download(state.base, offer.tid, offer.token)
    job = Job(offer.tid, kind, offer.target, path, download, offer.token)
    job.terms, job.retries_left = offer.terms, offer.terms.retries
    if offer.is_upgrading:
        job.step = STEP_DOWNLOADED  # it has had its 101, before the power went: no per cent is taken now
    return job


def _after_renewal(state: HttpState, job: Job, reply: Reply, now_ms: int, out: list[Effect]) -> None:
    """Go on with the job's new token where it was; let the job go when it is not offered any more."""
    offer = _offer_in(state, reply, out)
    if offer is None or (offer.target, offer.md5.lower()) != (job.target, job.download.md5):
        job_moves.let_go(state, job, f"{job.reason}; it is not offered any more", now_ms, out)
        return
    if offer.token == job.token and job.tries > 1 and state.stage is Stage.CHECKING:
        job_moves.give_up(state, job, f"{job.reason}; and it has no other token", now_ms, out)
        return
    job.token = offer.token
    job.path = state.dialect.download(state.base, offer.tid, offer.token)
    ask(state, Asked.TOKEN if state.stage is Stage.CHECKING else Asked.STEP, now_ms, out)


def _after_token(state: HttpState, reply: Reply, now_ms: int, out: list[Effect]) -> None:
    job = state.job
    assert job is not None, "a token is a job's"
    if reply.meaning is Answer.CHECK_AGAIN:
        state.renew(job, f"its token was answered {reply.code} {reply.text}", now_ms, out)
    else:
        _pass_on(state, reply, now_ms, out, is_shrugged=reply.code in state.dialect.shrugged)


def _after_step(state: HttpState, reply: Reply, now_ms: int, out: list[Effect]) -> None:
    job = state.job
    assert job is not None, "a step is a job's"
    why = f"step {job.step} was answered {reply.code} {reply.text}"
    if reply.meaning is Answer.CHECK_AGAIN and state.stage is not Stage.UPDATED:
        state.renew(job, why, now_ms, out)
    elif reply.meaning in {Answer.OVER, Answer.DONE} and state.stage is Stage.FAILING:
        job_moves.let_go(state, job, why, now_ms, out)
    else:
        is_shrugged = job.step < STEP_DOWNLOAD_DONE and reply.code in state.dialect.shrugged
        _pass_on(state, reply, now_ms, out, is_shrugged=is_shrugged)


def _pass_on(state: HttpState, reply: Reply, now_ms: int, out: list[Effect], *, is_shrugged: bool) -> None:
    meaning = Answer.GO_ON if is_shrugged else reply.meaning
    job_moves.move_job(state, job_moves.Replied(meaning, reply.code, reply.text), now_ms, out)


_AFTER: Final[Mapping[Asked, Callable[[HttpState, Reply, int, list[Effect]], None]]] = MappingProxyType(
    {
        Asked.VERSION: _after_version,
        Asked.CHECK: _after_check,
        Asked.TOKEN: _after_token,
        Asked.STEP: _after_step,
    }
)
