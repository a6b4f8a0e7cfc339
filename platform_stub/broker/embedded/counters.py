"""What the embedded broker has seen, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from platform_stub.protocol.mqtt.packets import ConnackCode


class CloseReason(Enum):
    """Why a connection ended."""

    LEFT = "the client left"  # DISCONNECT
    LOST = "the connection was lost"
    REFUSED = "CONNECT was refused"
    NO_CONNECT = "no CONNECT in time"
    SILENT = "nothing heard for 1.5 times the keep-alive"
    TAKEN_OVER = "the same client connected again"
    MALFORMED = "malformed packet"
    TOO_LARGE = "packet or payload too large"
    VIOLATION = "packet out of place"
    QOS_2 = "QoS 2"
    RETAINED = "retained message"
    ILLEGAL_TOPIC = "publish to an illegal topic"
    TOO_FAST = "more subscribes or pings a second than the profile allows"  # strict mode only
    QUEUE_FULL = "the client does not take what it is sent"
    NOT_COMMITTED = "what it sent could not be committed"
    BY_PLATFORM = "ended by the platform"
    STOPPED = "the broker stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSnapshot:
    """The counters at one moment; all but `connections` and `sessions` only grow."""

    connections: int
    sessions: int
    accepted: int
    refused: Mapping[ConnackCode, int]
    closed: Mapping[CloseReason, int]
    published_up: int
    duplicates: int
    published_down: int
    acknowledged_down: int
    dropped: int


@dataclass(slots=True)
class Counters:
    """Counted as it happens.

    `duplicates` came again while the first was not committed yet; `dropped` had no session, or no subscription.
    """

    accepted: int = 0
    published_up: int = 0
    duplicates: int = 0
    published_down: int = 0
    acknowledged_down: int = 0
    dropped: int = 0
    refused: dict[ConnackCode, int] = field(default_factory=dict)
    closed: dict[CloseReason, int] = field(default_factory=dict)

    def count_end(self, reason: CloseReason, code: ConnackCode | None) -> None:
        """Count the end of a connection; `code` is what its CONNECT was refused with."""
        self.closed[reason] = self.closed.get(reason, 0) + 1
        if code is not None:
            self.refused[code] = self.refused.get(code, 0) + 1

    def snapshot(self, *, connections: int, sessions: int) -> BrokerSnapshot:
        """Freeze the numbers."""
        return BrokerSnapshot(
            connections=connections,
            sessions=sessions,
            accepted=self.accepted,
            refused=MappingProxyType(dict(self.refused)),
            closed=MappingProxyType(dict(self.closed)),
            published_up=self.published_up,
            duplicates=self.duplicates,
            published_down=self.published_down,
            acknowledged_down=self.acknowledged_down,
            dropped=self.dropped,
        )
