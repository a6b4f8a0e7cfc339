"""What a message leads to, over MQTT: an answer, a job, or the job's next step.

Source: onenet-protocol, sections 3 to 5; what a code means is in `answers`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import UNSET

from device_sim.core import answers, reports
from device_sim.core.answers import Answer
from device_sim.core.download import Download
from device_sim.core.effects import Effect, Noted, Send, Struck
from device_sim.core.events import Received
from device_sim.core.job_moves import Replied, begin, move_job
from device_sim.core.profile import Profile
from device_sim.core.state import JOBS_WAITING_MAX, Job, Link, Stage, State
from device_sim.core.talker import Talker
from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import UpdateKind

INFORM_REFUSED: Final = 100
"""`code` of an inform_reply that says no, as the official library spells it."""

_KINDS: Final = frozenset(int(kind) for kind in UpdateKind)
_MD5_DIGITS: Final = 32


def received(state: Talker, event: Received, now_ms: int, out: list[Effect]) -> None:
    """Read a message, and do what it asks for."""
    if state.plight is not None and _passes_over(state, event, out):
        return
    handler = _HANDLERS.get(event.suffix)
    if handler is None:
        out.append(Noted(f"a message on {event.suffix}, which means nothing to a device"))
        return
    try:
        handler(state, event.payload, now_ms, out)
    except messages.MessageError as fault:
        out.append(Noted(f"{event.suffix}: {fault}"))


def _passes_over(state: Talker, event: Received, out: list[Effect]) -> bool:
    """Whether a fault keeps it from doing what the message asks for."""
    plight = state.plight
    assert plight is not None, "a fault is a plight's"
    if state.stage is Stage.HANGING:
        return True
    if event.suffix != topics.INFORM:
        return False
    if plight.strike("silent") is not None:
        out.append(Struck("silent", "does not react to an inform"))
        return True
    if plight.first("refuse_inform") is None:
        return False
    try:
        inform = messages.decode(event.payload, messages.Inform)
    except messages.MessageError:
        return False
    plight.strike("refuse_inform")
    out += (
        Struck("refuse_inform", "answers an inform that it will not update"),
        inform_reply(inform.id, INFORM_REFUSED),
    )
    return True


def _informed(state: Talker, payload: bytes, now_ms: int, out: list[Effect]) -> None:
    inform = messages.decode(payload, messages.Inform)
    params = inform.params
    if params.tid is UNSET:
        out.append(inform_reply(inform.id, messages.ACCEPTED))
        if state.version_report is None:  # it is on its way, or this makes the platform tell what there is
            reports.report_version(state, now_ms, out)
        return
    fault = _inform_fault(params)
    if fault or len(state.waiting) >= JOBS_WAITING_MAX:
        out.append(inform_reply(inform.id, INFORM_REFUSED))
        out.append(Noted(f"inform of job {params.tid} refused: {fault or 'too many jobs wait'}"))
        return
    out.append(inform_reply(inform.id, messages.ACCEPTED))
    if not _is_known(state, params.tid):
        state.waiting += (params,)
        begin_next(state, now_ms, out)


def begin_next(state: Talker, now_ms: int, out: list[Effect]) -> None:
    """Take up the job that has waited longest, if there is one and none is under way."""
    if state.job is None and state.waiting:
        params, *rest = state.waiting
        state.waiting = tuple(rest)
        begin(state, _job_of(params, state.profile), now_ms, out)


def _job_of(params: messages.InformParams, profile: Profile) -> Job:
    assert isinstance(params.tid, int)
    assert isinstance(params.type, int)
    assert isinstance(params.target, str)
    assert isinstance(params.size, int)
    assert isinstance(params.md5, str)
    assert isinstance(params.url, str)
    download = Download(
        size_bytes=params.size,
        md5=params.md5,
        chunk_bytes=profile.chunk_bytes,
        flush_bytes=profile.world.flush_bytes,
    )
    return Job(params.tid, UpdateKind(params.type), params.target, params.url, download)


def inform_reply(message_id: str, code: int) -> Send:
    """Say yes or no to an inform."""
    return Send(topics.INFORM_REPLY, messages.encode(messages.InformReply(id=message_id, code=code)))


def _is_known(state: State, tid: int) -> bool:
    """Whether it works on this job, will, or has: a job that is told twice is done once."""
    if state.job is not None and state.job.tid == tid:
        return True
    return tid in state.finished or any(params.tid == tid for params in state.waiting)


def _inform_fault(params: messages.InformParams) -> str:
    """Say what is wrong with a filled inform; an empty text when a device can work on it."""
    missing = [name for name, value in msgspec.structs.asdict(params).items() if value is UNSET]
    if missing:
        return f"params without {', '.join(missing)}"
    if params.type not in _KINDS:
        return f"type {params.type}"
    if not isinstance(params.size, int) or params.size < 0:
        return f"size {params.size}"
    url = params.url if isinstance(params.url, str) else ""
    if not url.startswith("/") or not url.isascii() or not url.isprintable() or " " in url:
        return f"url {url!r} is no path"
    if not isinstance(params.md5, str) or len(params.md5) != _MD5_DIGITS:
        return f"md5 {params.md5!r}"
    return ""


def _version_replied(state: Talker, payload: bytes, now_ms: int, out: list[Effect]) -> None:
    reply, report = messages.decode(payload, messages.Reply), state.version_report
    if report is None or not reports.is_answer(report, reply):
        return
    if reply.code != messages.ACCEPTED:  # it is sent again: without it the device is not present
        out.append(reports.refusal(report, reply))
        return
    state.version_report = None
    if state.link is Link.REPORTING:
        state.link = Link.PRESENT
        state.present_since_ms = now_ms


def _status_replied(state: Talker, payload: bytes, now_ms: int, out: list[Effect]) -> None:
    reply = messages.decode(payload, messages.Reply)
    if reports.is_answer(state.status_report, reply):
        state.status_report = None
        meaning = answers.MQTT.get(reply.code, Answer.REFUSED)
        move_job(state, Replied(meaning, reply.code, reply.msg), now_ms, out)


def _card_replied(state: Talker, payload: bytes, _: int, out: list[Effect]) -> None:
    reply, report = messages.decode(payload, messages.Reply), state.card_report
    if report is None or not reports.is_answer(report, reply):
        return
    if reply.code != messages.ACCEPTED:
        out.append(reports.refusal(report, reply))
        return
    state.card_report, state.card_unposted = None, False


_HANDLERS: Mapping[str, Callable[[Talker, bytes, int, list[Effect]], None]] = MappingProxyType(
    {
        topics.INFORM: _informed,
        topics.STATUS_REPLY: _status_replied,
        topics.VERSION_REPLY: _version_replied,
        topics.PROPERTY_POST_REPLY: _card_replied,
    }
)
"""What a device reads, and so what it subscribes to."""
SUBSCRIPTIONS: Final = tuple(_HANDLERS)
