"""Reports: made, sent, sent again with the same message id, and taken off when their reply comes.

At most one of each kind is without a reply; a newer one of the same kind takes its place.
"""

from msgspec import UNSET

from device_sim.core.effects import Effect, Noted, Send, Struck
from device_sim.core.plight import Plight
from device_sim.core.state import Job, Link, Report, State
from device_sim.core.wheel import NEVER
from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import FuseCode

_TRANSIENT = frozenset({FuseCode.INTERNAL})


def report_version(state: State, now_ms: int, out: list[Effect]) -> None:
    """Tell both versions."""
    message_id = _next_id(state)
    state.version_report = report = Report(topics.VERSION, message_id, _versions(state, message_id))
    _send(state, report, now_ms, out)


def _versions(state: State, message_id: str) -> bytes:
    params = messages.VersionParams(
        f_version=UNSET if state.f_version is None else state.f_version,
        s_version=UNSET if state.s_version is None else state.s_version,
    )
    return messages.encode(messages.VersionReport(id=message_id, params=params))


def report_card(state: State, now_ms: int, out: list[Effect]) -> None:
    """Tell the card's numbers (B9)."""
    params = messages.CardParams(
        iccid=messages.CardValue(value=state.iccid), imsi=messages.CardValue(value=state.imsi)
    )
    message_id = _next_id(state)
    payload = messages.encode(messages.PropertyPost(id=message_id, params=params))
    state.card_report = report = Report(topics.PROPERTY_POST, message_id, payload)
    _send(state, report, now_ms, out)


def report_step(state: State, job: Job, step: int, now_ms: int, out: list[Effect]) -> None:
    """Tell where the job stands; it waits for the link when there is none."""
    message_id = _next_id(state)
    params = messages.StatusParams(tid=job.tid, step=step)
    payload = messages.encode(messages.StatusReport(id=message_id, params=params))
    job.step = step
    state.status_report = report = Report(topics.STATUS, message_id, payload)
    _send(state, report, now_ms, out)


def repeat_all(state: State, now_ms: int, out: list[Effect]) -> None:
    """Send what had no reply on the connection before."""
    for report in (state.card_report, state.status_report):
        if report is not None:
            _repeat(state, report, now_ms, out)


def repeat_due(state: State, now_ms: int, out: list[Effect]) -> None:
    """Send what has waited long enough for its reply."""
    for report in (state.version_report, state.card_report, state.status_report):
        if report is not None and report.due_ms <= now_ms:
            _repeat(state, report, now_ms, out)


def hold_all(state: State) -> None:
    """Send nothing until there is a link again."""
    for report in (state.version_report, state.card_report, state.status_report):
        if report is not None:
            report.due_ms = NEVER


def release_all(state: State, now_ms: int) -> None:
    """Send again, soon, what was held without a loss of the link."""
    for report in (state.version_report, state.card_report, state.status_report):
        if report is not None:
            report.due_ms = now_ms


def is_answer(report: Report | None, reply: messages.Reply) -> bool:
    """Whether a reply belongs to this report, and is not "try again"."""
    return report is not None and report.message_id == reply.id and reply.code not in _TRANSIENT


def refusal(report: Report, reply: messages.Reply) -> Noted:
    """Word a refusal."""
    return Noted(f"{report.suffix} was refused: code {reply.code} {reply.msg}")


def _next_id(state: State) -> str:
    state.serial += 1
    return str(state.serial)


def _send(state: State, report: Report, now_ms: int, out: list[Effect]) -> None:
    if state.link >= Link.REPORTING:
        report.interval_ms = state.profile.reply_interval_ms
        report.due_ms = now_ms + report.interval_ms
        if state.plight is None:
            out.append(Send(report.suffix, report.payload))
        else:
            _put(state, report, state.plight, out, again=False)


def _repeat(state: State, report: Report, now_ms: int, out: list[Effect]) -> None:
    if report is state.version_report and report.payload != _versions(state, report.message_id):
        report_version(state, now_ms, out)  # something else runs by now
        return
    if not report.interval_ms:
        _send(state, report, now_ms, out)
        return
    if report.due_ms != NEVER:
        report.interval_ms = min(report.interval_ms * 2, state.profile.reply_interval_max_ms)
    report.due_ms = now_ms + report.interval_ms
    if state.plight is None:
        out.append(Send(report.suffix, report.payload, again=True))
    else:
        _put(state, report, state.plight, out, again=True)


def _put(state: State, report: Report, plight: Plight, out: list[Effect], *, again: bool) -> None:
    """Send it, but that a fault may have a step lost, or told twice."""
    step = state.job.step if state.job is not None and report is state.status_report else None
    if step is not None and plight.strike_report("lose_reports", step) is not None:
        out.append(Struck("lose_reports", f"the report of step {step} got lost"))
        return
    out.append(Send(report.suffix, report.payload, again))
    if step is not None and plight.strike_report("double_reports", step) is not None:
        out.append(Struck("double_reports", f"step {step} is told twice"))
        out.append(Send(report.suffix, report.payload, again=True))
