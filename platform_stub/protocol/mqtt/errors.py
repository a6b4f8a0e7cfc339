"""What is wrong with bytes that a peer sent. After any of these the connection has to be closed [MQTT-4.8.0-1].

PeerFault
  MalformedPacket         the bytes are no MQTT 3.1.1
    UnacceptableProtocol  a CONNECT of another protocol or level; a server answers CONNACK 1
  PacketTooLarge          longer than this end takes; known from its fixed header, before the body is kept
"""

from platform_stub.protocol.errors import PeerFault
from platform_stub.protocol.mqtt.packets import Packet


class StreamFault(PeerFault):
    """The byte stream can't be read on. `before` holds the packets that were read whole ahead of the fault."""

    before: tuple[Packet, ...] = ()


class MalformedPacket(StreamFault):
    """The bytes are no MQTT 3.1.1; the text cites the rule."""


class UnacceptableProtocol(MalformedPacket):
    """A CONNECT names another protocol or level than MQTT 3.1.1 [MQTT-3.1.2-1] [MQTT-3.1.2-2]."""


class PacketTooLarge(StreamFault):
    """A packet is longer than the receiver's limit."""
