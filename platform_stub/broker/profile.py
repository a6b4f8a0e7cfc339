"""OneNET's profile of MQTT, as far as every broker in this process holds it. Source: onenet-protocol, section 3."""

from platform_stub.broker.limits import Limits
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import ConnackCode, Connect


def refusal_of(packet: Connect, limits: Limits) -> ConnackCode | None:
    """Judge a CONNECT but for its token: flags 0xC2, a name, a keep-alive in bounds; None lets it go on."""
    if packet.will is not None or not packet.clean_session:
        return ConnackCode.NOT_AUTHORISED
    if not packet.username or not packet.password:
        return ConnackCode.BAD_CREDENTIALS
    if not packet.client_id:  # it is the device's name: none can be made up [MQTT-3.1.3-9]
        return ConnackCode.IDENTIFIER_REJECTED
    if not limits.keepalive_min_s <= packet.keepalive_s <= limits.keepalive_max_s:
        return ConnackCode.NOT_AUTHORISED
    return None


def upward_suffix(prefix: str, topic: str) -> str | None:
    """Return what follows the device's prefix in a topic it may publish to; None for an illegal topic."""
    suffix = topic[len(prefix) :]
    return suffix if suffix in topics.UPWARD and topic.startswith(prefix) else None
