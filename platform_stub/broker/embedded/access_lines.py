"""What the broker itself has to say in the access log: why a connection ended, and what a SUBSCRIBE came to.

A CONNECT that the platform judged, and every message, are written down by the platform.
"""

from typing import Final

from platform_stub.broker.embedded.counters import CloseReason
from platform_stub.broker.embedded.events import End, Subscribed
from platform_stub.protocol.shown import shown, shown_name
from platform_stub.service.ports import AccessLog, Session

_MQTT: Final = "mqtt"


def write_end(log: AccessLog, end: End, session: Session | None, peer: str) -> None:
    """Write down why a connection ended; a refusal without words was the platform's, which has said why."""
    who = "/".join(map(shown_name, end.who.split("/", 1))) if end.who else peer
    if session is not None:
        who = f"{session.product_id}/{session.name}"
    if end.reason is not CloseReason.REFUSED:
        why = f" ({shown(end.detail)})" if end.detail else ""
        log.write(_MQTT, who, f"connection ended: {end.reason.value}{why}")
    elif end.detail:
        assert end.code is not None, "a refusal has a code"
        log.write(_MQTT, who, f"CONNECT refused with {int(end.code)} ({shown(end.detail)})")


def write_subscribed(log: AccessLog, event: Subscribed, session: Session) -> None:
    """Write down what a SUBSCRIBE came to."""
    who = f"{session.product_id}/{session.name}"
    if event.granted:
        log.write(_MQTT, who, "SUBSCRIBE granted" + (", informs included" if event.inform else ""))
    for topic_filter in event.refused:
        log.write(_MQTT, who, f"SUBSCRIBE refused: {shown(topic_filter)} is not this device's to read")
