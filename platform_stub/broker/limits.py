"""What the access point allows, as one value: the profile of onenet-protocol, section 3, and bounds of our own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a broker; the defaults are OneNET's profile."""

    # the profile
    keepalive_min_s: int = 10
    keepalive_max_s: int = 1800
    subscriptions_max: int = 10
    granted_qos_max: int = 1  # the real platform grants 0
    payload_bytes_max: int = 256 * 1024

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
