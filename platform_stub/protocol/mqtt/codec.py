"""MQTT 3.1.1 between bytes and packets: the way in is `Decoder`, the way out `encode` and its two fast cases.

The decoder takes the stream as it comes, in pieces of any size, and gives the same packets and the same fault
however it was cut. It holds no more than one packet's beginning, and no body that is over the limit.
"""

from typing import Final

from platform_stub.protocol.mqtt.bodies import KINDS, topic_name
from platform_stub.protocol.mqtt.encoding import REMAINING_MAX, encode, encode_puback, encode_publish
from platform_stub.protocol.mqtt.errors import MalformedPacket, PacketTooLarge, StreamFault
from platform_stub.protocol.mqtt.packets import Packet, Publish

__all__ = ["PACKET_BYTES_MAX", "Decoder", "encode", "encode_puback", "encode_publish"]

PACKET_BYTES_MAX: Final = REMAINING_MAX + 5
"""The largest packet there can be, fixed header included."""

_NOTHING: Final = bytearray()  # shared by all decoders that hold nothing; never written to
_READERS: Final = {number << 4 | kind.flags: kind.read for number, kind in KINDS.items() if number != 3}  # noqa: PLR2004
_PUBLISH_BITS: Final = 0xF0
_PUBLISH: Final = 0x30
_FIRST_BYTES: Final = frozenset(_READERS) | frozenset(
    _PUBLISH | dup | qos << 1 | retain
    for dup in (0, 8)
    for qos in (0, 1, 2)
    for retain in (0, 1)
    if qos or not dup
)


class Decoder:
    """One direction of one connection.

    After MalformedPacket it has no further use. After PacketTooLarge the limit may be raised, and `feed(b"")` goes on.
    """

    __slots__ = ("_held", "_wanted", "max_packet_bytes")

    def __init__(self, max_packet_bytes: int = PACKET_BYTES_MAX) -> None:
        """`max_packet_bytes` counts the fixed header too, and may be changed between two calls of `feed`."""
        self.max_packet_bytes = max_packet_bytes
        self._held = _NOTHING
        self._wanted = 0

    @property
    def held_bytes(self) -> int:
        """How much of an unfinished packet is kept."""
        return len(self._held)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Packet]:
        """Take what has arrived and return the packets that it completes; `data` may be reused afterwards.

        Raises MalformedPacket or PacketTooLarge; what was complete ahead of it is in the fault's `before`.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held = _NOTHING
        else:
            data = bytes(data)
        packets: list[Packet] = []
        try:
            at = self._read(data, packets)
        except StreamFault as fault:
            fault.before = tuple(packets)
            raise
        if at < len(data):
            self._held = bytearray(data[at:])
        return packets

    def _read(self, data: bytes, packets: list[Packet]) -> int:
        """Append every whole packet; returns where the unfinished one begins."""
        at, end = 0, len(data)
        while at < end:
            first = data[at]
            if first not in _FIRST_BYTES:
                raise MalformedPacket(_first_byte_fault(first))
            start = at + 2
            if start > end:
                self._wanted = 2
                return at
            remaining = data[at + 1]
            if remaining > 0x7F:  # noqa: PLR2004 - seven bits a byte
                remaining, start = _long_length(data, at + 1)
                if not start:
                    self._wanted = end - at + 1
                    return at
            stop = start + remaining
            if stop - at > self.max_packet_bytes:
                self._held, self._wanted = bytearray(data[at:]), 0
                raise PacketTooLarge(
                    f"a packet of {stop - at} bytes; at most {self.max_packet_bytes} are taken here"
                )
            if stop > end:
                self._wanted = stop - at
                return at
            if first & _PUBLISH_BITS == _PUBLISH:
                packets.append(_publish(first, data, start, stop))
            else:
                packets.append(_READERS[first](data[start:stop]))
            at = stop
        return at


def _publish(first: int, data: bytes, start: int, stop: int) -> Publish:
    topic_at = start + 2
    at = topic_at + (data[start] << 8 | data[start + 1]) if topic_at <= stop else stop + 1
    if at > stop:
        raise MalformedPacket("packet ends inside its topic name")
    topic = topic_name(data[topic_at:at])
    if not first & 0x06:
        return Publish(topic, data[at:stop], 0, 0, False, first & 1 == 1)
    payload_at = at + 2
    if payload_at > stop:
        raise MalformedPacket("PUBLISH ends before its packet id [MQTT-2.3.1-1]")
    packet_id = data[at] << 8 | data[at + 1]
    if not packet_id:
        raise MalformedPacket("PUBLISH has packet id 0 [MQTT-2.3.1-1]")
    return Publish(topic, data[payload_at:stop], first >> 1 & 3, packet_id, first & 8 == 8, first & 1 == 1)  # noqa: PLR2004


def _long_length(data: bytes, at: int) -> tuple[int, int]:
    """Read a remaining length; returns it and where the body begins, or (0, 0) while it is incomplete."""
    remaining = shift = 0
    for byte in data[at : at + 4]:
        remaining |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004 - the last byte has its highest bit clear
            return remaining, at
        shift += 7
    if shift == 28:  # noqa: PLR2004 - four bytes of seven bits
        raise MalformedPacket("remaining length of more than four bytes (section 2.2.3)")
    return 0, 0


def _first_byte_fault(first: int) -> str:
    number, flags = first >> 4, first & 0x0F
    kind = KINDS.get(number)
    if kind is None:
        return f"packet type {number} is reserved (table 2.1)"
    if kind.name != "PUBLISH":
        return f"{kind.name} has flags {flags:#03x}, they are {kind.flags:#03x} [MQTT-2.2.2-2]"
    if flags & 0x06 == 0x06:  # noqa: PLR2004 - both bits of the QoS
        return "PUBLISH with QoS 3 [MQTT-3.3.1-4]"
    return "PUBLISH with QoS 0 has DUP set [MQTT-3.3.1-2]"
