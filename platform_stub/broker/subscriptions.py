"""Which of its own topics a device has subscribed to. Pure values, shared by all devices that asked for the same.

A filter is kept as what follows `$sys/{product id}/{device name}`, so a fleet has one value among them.
"""

from functools import lru_cache
from typing import Final

from platform_stub.broker.limits import Limits
from platform_stub.protocol import topics
from platform_stub.protocol.mqtt.packets import SUBSCRIBE_REFUSED

Subscriptions = tuple[tuple[str, int], ...]
"""Pairs of filter suffix and granted QoS, in the order they were granted."""

NO_SUBSCRIPTIONS: Final[Subscriptions] = ()
_SHARED_MAX: Final = 4096


def own_suffix(prefix: str, topic_filter: str) -> str | None:
    """Return the part of a filter below the device's own prefix; None for a filter outside.

    Wildcards are allowed from level 4 on, so the first three levels have to be the device's own.
    """
    below = len(prefix)
    if topic_filter.startswith(prefix) and topic_filter[below : below + 1] == "/":
        return topic_filter[below:]
    return None


def grant(
    held: Subscriptions, prefix: str, topic_filter: str, wanted_qos: int, limits: Limits
) -> tuple[Subscriptions, int]:
    """Answer one filter of a SUBSCRIBE: returns what is held now, and the granted QoS or 0x80.

    A filter that is the same as one held replaces it [MQTT-3.8.4-3].
    """
    suffix = own_suffix(prefix, topic_filter)
    if suffix is None or len(topic_filter) > limits.topic_bytes_max:
        return held, SUBSCRIBE_REFUSED
    others = tuple(pair for pair in held if pair[0] != suffix)
    if len(others) >= limits.subscriptions_max:
        return held, SUBSCRIBE_REFUSED
    qos = min(wanted_qos, limits.granted_qos_max)
    return (*others, (suffix, qos)), qos


def without_filter(held: Subscriptions, suffix: str) -> Subscriptions:
    """Remove a filter, if it is there [MQTT-3.10.4-1]."""
    return tuple(pair for pair in held if pair[0] != suffix)


@lru_cache(_SHARED_MAX)
def granted_qos(held: Subscriptions, suffix: str) -> int | None:
    """Return the highest QoS among the filters that take a topic in [MQTT-3.3.5-1]; None when none does."""
    return max((qos for text, qos in held if topics.filter_matches(text, suffix)), default=None)


@lru_cache(_SHARED_MAX)
def shared(held: Subscriptions) -> Subscriptions:
    """Return the one value that all devices with the same subscriptions keep."""
    return held
