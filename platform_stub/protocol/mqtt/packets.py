"""The control packets of MQTT 3.1.1 as frozen values. How they look as bytes is the codec's business.

Packet ids are 1-65535, and 0 where a packet has none (PUBLISH with QoS 0). Keep-alive is in seconds, 0 means off.
PUBREC, PUBREL and PUBCOMP exist so that a peer's QoS 2 is named when it is refused; nothing here uses QoS 2.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct

PACKET_ID_MAX: Final = 0xFFFF
SUBSCRIBE_REFUSED: Final = 0x80
"""Return code in a SUBACK for a filter that is not granted [MQTT-3.9.3-2]."""


class ConnackCode(IntEnum):
    """Return codes of a CONNACK (table 3.1)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL = 1
    IDENTIFIER_REJECTED = 2
    UNAVAILABLE = 3
    BAD_CREDENTIALS = 4
    NOT_AUTHORISED = 5


class Will(Struct, frozen=True, gc=False):
    """What a client asks to be published after its end."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class Connect(Struct, frozen=True, gc=False):
    """The client's first packet."""

    client_id: str
    username: str | None = None
    password: bytes | None = None
    keepalive_s: int = 60
    clean_session: bool = True
    will: Will | None = None


class Connack(Struct, frozen=True, gc=False):
    """The server's answer to CONNECT; any other code than 0 ends the connection."""

    session_present: bool = False
    code: int = 0


class Publish(Struct, frozen=True, gc=False):
    """A message, either way."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    dup: bool = False
    retain: bool = False


class Puback(Struct, frozen=True, gc=False):
    """Answer to a PUBLISH with QoS 1."""

    packet_id: int


class Pubrec(Struct, frozen=True, gc=False):
    """First answer to a PUBLISH with QoS 2."""

    packet_id: int


class Pubrel(Struct, frozen=True, gc=False):
    """Answer to PUBREC."""

    packet_id: int


class Pubcomp(Struct, frozen=True, gc=False):
    """Answer to PUBREL."""

    packet_id: int


class Subscribe(Struct, frozen=True, gc=False):
    """Ask for topic filters, each with the highest QoS wanted."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


class Suback(Struct, frozen=True, gc=False):
    """Granted QoS of each filter, or 0x80, in the order asked [MQTT-3.9.3-1]."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribe(Struct, frozen=True, gc=False):
    """Give topic filters back."""

    packet_id: int
    filters: tuple[str, ...]


class Unsuback(Struct, frozen=True, gc=False):
    """Answer to UNSUBSCRIBE."""

    packet_id: int


class Pingreq(Struct, frozen=True, gc=False):
    """The client is there."""


class Pingresp(Struct, frozen=True, gc=False):
    """So is the server."""


class Disconnect(Struct, frozen=True, gc=False):
    """The client leaves on purpose; nothing follows."""


Packet = (
    Connect
    | Connack
    | Publish
    | Puback
    | Pubrec
    | Pubrel
    | Pubcomp
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
)
