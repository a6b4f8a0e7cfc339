"""What the access point allows, as one value: the profile of onenet-protocol, section 3, and bounds of our own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a broker; the defaults are OneNET's profile without its rates, `STRICT` has those too."""

    # the profile
    keepalive_min_s: int = 10
    keepalive_max_s: int = 1800
    subscriptions_max: int = 10
    granted_qos_max: int = 1  # the real platform grants 0
    payload_bytes_max: int = 256 * 1024

    # the profile's rates, per device; 0 holds none
    logins_max: int = 0  # in `logins_window_ms`; further ones are refused
    logins_window_ms: int = 5_000
    publishes_per_s: int = 0  # upwards; faster ones are delayed, not refused
    subscribes_per_s: int = 0  # subscribes and unsubscribes; one more ends the connection (I)
    pings_per_s: int = 0  # one more ends the connection (I)
    bytes_per_s: int = 0  # upwards; what is more is read later

    # so that no peer costs more than its share
    connect_timeout_ms: int = 10_000
    connect_bytes_max: int = 4096  # until a CONNECT has been accepted
    closing_timeout_ms: int = 5_000  # to take what was sent before the end
    topic_bytes_max: int = 512  # allowed for on top of the payload; no legal topic is as long
    unsettled_max: int = 64  # publishes of a device whose commit is awaited; then its socket is not read
    inflight_max: int = 32  # QoS 1 messages to a device that await their PUBACK
    queue_messages_max: int = 1_000  # in flight and waiting
    queue_bytes_max: int = 1024 * 1024  # unsent or waiting

    # of the broker as a whole
    backlog: int = 4096
    gather_max: int = 2048  # connections whose writes may wait for the end of a loop turn

    @property
    def packet_bytes_max(self) -> int:
        """The largest packet a device may send once it is let in."""
        return self.payload_bytes_max + self.topic_bytes_max

    @property
    def has_rates(self) -> bool:
        """Whether what a connection sends is timed."""
        return bool(self.publishes_per_s or self.subscribes_per_s or self.pings_per_s or self.bytes_per_s)


STRICT: Final = Limits(
    granted_qos_max=0,
    logins_max=3,
    publishes_per_s=1,
    subscribes_per_s=10,
    pings_per_s=1,
    bytes_per_s=512 * 1024,
)
"""What the documentation says a device may do, taken by the letter."""
