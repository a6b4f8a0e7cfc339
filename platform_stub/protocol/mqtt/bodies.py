"""What follows a packet's fixed header, read strictly; one function a type.

PUBLISH, the hot one, is read in the decoder.

A reader takes the body (`remaining length` bytes, all there) and returns the packet or raises MalformedPacket.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from platform_stub.protocol.mqtt.errors import MalformedPacket, UnacceptableProtocol
from platform_stub.protocol.mqtt.packets import (
    SUBSCRIBE_REFUSED,
    Connack,
    ConnackCode,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)

_QOS_MAX: Final = 2
_LEVEL_3_1_1: Final = 4


class Kind(NamedTuple):
    """A packet type: its name, the flags its first byte must have [MQTT-2.2.2-1], and its reader."""

    name: str
    flags: int
    read: Callable[[bytes], Packet]


def text(data: bytes, what: str) -> str:
    """Read UTF-8 as MQTT wants it: well-formed, no surrogates, no U+0000."""
    try:
        value = data.decode()
    except UnicodeDecodeError as exc:
        raise MalformedPacket(f"{what} is not well-formed UTF-8 [MQTT-1.5.3-1]") from exc
    if "\0" in value:
        raise MalformedPacket(f"{what} has U+0000 in it [MQTT-1.5.3-2]")
    return value


def topic_name(data: bytes) -> str:
    """Read the topic of a PUBLISH or a will."""
    value = text(data, "topic name")
    if not value:
        raise MalformedPacket("topic name is empty [MQTT-4.7.3-1]")
    if "+" in value or "#" in value:
        raise MalformedPacket(f"topic name {value!r} has a wildcard in it [MQTT-3.3.2-2]")
    return value


def topic_filter(data: bytes) -> str:
    """Read a topic filter of SUBSCRIBE or UNSUBSCRIBE."""
    value = text(data, "topic filter")
    if not value:
        raise MalformedPacket("topic filter is empty [MQTT-4.7.3-1]")
    if "#" not in value and "+" not in value:
        return value
    *_, last = levels = value.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in last and last != "#"):
        raise MalformedPacket(f"topic filter {value!r}: '#' has to be the whole last level [MQTT-4.7.1-2]")
    if any("+" in level and level != "+" for level in levels):
        raise MalformedPacket(f"topic filter {value!r}: '+' has to be a whole level [MQTT-4.7.1-3]")
    return value


def packet_id(body: bytes, what: str) -> int:
    """Read the packet id that a body begins with."""
    if len(body) < 2:  # noqa: PLR2004 - two bytes
        raise MalformedPacket(f"{what} of {len(body)} bytes has no packet id (section 2.3.1)")
    value = body[0] << 8 | body[1]
    if not value:
        raise MalformedPacket(f"{what} has packet id 0 [MQTT-2.3.1-1]")
    return value


def field(body: bytes, at: int, what: str) -> tuple[bytes, int]:
    """Read a field with a two-byte length in front; returns it and where the next one begins."""
    start = at + 2
    stop = start + int.from_bytes(body[at:start])
    if start > len(body) or stop > len(body):
        raise MalformedPacket(f"packet ends inside its {what}")
    return body[start:stop], stop


def _connect(body: bytes) -> Connect:
    name, at = field(body, 0, "protocol name")
    if name != b"MQTT":
        raise UnacceptableProtocol(f"CONNECT names protocol {name[:16]!r}, not 'MQTT' [MQTT-3.1.2-1]")
    if len(body) < at + 4:
        raise MalformedPacket(f"CONNECT of {len(body)} bytes ends before its keep-alive")
    level, flags = body[at], body[at + 1]
    if level != _LEVEL_3_1_1:
        raise UnacceptableProtocol(f"CONNECT asks for protocol level {level}; 4 (MQTT 3.1.1) [MQTT-3.1.2-2]")
    _check_connect_flags(flags)
    keepalive_s = body[at + 2] << 8 | body[at + 3]
    client, at = field(body, at + 4, "client id")  # the fields come in this order [MQTT-3.1.3-1]
    will = username = password = None
    if flags & 0x04:
        will, at = _will(body, at, flags)
    if flags & 0x80:
        data, at = field(body, at, "user name")
        username = text(data, "user name")
    if flags & 0x40:
        password, at = field(body, at, "password")
    if at != len(body):
        raise MalformedPacket(f"CONNECT has {len(body) - at} bytes more than its flags announce")
    return Connect(text(client, "client id"), username, password, keepalive_s, bool(flags & 0x02), will)


def _check_connect_flags(flags: int) -> None:
    if flags & 0x01:
        raise MalformedPacket("the reserved bit of the CONNECT flags is set [MQTT-3.1.2-3]")
    if not flags & 0x04 and flags & 0x38:
        raise MalformedPacket("will QoS or will retain without a will [MQTT-3.1.2-11]")
    if flags & 0x18 == 0x18:  # noqa: PLR2004 - both bits of the QoS
        raise MalformedPacket("will QoS 3 [MQTT-3.1.2-14]")
    if flags & 0xC0 == 0x40:  # noqa: PLR2004 - the password's bit without the user name's
        raise MalformedPacket("a password without a user name [MQTT-3.1.2-22]")


def _will(body: bytes, at: int, flags: int) -> tuple[Will, int]:
    topic, at = field(body, at, "will topic")
    payload, at = field(body, at, "will message")
    return Will(topic_name(topic), payload, flags >> 3 & 3, bool(flags & 0x20)), at


def _connack(body: bytes) -> Connack:
    _length_is(body, 2, "CONNACK")
    flags, code = body
    if flags > 1:
        raise MalformedPacket(f"CONNACK has reserved acknowledge flags {flags:#04x} (section 3.2.2.1)")
    if code > ConnackCode.NOT_AUTHORISED:
        raise MalformedPacket(f"CONNACK has the reserved return code {code} (section 3.2.2.3)")
    if flags and code:
        raise MalformedPacket(f"CONNACK refuses with {code} and has a session present [MQTT-3.2.2-4]")
    return Connack(session_present=bool(flags), code=code)


def _subscribe(body: bytes) -> Subscribe:
    number = packet_id(body, "SUBSCRIBE")
    filters, at = [], 2
    while at < len(body):
        data, at = field(body, at, "topic filter")
        if at == len(body):
            raise MalformedPacket("SUBSCRIBE ends before a filter's requested QoS")
        if body[at] > _QOS_MAX:
            raise MalformedPacket(f"SUBSCRIBE asks for QoS byte {body[at]:#04x} [MQTT-3-8.3-4]")
        filters.append((topic_filter(data), body[at]))
        at += 1
    if not filters:
        raise MalformedPacket("SUBSCRIBE without a topic filter [MQTT-3.8.3-3]")
    return Subscribe(number, tuple(filters))


def _suback(body: bytes) -> Suback:
    number = packet_id(body, "SUBACK")
    codes = tuple(body[2:])
    if not codes:
        raise MalformedPacket("SUBACK without a return code [MQTT-3.8.4-5]")
    for code in codes:
        if code > _QOS_MAX and code != SUBSCRIBE_REFUSED:
            raise MalformedPacket(f"SUBACK has the reserved return code {code:#04x} [MQTT-3.9.3-2]")
    return Suback(number, codes)


def _unsubscribe(body: bytes) -> Unsubscribe:
    number = packet_id(body, "UNSUBSCRIBE")
    filters, at = [], 2
    while at < len(body):
        data, at = field(body, at, "topic filter")
        filters.append(topic_filter(data))
    if not filters:
        raise MalformedPacket("UNSUBSCRIBE without a topic filter [MQTT-3.10.3-2]")
    return Unsubscribe(number, tuple(filters))


def _length_is(body: bytes, wanted: int, what: str) -> None:
    if len(body) != wanted:
        raise MalformedPacket(f"{what} has remaining length {len(body)}, it is {wanted}")


def _numbered(make: Callable[[int], Packet], what: str) -> Callable[[bytes], Packet]:
    def read(body: bytes) -> Packet:
        _length_is(body, 2, what)
        return make(packet_id(body, what))

    return read


def _empty(packet: Packet, what: str) -> Callable[[bytes], Packet]:
    def read(body: bytes) -> Packet:
        _length_is(body, 0, what)
        return packet

    return read


def _unreachable(_: bytes) -> NoReturn:
    raise AssertionError("the decoder reads PUBLISH itself")


KINDS: Final[dict[int, Kind]] = {
    1: Kind("CONNECT", 0, _connect),
    2: Kind("CONNACK", 0, _connack),
    3: Kind("PUBLISH", 0, _unreachable),
    4: Kind("PUBACK", 0, _numbered(Puback, "PUBACK")),
    5: Kind("PUBREC", 0, _numbered(Pubrec, "PUBREC")),
    6: Kind("PUBREL", 2, _numbered(Pubrel, "PUBREL")),
    7: Kind("PUBCOMP", 0, _numbered(Pubcomp, "PUBCOMP")),
    8: Kind("SUBSCRIBE", 2, _subscribe),
    9: Kind("SUBACK", 0, _suback),
    10: Kind("UNSUBSCRIBE", 2, _unsubscribe),
    11: Kind("UNSUBACK", 0, _numbered(Unsuback, "UNSUBACK")),
    12: Kind("PINGREQ", 0, _empty(Pingreq(), "PINGREQ")),
    13: Kind("PINGRESP", 0, _empty(Pingresp(), "PINGRESP")),
    14: Kind("DISCONNECT", 0, _empty(Disconnect(), "DISCONNECT")),
}
"""Packet types by number (table 2.1); 0 and 15 are reserved."""
