"""Packets into bytes.

A value that the format can't carry is the caller's mistake: ValueError. What else the standard forbids (wildcards
in a topic name, say) is not checked on the way out.

`encode_publish` and `encode_puback` are the hot path of both ends.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from platform_stub.protocol.mqtt.packets import (
    PACKET_ID_MAX,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

REMAINING_MAX: Final = 268_435_455
"""Largest remaining length: four bytes of seven bits (section 2.2.3)."""
TEXT_BYTES_MAX: Final = 0xFFFF
KEEPALIVE_S_MAX: Final = 0xFFFF

_SHORT: Final = Struct(">BBH").pack  # first byte, remaining length below 128, length of the topic
_MIDDLE: Final = Struct(">BBBH").pack  # the same, remaining length below 16,384
_TWO_BYTES: Final = Struct(">H").pack
_ACK: Final = Struct(">HH").pack

CONNECT_HEAD: Final = b"\x00\x04MQTT\x04"  # protocol name and level [MQTT-3.1.2-1] [MQTT-3.1.2-2]
PINGREQ: Final = b"\xc0\x00"
PINGRESP: Final = b"\xd0\x00"
DISCONNECT: Final = b"\xe0\x00"


def encode_publish(
    topic: str | bytes,
    payload: bytes,
    qos: int = 0,
    packet_id: int = 0,
    dup: bool = False,  # noqa: FBT001, FBT002 - the hot path takes no keywords
    retain: bool = False,  # noqa: FBT001, FBT002
) -> bytes:
    """Encode a PUBLISH. `topic` may be UTF-8 already; `packet_id` is 1-65535 with QoS 1, left out with QoS 0."""
    name = topic.encode() if isinstance(topic, str) else topic
    first = 0x30 | qos << 1
    if dup:
        first |= 8
    if retain:
        first |= 1
    if qos:
        payload = _packet_id(packet_id) + payload
    size = len(name)
    remaining = size + len(payload) + 2
    if remaining < 128:  # noqa: PLR2004 - one byte of seven bits
        return _SHORT(first, remaining, size) + name + payload
    if remaining < 16_384:  # noqa: PLR2004 - two of them
        return _MIDDLE(first, remaining & 0x7F | 0x80, remaining >> 7, size) + name + payload
    return _frame(first, _prefixed(name), payload)


def encode_puback(packet_id: int) -> bytes:
    """Encode a PUBACK; `packet_id` is that of the PUBLISH [MQTT-2.3.1-6]."""
    return _ACK(0x4002, packet_id)


def encode_length(remaining: int) -> bytes:
    """Encode a remaining length: seven bits a byte, the lowest first (section 2.2.3)."""
    if not 0 <= remaining <= REMAINING_MAX:
        raise ValueError(f"{remaining} bytes are more than an MQTT packet holds ({REMAINING_MAX})")
    out = bytearray()
    while remaining > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(remaining & 0x7F | 0x80)
        remaining >>= 7
    out.append(remaining)
    return bytes(out)


def encode(packet: Packet) -> bytes:
    """Encode any packet."""
    return _ENCODERS[type(packet)](packet)


def _packet_id(number: int) -> bytes:
    if not 0 < number <= PACKET_ID_MAX:
        raise ValueError(f"packet id {number} is not 1-65535 [MQTT-2.3.1-1]")
    return _TWO_BYTES(number)


def _frame(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + encode_length(len(body)) + body


def _prefixed(data: bytes) -> bytes:
    if len(data) > TEXT_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes are more than an MQTT string holds ({TEXT_BYTES_MAX})")
    return _TWO_BYTES(len(data)) + data


def _connect(packet: Connect) -> bytes:
    if not 0 <= packet.keepalive_s <= KEEPALIVE_S_MAX:
        raise ValueError(f"keep-alive {packet.keepalive_s} s is not 0-{KEEPALIVE_S_MAX}")
    flags = 0x02 if packet.clean_session else 0
    parts = [_prefixed(packet.client_id.encode())]
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | (0x20 if packet.will.retain else 0)
        parts += [_prefixed(packet.will.topic.encode()), _prefixed(packet.will.payload)]
    if packet.username is not None:
        flags |= 0x80
        parts.append(_prefixed(packet.username.encode()))
    if packet.password is not None:
        if packet.username is None:
            raise ValueError("a password needs a user name [MQTT-3.1.2-22]")
        flags |= 0x40
        parts.append(_prefixed(packet.password))
    return _frame(0x10, CONNECT_HEAD, bytes((flags,)), _TWO_BYTES(packet.keepalive_s), *parts)


def _publish(packet: Publish) -> bytes:
    return encode_publish(
        packet.topic, packet.payload, packet.qos, packet.packet_id, packet.dup, packet.retain
    )


def _subscribe(packet: Subscribe) -> bytes:
    wanted = [_prefixed(text.encode()) + bytes((qos,)) for text, qos in packet.filters]
    return _frame(0x82, _packet_id(packet.packet_id), *wanted)


def _unsubscribe(packet: Unsubscribe) -> bytes:
    return _frame(0xA2, _packet_id(packet.packet_id), *(_prefixed(text.encode()) for text in packet.filters))


def _acknowledgement(first: int) -> Callable[[Any], bytes]:
    return lambda packet: bytes((first, 2)) + _packet_id(packet.packet_id)


_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    Connect: _connect,
    Connack: lambda packet: bytes((0x20, 2, packet.session_present, packet.code)),
    Publish: _publish,
    Puback: _acknowledgement(0x40),
    Pubrec: _acknowledgement(0x50),
    Pubrel: _acknowledgement(0x62),
    Pubcomp: _acknowledgement(0x70),
    Subscribe: _subscribe,
    Suback: lambda packet: _frame(0x90, _packet_id(packet.packet_id), bytes(packet.codes)),
    Unsubscribe: _unsubscribe,
    Unsuback: _acknowledgement(0xB0),
    Pingreq: lambda _: PINGREQ,
    Pingresp: lambda _: PINGRESP,
    Disconnect: lambda _: DISCONNECT,
}
