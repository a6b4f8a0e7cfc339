"""What is put down about a device as it happens: its messages, calls and downloads, as they were.

Each kind knows how it is read: what it says in the story, what it counts as, and how it looks in a wire trace. It is
read later, if at all, so no payload is decoded while the device runs. A payload that can't be read is kept and counted
all the same. Not here: what is kept of it, and how much (`recorder`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from device_sim.core.dialect import Dialect
from device_sim.core.http_state import Asked
from device_sim.recorder import ANSWER, PAYLOAD_BYTES_MAX, REPORT, TOLD, Protocol, Record, Way, Wire
from platform_stub.protocol import messages, topics
from platform_stub.protocol.codes import UpdateKind

CALLS: Final[Mapping[Asked, str]] = MappingProxyType(
    {Asked.VERSION: "version", Asked.CHECK: "check", Asked.TOKEN: "token", Asked.STEP: "status"}
)
"""What calls are counted as, in all generations."""
_KINDS: Final[Mapping[int, str]] = MappingProxyType({int(kind): kind.name for kind in UpdateKind})
_ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        topics.STATUS_REPLY: "status",
        topics.VERSION_REPLY: "version",
        topics.PROPERTY_POST_REPLY: "card",
    }
)


class MessageSent(Struct, frozen=True, gc=False):
    """A message of the device; `again`: it was sent before and had no reply."""

    at_ms: int
    mark: int
    suffix: str
    payload: bytes
    again: bool

    def read(self, record: Record) -> None:
        """Take a report's step, versions or card for what it says."""
        again, step = "again" if self.again else "", 0
        match self.suffix:
            case topics.STATUS:
                params = messages.decode(self.payload, messages.StatusReport).params
                step = params.step
                record.tell(self.at_ms, REPORT, params.tid, step, again)
            case topics.VERSION:
                said = messages.decode(self.payload, messages.VersionReport).params
                text = _spell_versions(said.f_version, said.s_version, again)
                record.tell(self.at_ms, REPORT, text=text)
            case topics.PROPERTY_POST:
                record.tell(self.at_ms, REPORT, text=f"card {again}".rstrip())
        record.tally(self.mark, "sent", self.suffix.removeprefix("/"), step)
        record.trace(self)

    def wire(self) -> Wire:
        """Give it as it was."""
        return _wire(self.at_ms, "sent", "mqtt", self.suffix, self.payload)


class MessageCame(Struct, frozen=True, gc=False):
    """A message of the platform."""

    at_ms: int
    mark: int
    payload: bytes
    suffix: str

    def read(self, record: Record) -> None:
        """Take an inform for what it tells, and a reply for the answer that it is."""
        record.tally(self.mark, "received", self.suffix.removeprefix("/"))
        record.trace(self, len(self.payload))
        try:
            if self.suffix == topics.INFORM:
                params = messages.decode(self.payload, messages.Inform).params
                tid, text = _told(params)
                record.tell(self.at_ms, TOLD, tid, text=text)
            elif self.suffix in _ANSWERS:
                reply = messages.decode(self.payload, messages.Reply)
                text = f"{_ANSWERS[self.suffix]} {reply.code} {reply.msg}".rstrip()
                record.tell(self.at_ms, ANSWER, text=text)
        except messages.MessageError as fault:
            record.tell(self.at_ms, ANSWER, text=f"unreadable: {fault}")

    def wire(self) -> Wire:
        """Give it as it was."""
        return _wire(self.at_ms, "received", "mqtt", self.suffix, self.payload)


class CallMade(Struct, frozen=True, gc=False):
    """A call of the device: what it asked, in which job."""

    at_ms: int
    mark: int
    asked: Asked
    tid: int
    method: str
    path: str
    body: bytes
    again: bool

    def read(self, record: Record) -> None:
        """Take a report's step or versions for what it says."""
        again, step = "again" if self.again else "", 0
        if self.asked is Asked.STEP:
            step = _step_in(self.body)
            record.tell(self.at_ms, REPORT, self.tid, step, again)
        elif self.asked is Asked.VERSION:
            said = _versions_in(self.body)
            record.tell(self.at_ms, REPORT, text=_spell_versions(said.f_version, said.s_version, again))
        record.tally(self.mark, "sent", CALLS[self.asked], step)
        record.trace(self)

    def wire(self) -> Wire:
        """Give it as it was."""
        return _wire(self.at_ms, "sent", "http", f"{self.method} {self.path}", self.body)


