"""Who is connected, and telling devices of their jobs.

One session a device: a later one takes over. Nothing here is kept: a device that comes back subscribes, and is
told again. What goes out passes the injected faults. Source: onenet-protocol, section 3.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Final

import msgspec

from platform_stub.protocol import messages, topics
from platform_stub.protocol.injected import EMPTY_INFORM
from platform_stub.protocol.operator import InjectFault
from platform_stub.service.injection import Injection, spoil_md5
from platform_stub.service.ports import Downlink, Session

LATE_MAX: Final = 100_000
"""How many messages an injected delay may hold back at a time; further ones are lost."""
_CALLS: Final[Mapping[str, str]] = MappingProxyType(
    {topics.VERSION_REPLY: "version", topics.STATUS_REPLY: "status"}
)
_MQTT: Final = "mqtt"


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a filled inform says."""

    tid: int
    kind: int
    target: str
    size_bytes: int
    md5: str


def download_path(product_id: str, name: str, tid: int) -> str:
    """Where a job's package is downloaded, relative to the HTTP address."""
    return f"/fuse-ota/{product_id}/{name}/{tid}/download"


class Sessions:
    """All sessions by device ID, and the broker that carries what is sent to them."""

    def __init__(self, injection: Injection, late_max: int = LATE_MAX) -> None:
        self._by_device: dict[int, Session] = {}
        self._downlink: Downlink | None = None
        self._injection = injection
        self._message_ids = count(1)
        self._late = 0
        self._late_max = late_max
        self.informs_sent = 0
        self.informs_delivered = 0

    def attach(self, downlink: Downlink) -> None:
        """Name the broker."""
        self._downlink = downlink

    def open(self, session: Session) -> None:
        """Enter a session, in place of an older one of the device."""
        self._by_device[session.device_id] = session

    def drop(self, session: Session) -> None:
        """Forget a session, unless a later one has its place."""
        if self._by_device.get(session.device_id) is session:
            del self._by_device[session.device_id]

    def __len__(self) -> int:
        return len(self._by_device)

    def is_connected(self, device_id: int) -> bool:
        """Whether the device has a session."""
        return device_id in self._by_device

    def get(self, device_id: int) -> Session | None:
        """Return the device's session."""
        return self._by_device.get(device_id)

    def listening(self) -> list[Session]:
        """List the sessions that would get an inform."""
        return [session for session in self._by_device.values() if session.told_by_inform]

    def close(self, device_id: int) -> None:
        """End a device's connection: it was terminated, or moved."""
        session = self._by_device.get(device_id)
        if session is not None and self._downlink is not None:
            self._downlink.close(session)

    def publish(self, session: Session, suffix: str, payload: bytes, qos: int = 1) -> None:
        """Send to a device, if it is still there."""
        if self._downlink is None:
            return
        fault = None
        if not self._injection.is_empty and suffix in _CALLS:
            fault = self._pick(_CALLS[suffix], session)
        if fault is None:
            self._downlink.publish(session, suffix, payload, qos)
            return
        if fault.code is not None:
            payload = _with_code(payload, fault.code)
        self._send(fault, session, suffix, payload, qos)

    def inform(self, session: Session, jobs: Iterable[JobFacts]) -> None:
        """Tell a device of its jobs: one filled inform each when it is present, one empty one otherwise."""
        if not session.told_by_inform or self._downlink is None:
            return
        if not session.present:
            message = messages.Inform(id=f"e{next(self._message_ids)}", params=messages.InformParams())
            fault = self._pick(EMPTY_INFORM, session)
            self._send(fault, session, topics.INFORM, messages.encode(message), 0)
            return
        for job in jobs:
            self._inform_of(session, job)

    def _inform_of(self, session: Session, job: JobFacts) -> None:
        fault = self._pick("inform", session)
        params = messages.InformParams(
            tid=job.tid,
            type=job.kind,
            target=job.target,
            size=job.size_bytes,
            md5=spoil_md5(job.md5) if fault is not None and fault.wrong_md5 else job.md5,
            url=download_path(session.product_id, session.name, job.tid),
        )
        message = messages.Inform(id=str(job.tid), params=params)
        if fault is None or not fault.silent:
            self.informs_sent += 1
        self._send(fault, session, topics.INFORM, messages.encode(message), 1, self._delivered)

    def _pick(self, call: str, session: Session) -> InjectFault | None:
        return self._injection.pick(call, _MQTT, session.device_id, session.product_id)

    def _send(
        self,
        fault: InjectFault | None,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send now, later, or not at all."""
        assert self._downlink is not None
        if fault is None or not (fault.silent or fault.delay_ms):
            self._downlink.publish(session, suffix, payload, qos, delivered)
        elif not fault.silent and self._late < self._late_max:
            self._late += 1
            loop = asyncio.get_running_loop()
            loop.call_later(fault.delay_ms / 1e3, self._send_late, session, suffix, payload, qos, delivered)

    def _send_late(
        self,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None,
    ) -> None:
        """Send what was held back; the broker drops it when the session is over."""
        self._late -= 1
        if self._downlink is not None:
            self._downlink.publish(session, suffix, payload, qos, delivered)

    def _delivered(self) -> None:
        self.informs_delivered += 1


def _with_code(payload: bytes, code: int) -> bytes:
    """Give a reply another code, as if the platform had refused."""
    reply = messages.decode(payload, messages.Reply)
    return messages.encode(msgspec.structs.replace(reply, code=code, msg="injected fault"))
