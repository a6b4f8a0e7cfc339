"""Who is connected, and telling devices of their jobs.

One session a device: a later one takes over. Nothing here is kept: a device that comes back subscribes, and is
told again. Source: onenet-protocol, section 3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from platform_stub.protocol import messages, topics
from platform_stub.service.ports import Downlink, Session


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

    def __init__(self) -> None:
        self._by_device: dict[int, Session] = {}
        self._downlink: Downlink | None = None
        self._message_ids = count(1)
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
        if self._downlink is not None:
            self._downlink.publish(session, suffix, payload, qos)

    def inform(self, session: Session, jobs: Iterable[JobFacts]) -> None:
        """Tell a device of its jobs: one filled inform each when it is present, one empty one otherwise."""
        if not session.told_by_inform or self._downlink is None:
            return
        if not session.present:
            message = messages.Inform(id=f"e{next(self._message_ids)}", params=messages.InformParams())
            self._downlink.publish(session, topics.INFORM, messages.encode(message), 0)
            return
        for job in jobs:
            params = messages.InformParams(
                tid=job.tid,
                type=job.kind,
                target=job.target,
                size=job.size_bytes,
                md5=job.md5,
                url=download_path(session.product_id, session.name, job.tid),
            )
            message = messages.Inform(id=str(job.tid), params=params)
            self.informs_sent += 1
            self._downlink.publish(session, topics.INFORM, messages.encode(message), 1, self._delivered)

    def _delivered(self) -> None:
        self.informs_delivered += 1
