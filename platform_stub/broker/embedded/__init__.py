"""The embedded broker: OneNET's MQTT access point as one strict endpoint.

It is not a general broker. A device may use its own topics only and the platform is the only peer, so dispatch is one
dictionary look-up; no retained messages, no will, clean sessions only. Source: onenet-protocol, section 3.
"""

from platform_stub.broker.embedded.broker import EmbeddedBroker
from platform_stub.broker.embedded.counters import BrokerSnapshot, CloseReason
from platform_stub.broker.limits import Limits

__all__ = ["BrokerSnapshot", "CloseReason", "EmbeddedBroker", "Limits"]