class CallAnswered(Struct, frozen=True, gc=False):
    """The answer to a call. That a check found nothing is counted, but no part of the story."""

    at_ms: int
    mark: int
    body: bytes
    status: int
    dialect: Dialect
    asked: Asked
    tid: int
    step: int

    def read(self, record: Record) -> None:
        """Take it for the code that it gives."""
        call = CALLS[self.asked]
        step = self.step if self.asked is Asked.STEP else 0
        record.tally(self.mark, "received", call, step)
        record.trace(self, len(self.body))
        if self.asked is not Asked.CHECK:
            reply = self.dialect.read(self.status, self.body)
            text = f"{call} {reply.code} {reply.text}".rstrip()
            record.tell(self.at_ms, ANSWER, self.tid if step else 0, step, text)

    def wire(self) -> Wire:
        """Give it as it was."""
        return _wire(self.at_ms, "received", "http", CALLS[self.asked], self.body, self.status)


class CallFailed(Struct, frozen=True, gc=False):
    """There is no answer to a call."""

    at_ms: int
    mark: int
    asked: Asked
    reason: str

    def read(self, record: Record) -> None:
        """It says nothing."""
        record.trace(self)

    def wire(self) -> Wire:
        """Give the reason in its place."""
        name = f"no answer to {CALLS[self.asked]}"
        return _wire(self.at_ms, "received", "http", name, self.reason.encode())


class PackageAsked(Struct, frozen=True, gc=False):
    """The bytes [start:stop] of a package are asked for."""

    at_ms: int
    mark: int
    path: str
    start: int
    stop: int

    def read(self, record: Record) -> None:
        """Count it."""
        record.tally(self.mark, "sent", "download")
        record.trace(self)

    def wire(self) -> Wire:
        """Give the range in the place of a payload."""
        asked = b"bytes=%d-%d" % (self.start, self.stop - 1) if self.stop > self.start else b""
        return _wire(self.at_ms, "sent", "http", f"GET {self.path}", asked)


class PackageCame(Struct, frozen=True, gc=False):
    """That is answered; the part itself is never kept."""

    at_ms: int
    mark: int
    status: int
    content_range: str | None
    size_bytes: int

    def read(self, record: Record) -> None:
        """Count it."""
        record.tally(self.mark, "received", "download")
        record.trace(self)

    def wire(self) -> Wire:
        """Give the range in the place of the payload, with its announced length."""
        said = (self.content_range or "").encode()[:PAYLOAD_BYTES_MAX]
        return Wire(self.at_ms, "received", "http", "download", said, self.size_bytes, self.status)


class PackageFailed(Struct, frozen=True, gc=False):
    """There is no answer to that, or not all of it."""

    at_ms: int
    mark: int
    reason: str

    def read(self, record: Record) -> None:
        """It says nothing."""
        record.trace(self)

    def wire(self) -> Wire:
        """Give the reason in its place."""
        return _wire(self.at_ms, "received", "http", "no answer to download", self.reason.encode())


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


def _wire(at_ms: int, way: Way, protocol: Protocol, name: str, payload: bytes, status: int = 0) -> Wire:
    return Wire(at_ms, way, protocol, name, payload[:PAYLOAD_BYTES_MAX], len(payload), status)


def _told(params: messages.InformParams) -> tuple[int, str]:
    """Say which job an inform is about, and what that does."""
    if params.tid is UNSET:
        return 0, "that there is something"
    kind = _KINDS.get(params.type, "?") if params.type is not UNSET else "?"
    target = params.target if params.target is not UNSET else "?"
    return params.tid, f"{kind} to {target}"


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
