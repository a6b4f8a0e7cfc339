"""OneNET's profile of MQTT, as far as every broker in this process holds it. Source: onenet-protocol, section 3."""

from platform_stub.broker.limits import Limits
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import ConnackCode, Connect


def refusal_of(packet: Connect, limits: Limits) -> tuple[ConnackCode, str] | None:
    """Judge a CONNECT but for its token: flags 0xC2, a name, a keep-alive in bounds; None lets it go on.

    A refusal comes with its reason in words.
    """
    if packet.will is not None:
        return ConnackCode.NOT_AUTHORISED, "flags: a will is not taken, 0xC2 is wanted"
    if not packet.clean_session:
        return ConnackCode.NOT_AUTHORISED, "flags: clean session must be set, 0xC2 is wanted"
    if not packet.username:
        return ConnackCode.BAD_CREDENTIALS, "no user name: it is the product's ID"
    if not packet.password:
        return ConnackCode.BAD_CREDENTIALS, "no password: it is the token"
    if not packet.client_id:  # it is the device's name: none can be made up [MQTT-3.1.3-9]
        return ConnackCode.IDENTIFIER_REJECTED, "no client id: it is the device's name"
    least_s, most_s = limits.keepalive_min_s, limits.keepalive_max_s
    if not least_s <= packet.keepalive_s <= most_s:
        why = f"keep-alive of {packet.keepalive_s} s: {least_s} to {most_s} s are taken"
        return ConnackCode.NOT_AUTHORISED, why
    return None


def upward_suffix(prefix: str, topic: str) -> str | None:
    """Return what follows the device's prefix in a topic it may publish to; None for an illegal topic."""
    suffix = topic[len(prefix) :]
    return suffix if suffix in topics.UPWARD and topic.startswith(prefix) else None
