"""The OTA client over MQTT: an event in, effects out.

`MQTT_MOVES` says what can happen to the connection in each of its states, `job_moves.JOB_MOVES` the same for the
job; a pair that is in neither is a mistake of the shell. Source: onenet-protocol, sections 3 to 5.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import UNSET

from device_sim.core import answers, link, reports
from device_sim.core.answers import Answer
from device_sim.core.download import Download
from device_sim.core.effects import Effect, Noted, Outcome, Send, StopFetch
from device_sim.core.events import (
    FETCH_EVENTS,
    CardReplaced,
    Event,
    FaultSet,
    LinkDown,
    LinkUp,
    PowerOff,
    PowerOn,
    Received,
    Tick,
)
from device_sim.core.job_moves import JOB_MOVES, Replied, begin, move_job
from device_sim.core.state import JOBS_WAITING_MAX, Job, Link, Stage, State
from device_sim.core.talker import ContractViolation, Talker
from device_sim.core.wheel import NEVER
from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import UpdateKind

INFORM_REFUSED: Final = 100
"""`code` of an inform_reply that says no, as the official library spells it."""

_TICK: Final = Tick()
_LINK_UP: Final = LinkUp()
_KINDS: Final = frozenset(int(kind) for kind in UpdateKind)
_MD5_DIGITS: Final = 32


class MqttDevice(Talker):
    """One simulated device that speaks MQTT. Not thread-safe; time is monotonic milliseconds."""

    __slots__ = ()

    def handle(self, event: Event, now_ms: int) -> list[Effect]:
        """Take an event; returns what the shell has to do, in order. ContractViolation for one that can't be."""
        out: list[Effect] = []
        kind = type(event)
        move = MQTT_MOVES.get((self.link, kind))
        if move is not None:
            move(self, event, now_ms, out)
            return out
        job_move = JOB_MOVES.get((self.stage, kind))
        if job_move is None or kind not in FETCH_EVENTS:
            raise ContractViolation(
                f"device {self.device_id}: {kind.__name__} while {self.link.name}, job {self.stage.name}"
            )
        job_move(self, self.job, event, now_ms, out)
        return out

    # what its job needs (`talker.Talker`)

    def tell_step(self, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
        """Send it; it waits for the link when there is none."""
        reports.report_step(self, job, step, now_ms, out)

    def tell_version(self, now_ms: int, out: list[Effect]) -> None:
        """Send both versions."""
        reports.report_version(self, now_ms, out)

    def restart(self, back_ms: int, out: list[Effect]) -> None:
        """Disconnect, and connect again then."""
        link.go_offline(self, back_ms, out)

    def asks_first(self, _: int, __: list[Effect]) -> bool:
        """Ask nothing: the inform has said it all."""
        return False

    def renew(self, job: Job, why: str, _: int, __: list[Effect]) -> None:
        """Never asked for: jobs over MQTT have no token."""
        raise ContractViolation(f"device {self.device_id}: no token to renew for job {job.tid} ({why})")

    def job_over(self, _: Outcome, now_ms: int, out: list[Effect]) -> None:
        """Take up the job that has waited longest, if there is one."""
        _begin_next(self, now_ms, out)


def _power_on(state: Talker, _: PowerOn, now_ms: int, out: list[Effect]) -> None:
    link.start(state, now_ms)
    if state.link_due_ms <= now_ms:
        link.connect(state, out)


def _power_off(state: Talker, _: PowerOff, now_ms: int, out: list[Effect]) -> None:
    link.go_offline(state, now_ms, out)
    if state.stage is Stage.FETCHING:
        out.append(StopFetch())
    state.link, state.link_due_ms = Link.OFF, NEVER
    state.job, state.stage, state.waiting = None, Stage.IDLE, ()
    state.version_report = state.status_report = state.card_report = None
    state.card_unposted = False


def _tick(state: Talker, _: Tick, now_ms: int, out: list[Effect]) -> None:
    if state.link >= Link.REPORTING:
        reports.repeat_due(state, now_ms, out)
    elif state.link is Link.WAITING and state.link_due_ms <= now_ms:
        link.connect(state, out)
    move_job(state, _TICK, now_ms, out)


def _link_up(state: Talker, _: LinkUp, now_ms: int, out: list[Effect]) -> None:
    """Report the versions, which makes the device present; then say again what had no answer."""
    state.link = Link.REPORTING
    reports.report_version(state, now_ms, out)
    reports.repeat_all(state, now_ms, out)
    if state.card_unposted and state.card_report is None:
        reports.report_card(state, now_ms, out)
    move_job(state, _LINK_UP, now_ms, out)


def _link_down(state: Talker, event: LinkDown, now_ms: int, _: list[Effect]) -> None:
    link.back_off(state, now_ms, refused=event.refused)


def _card_replaced(state: Talker, event: CardReplaced, now_ms: int, out: list[Effect]) -> None:
    state.iccid, state.imsi = event.iccid, event.imsi
    state.card_unposted, state.card_report = True, None
    link.go_offline(state, now_ms + state.profile.card_swap_ms, out)


def _fault_set(state: Talker, event: FaultSet, _: int, __: list[Effect]) -> None:
    state.set_fault(event.fault)


def _received(state: Talker, event: Received, now_ms: int, out: list[Effect]) -> None:
    handler = _HANDLERS.get(event.suffix)
    if handler is None:
        out.append(Noted(f"a message on {event.suffix}, which means nothing to a device"))
        return
    try:
        handler(state, event.payload, now_ms, out)
    except messages.MessageError as fault:
        out.append(Noted(f"{event.suffix}: {fault}"))


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
        _begin_next(state, now_ms, out)


def _begin_next(state: Talker, now_ms: int, out: list[Effect]) -> None:
    """Take up the job that has waited longest, if there is one and none is under way."""
    if state.job is None and state.waiting:
        params, *rest = state.waiting
        state.waiting = tuple(rest)
        begin(state, _job_of(params, state.profile.chunk_bytes), now_ms, out)


def _job_of(params: messages.InformParams, chunk_bytes: int) -> Job:
    assert isinstance(params.tid, int)
    assert isinstance(params.type, int)
    assert isinstance(params.target, str)
    assert isinstance(params.size, int)
    assert isinstance(params.md5, str)
    assert isinstance(params.url, str)
    download = Download(size_bytes=params.size, md5=params.md5, chunk_bytes=chunk_bytes)
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

_UP: Final = (Link.REPORTING, Link.PRESENT)
_ON: Final = (Link.WAITING, Link.CONNECTING, *_UP)

MQTT_MOVES: Mapping[tuple[Link, type], Callable[[Any, Any, int, list[Effect]], None]] = MappingProxyType(
    {
        (Link.OFF, PowerOn): _power_on,
        (Link.CONNECTING, LinkUp): _link_up,
        (Link.CONNECTING, LinkDown): _link_down,
        **{(at, LinkDown): _link_down for at in _UP},
        **{(at, Received): _received for at in _UP},
        **{(at, PowerOff): _power_off for at in _ON},
        **{(at, Tick): _tick for at in _ON},
        **{(at, CardReplaced): _card_replaced for at in _ON},
        **{(at, FaultSet): _fault_set for at in (Link.OFF, *_ON)},
    }
)
