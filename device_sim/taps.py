"""What agents pass on to a device's record: messages, calls and downloads, read for what they say.

Called only where there is a record. A payload that can't be read is kept and counted all the same. Not here: what is
kept of it, and how much (`recorder`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from device_sim.core.dialect import Dialect
from device_sim.core.effects import Call, Send
from device_sim.core.http_state import Asked
from device_sim.core.state import Job
from device_sim.recorder import ANSWER, REPORT, TOLD, Record
from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import UpdateKind

CALLS: Final[Mapping[Asked, str]] = MappingProxyType(
    {Asked.VERSION: "version", Asked.CHECK: "check", Asked.TOKEN: "token", Asked.STEP: "status"}
)
"""What calls are counted as, in all generations."""
_KINDS: Final[Mapping[int, str]] = MappingProxyType({int(kind): kind.name for kind in UpdateKind})


class _Step(Struct, frozen=True):
    """A step as HTTP says it; generation A says `result` from 101 on."""

    step: int = 0
    result: int = 0


class _Versions(Struct, frozen=True):
    """Versions as HTTP says them."""

    f_version: str | UnsetType = UNSET
    s_version: str | UnsetType = UNSET


_step: Final = msgspec.json.Decoder(_Step)
_versions: Final = msgspec.json.Decoder(_Versions)


def message_sent(record: Record, effect: Send) -> None:
    """Note a message of the device."""
    suffix, payload = effect.suffix, effect.payload
    again = "again" if effect.again else ""
    tid = step = 0
    match suffix:
        case topics.STATUS:
            params = messages.decode(payload, messages.StatusReport).params
            tid, step = params.tid, params.step
            record.add(REPORT, tid, step, again)
        case topics.VERSION:
            said = messages.decode(payload, messages.VersionReport).params
            record.add(REPORT, text=_spell_versions(said.f_version, said.s_version, again))
        case topics.PROPERTY_POST:
            record.add(REPORT, text=f"card {again}".rstrip())
    record.tally("sent", suffix.removeprefix("/"), step)
    if record.keeps_wire:
        record.trace("sent", "mqtt", suffix, payload)


def message_came(record: Record, suffix: str, payload: bytes) -> None:
    """Note a message of the platform."""
    record.tally("received", suffix.removeprefix("/"))
    if record.keeps_wire:
        record.trace("received", "mqtt", suffix, payload)
    try:
        if suffix == topics.INFORM:
            _told(record, messages.decode(payload, messages.Inform).params)
        elif suffix in _ANSWERS:
            reply = messages.decode(payload, messages.Reply)
            record.add(ANSWER, text=f"{_ANSWERS[suffix]} {reply.code} {reply.msg}".rstrip())
    except messages.MessageError as fault:
        record.add(ANSWER, text=f"unreadable: {fault}")


_ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        topics.STATUS_REPLY: "status",
        topics.VERSION_REPLY: "version",
        topics.PROPERTY_POST_REPLY: "card",
    }
)


def _told(record: Record, params: messages.InformParams) -> None:
    if params.tid is UNSET:
        record.add(TOLD, text="that there is something")
        return
    kind = _KINDS.get(params.type, "?") if params.type is not UNSET else "?"
    target = params.target if params.target is not UNSET else "?"
    record.add(TOLD, params.tid, text=f"{kind} to {target}")


def call_made(record: Record, asked: Asked, job: Job | None, effect: Call) -> None:
    """Note a call of the device."""
    again = "again" if effect.again else ""
    step = 0
    if asked is Asked.STEP:
        step = _step_in(effect.body)
        record.add(REPORT, job.tid if job is not None else 0, step, again)
    elif asked is Asked.VERSION:
        said = _versions_in(effect.body)
        record.add(REPORT, text=_spell_versions(said.f_version, said.s_version, again))
    record.tally("sent", CALLS.get(asked, "check"), step)
    if record.keeps_wire:
        record.trace("sent", "http", f"{effect.method} {effect.path}", effect.body)


def call_answered(
    record: Record, dialect: Dialect, asked: Asked, job: Job | None, status: int, body: bytes
) -> None:
    """Note the answer to a call. That a check found nothing is counted, but no part of the story."""
    call = CALLS.get(asked, "check")
    step = job.step if job is not None and asked is Asked.STEP else 0
    record.tally("received", call, step)
    if record.keeps_wire:
        record.trace("received", "http", call, body, status=status)
    if asked is not Asked.CHECK:
        reply = dialect.read(status, body)
        tid = job.tid if step and job is not None else 0
        record.add(ANSWER, tid, step, f"{call} {reply.code} {reply.text}".rstrip())


def call_failed(record: Record, asked: Asked, reason: str) -> None:
    """Note that there is no answer to a call."""
    if record.keeps_wire:
        record.trace("received", "http", f"no answer to {CALLS.get(asked, 'check')}", reason.encode())


def package_asked(record: Record, path: str, start: int, stop: int) -> None:
    """Note that a part of a package is asked for."""
    record.tally("sent", "download")
    if record.keeps_wire:
        asked = b"bytes=%d-%d" % (start, stop - 1) if stop > start else b""
        record.trace("sent", "http", f"GET {path}", asked)


def package_came(record: Record, status: int, content_range: str | None, size_bytes: int) -> None:
    """Note that it is answered; the part itself is never kept."""
    record.tally("received", "download")
    if record.keeps_wire:
        said = (content_range or "").encode()
        record.trace("received", "http", "download", said, status=status, size_bytes=size_bytes)


def package_failed(record: Record, reason: str) -> None:
    """Note that there is no answer, or not all of it."""
    if record.keeps_wire:
        record.trace("received", "http", "no answer to download", reason.encode())


def _spell_versions(f_version: object, s_version: object, again: str) -> str:
    said = {"f_version": f_version, "s_version": s_version}
    told = ", ".join(f"{name} {value}" for name, value in said.items() if value is not UNSET)
    return f"{told} {again}".strip()


def _versions_in(body: bytes) -> _Versions:
    try:
        return _versions.decode(body)
    except msgspec.DecodeError:  # a fault has made it so
        return _Versions()


def _step_in(body: bytes) -> int:
    try:
        said = _step.decode(body)
    except msgspec.DecodeError:  # a fault has made it so
        return 0
    return said.step or said.result
