"""Who is connected, and telling devices of their jobs.

One session a device: a later one takes over. Nothing here is kept: a device that comes back subscribes, and is
told again. What goes out passes the injected faults. Source: onenet-protocol, section 3.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Final

import msgspec

from platform_stub.protocol import messages, topics
from platform_stub.protocol.injected import EMPTY_INFORM
from platform_stub.protocol.shown import shown
from platform_stub.service.injection import Injection, Strike, spoil_md5
from platform_stub.service.ports import AccessLog, Downlink, Session

LATE_MAX: Final = 100_000
"""How many messages an injected delay may hold back at a time; further ones are lost."""
_CALLS: Final[Mapping[str, str]] = MappingProxyType(
    {topics.VERSION_REPLY: "version", topics.STATUS_REPLY: "status"}
)
_MQTT: Final = "mqtt"


class JobFacts(msgspec.Struct, frozen=True, gc=False):
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

    def __init__(self, injection: Injection, late_max: int = LATE_MAX, log: AccessLog | None = None) -> None:
        self._by_device: dict[int, Session] = {}
        self._downlink: Downlink | None = None
        self._injection = injection
        self._log = log
        self._message_ids = count(1)
        self._late = 0
        self._late_max = late_max
        self.tellings = 0  # begun so far, see `telling`
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

    def reported(self, session: Session) -> None:
        """A device is present, and told by its version report of all that was to be told by now."""
        session.present, session.telling = True, self.tellings

    def __len__(self) -> int:
        return len(self._by_device)

    def is_connected(self, device_id: int) -> bool:
        """Whether the device has a session."""
        return device_id in self._by_device

    def get(self, device_id: int) -> Session | None:
        """Return the device's session."""
        return self._by_device.get(device_id)

    def is_any_of(self, account_id: int) -> bool:
        """Whether any device of an account is connected."""
        return any(session.account_id == account_id for session in self._by_device.values())

    def listening(self) -> list[Session]:
        """List the sessions that would get an inform."""
        return [session for session in self._by_device.values() if session.told_by_inform]

    def close(self, device_id: int) -> None:
        """End a device's connection: it was terminated, or moved."""
        session = self._by_device.get(device_id)
        if session is not None and self._downlink is not None:
            self._downlink.close(session)

    def publish(
        self, session: Session, suffix: str, payload: bytes, qos: int = 1, note: str | None = None
    ) -> None:
        """Send to a device, if it is still there. `note` says to people what the payload does not."""
        if self._downlink is None:
            return
        strike = None
        if not self._injection.is_empty and suffix in _CALLS:
            strike = self._pick(_CALLS[suffix], session, suffix)
        if strike is None:
            if self._log is not None:
                self._write_down(session, None, f"{suffix} {shown(payload)}", suffix, note)
            self._downlink.publish(session, suffix, payload, qos)
            return
        if strike.rule.code is not None:
            payload = _with_code(payload, strike.rule.code)
        if self._log is not None:
            self._write_down(session, strike, f"{suffix} {shown(payload)}", suffix, note)
        self._send(strike, session, suffix, payload, qos)

    def inform(self, session: Session, jobs: Iterable[JobFacts]) -> None:
        """Tell a device of its jobs: one filled inform each when it is present, one empty one otherwise."""
        if not session.told_by_inform or self._downlink is None:
            return
        if not session.present:
            message = messages.Inform(id=f"e{next(self._message_ids)}", params=messages.InformParams())
            strike = self._pick(EMPTY_INFORM, session, topics.INFORM)
            if self._log is not None:
                self._write_down(session, strike, "empty inform", topics.INFORM)
            self._send(strike, session, topics.INFORM, messages.encode(message), 0)
            return
        for job in jobs:
            self._inform_of(session, job)

    def _inform_of(self, session: Session, job: JobFacts) -> None:
        strike = self._pick("inform", session, topics.INFORM)
        rule = None if strike is None else strike.rule
        params = messages.InformParams(
            tid=job.tid,
            type=job.kind,
            target=job.target,
            size=job.size_bytes,
            md5=spoil_md5(job.md5) if rule is not None and rule.wrong_md5 else job.md5,
            url=download_path(session.product_id, session.name, job.tid),
        )
        if self._log is not None:
            told = f"inform of job {job.tid}: {job.target}, {job.size_bytes} bytes"
            self._write_down(session, strike, told, topics.INFORM)
        message = messages.Inform(id=str(job.tid), params=params)
        if rule is None or not rule.silent:
            self.informs_sent += 1
        self._send(strike, session, topics.INFORM, messages.encode(message), 1, self._delivered)

    def _pick(self, call: str, session: Session, suffix: str) -> Strike | None:
        """Find what goes wrong; nothing does with what the broker drops anyway, and that counts as no strike."""
        if self._injection.is_empty:
            return None
        assert self._downlink is not None
        if not self._downlink.takes(session, suffix):
            return None
        return self._injection.pick(call, _MQTT, session.device_id, session.product_id)

    def _send(
        self,
        strike: Strike | None,
        session: Session,
        suffix: str,
        payload: bytes,
        qos: int,
        delivered: Callable[[], None] | None = None,
    ) -> None:
        """Send now, later, or not at all; the broker drops what comes when the session is over."""
        assert self._downlink is not None
        if strike is None:
            self._downlink.publish(session, suffix, payload, qos, delivered)
            return
        send = partial(self._downlink.publish, session, suffix, payload, qos, delivered)
        fault = strike.rule
        if not (fault.silent or fault.delay_ms):
            send()
        elif not fault.silent and self._late < self._late_max:
            self._late += 1
            asyncio.get_running_loop().call_later(fault.delay_ms / 1e3, self._send_late, send)

    def _send_late(self, send: Callable[[], None]) -> None:
        self._late -= 1
        send()

    def _write_down(
        self, session: Session, strike: Strike | None, what: str, suffix: str, note: str | None = None
    ) -> None:
        assert self._log is not None
        assert self._downlink is not None
        notes = [] if note is None else [note]
        if not self._downlink.takes(session, suffix):
            notes.append("dropped: the device has left, or has not subscribed to it")
        if strike is not None:
            late, fault_id = strike.rule.delay_ms, strike.fault.fault_id
            went = "not sent: " if strike.rule.silent else f"sent {late} ms late: " if late else ""
            notes.append(f"{went}injected fault {fault_id}")
        why = f" ({'; '.join(notes)})" if notes else ""
        self._log.write(_MQTT, f"{session.product_id}/{session.name}", f"-> {what}{why}")

    def _delivered(self) -> None:
        self.informs_delivered += 1


def _with_code(payload: bytes, code: int) -> bytes:
    """Give a reply another code, as if the platform had refused."""
    reply = messages.decode(payload, messages.Reply)
    return messages.encode(msgspec.structs.replace(reply, code=code, msg="injected fault"))
